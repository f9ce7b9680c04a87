// Command latency measures how long a line takes through a program that copies
// lines from a named pipe to its standard output:
//
//	latency [-n LINES] NAME PIPE COMMAND
//
// COMMAND is run by sh, PIPE is made for it. One line is written at a time, the
// next one when it has come out. It prints the median, the 90th percentile and
// the worst, in milliseconds.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "latency:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	n := flag.Int("n", 2000, "`LINES`")
	flag.Parse()
	if flag.NArg() != 3 {
		return fmt.Errorf("usage: latency [-n LINES] NAME PIPE COMMAND")
	}
	name, path, line := flag.Arg(0), flag.Arg(1), flag.Arg(2)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(path)) }()
	cmd := exec.Command("sh", "-c", line)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	pipe, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	lines := bufio.NewReader(out)
	record := strings.Repeat("x", 99) + "\n"
	var times []time.Duration
	for range *n {
		start := time.Now()
		if _, err := pipe.WriteString(record); err != nil {
			return err
		}
		if _, err := lines.ReadString('\n'); err != nil {
			return err
		}
		times = append(times, time.Since(start))
	}
	if err := pipe.Close(); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	slices.Sort(times)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	fmt.Printf("%-16s median %7.3f ms, 90%% %7.3f ms, worst %7.3f ms\n", name, ms(times[len(times)/2]), ms(times[len(times)*9/10]), ms(times[len(times)-1]))
	return nil
}
