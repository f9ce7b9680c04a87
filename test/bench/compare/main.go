// Command compare times command lines against each other on a machine whose
// speed shifts:
//
//	compare [-n ROUNDS] NAME=COMMAND NAME=COMMAND...
//
// It runs each by bash, one after another, round by round, and prints every
// time in seconds, the median of each command, and the median over the rounds
// of its time divided by that of the first command in the same round. A
// command's output goes nowhere; a command that fails ends the comparison.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

type command struct {
	name, line string
	seconds    []float64
	ratios     []float64 // to the first command
}

func run() error {
	rounds := flag.Int("n", 5, "`ROUNDS`")
	flag.Parse()
	var commands []*command
	for _, arg := range flag.Args() {
		name, line, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q is not NAME=COMMAND", arg)
		}
		commands = append(commands, &command{name: name, line: line})
	}
	if len(commands) == 0 || *rounds < 1 {
		return fmt.Errorf("usage: compare [-n ROUNDS] NAME=COMMAND…")
	}
	fmt.Printf("# %s, %d CPUs, %s, %s/%s\n", time.Now().UTC().Format(time.RFC3339), runtime.NumCPU(), cpu(), runtime.GOOS, runtime.GOARCH)
	for _, c := range commands {
		fmt.Printf("# %s: %s\n", c.name, c.line)
	}
	for range *rounds {
		for _, c := range commands {
			start := time.Now()
			bash := exec.Command("bash", "-o", "pipefail", "-c", c.line)
			bash.Stderr = os.Stderr
			if err := bash.Run(); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.seconds = append(c.seconds, time.Since(start).Seconds())
			c.ratios = append(c.ratios, c.seconds[len(c.seconds)-1]/commands[0].seconds[len(c.seconds)-1])
		}
	}
	fmt.Printf("%-16s %9s %9s  %s\n", "command", "median s", "ratio", "seconds")
	for _, c := range commands {
		fmt.Printf("%-16s %9.3f %9.2f ", c.name, median(c.seconds), median(c.ratios))
		for _, s := range c.seconds {
			fmt.Printf(" %.3f", s)
		}
		fmt.Println()
	}
	return nil
}

// median sorts a copy.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// cpu is the processor's name, where Linux tells it.
func cpu() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(info)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, " \t:\n")
		}
	}
	return "unknown CPU"
}
