package shm

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// config is that of a segment for the test, which must be gone at its end.
func config(t testing.TB) Config {
	path := filepath.Join("/dev/shm", fmt.Sprintf("relay-test.%s.%d", strings.ReplaceAll(t.Name(), "/", "-"), os.Getpid()))
	t.Cleanup(func() {
		if os.Remove(path) == nil && !t.Failed() {
			t.Errorf("%s is left behind", path)
		}
	})
	return Config{Path: path}
}

// other starts this test binary to play a part; what it says comes from the
// pipe.
func other(t testing.TB, part string, c Config, args ...int) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	words := []string{part, c.Path, strconv.Itoa(c.Size)}
	for _, n := range args {
		words = append(words, strconv.Itoa(n))
	}
	cmd := exec.Command(os.Args[0], words...)
	cmd.Env = append(os.Environ(), "SHM_TEST_PART=1", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, bufio.NewReader(out)
}

func TestMain(m *testing.M) {
	if os.Getenv("SHM_TEST_PART") != "" {
		if err := play(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, os.Args[1], err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func play(part, path string, words []string) error {
	var args []int
	for _, word := range words {
		n, _ := strconv.Atoi(word)
		args = append(args, n)
	}
	ctx := context.Background()
	c := Config{Path: path, Size: args[0]}
	args = args[1:]
	switch part {
	case "fill": // size, batch, number
		return fill(ctx, c, args[0], args[1], args[2])
	case "write": // writer, first, number: until it is killed, if there is none
		return write(ctx, c, args[0], args[1], args[2])
	case "read": // prints what it has before it acknowledges it
		return read(ctx, c)
	case "echo":
		return echo(ctx, c)
	}
	return fmt.Errorf("unknown part")
}

func fill(ctx context.Context, c Config, size, batch, number int) error {
	w, err := OpenWriter(ctx, c)
	if err != nil {
		return err
	}
	for body := make([]byte, size); number > 0; number -= batch {
		if err := w.Begin(ctx); err != nil {
			return err
		}
		for range min(number, batch) {
			if err := w.Put(ctx, Record{Body: body}); err != nil {
				return err
			}
		}
		w.End()
	}
	err = w.Flush(ctx)
	w.Close("")
	return err
}

// numbered is a record that tells its writer and number, and whether it is
// whole. Now and then one is longer than the ring.
func numbered(c Config, writer, n int) Record {
	size := 16 + n*7919%1000
	if n%50 == 49 {
		size = 3*c.size() + n
	}
	body := make([]byte, size)
	binary.LittleEndian.PutUint64(body, uint64(writer))
	binary.LittleEndian.PutUint64(body[8:], uint64(n))
	for i := range body[16:] {
		body[16+i] = byte(n + i)
	}
	return Record{Body: body, Kind: uint8(n), Key: strings.Repeat("k", n%9)}
}

// isNumbered returns what a numbered record tells.
func isNumbered(c Config, r Record) (writer, n int, err error) {
	if len(r.Body) < 16 {
		return 0, 0, fmt.Errorf("a record of %d bytes", len(r.Body))
	}
	writer, n = int(binary.LittleEndian.Uint64(r.Body)), int(binary.LittleEndian.Uint64(r.Body[8:]))
	want := numbered(c, writer, n)
	if string(want.Body) != string(r.Body) || want.Kind != r.Kind || want.Key != r.Key {
		return 0, 0, fmt.Errorf("record %d of writer %d is torn", n, writer)
	}
	return writer, n, nil
}

func write(ctx context.Context, c Config, writer, first, number int) error {
	w, err := OpenWriter(ctx, c)
	if err != nil {
		return err
	}
	fmt.Println("open")
	for n := first; number == 0 || n < first+number; n++ {
		if err := w.Begin(ctx); err != nil {
			return err
		}
		if err := w.Put(ctx, numbered(c, writer, n)); err != nil {
			return err
		}
		w.End()
	}
	err = w.Flush(ctx)
	w.Close("")
	return err
}

func read(ctx context.Context, c Config) error {
	r, err := OpenReader(ctx, c, 1<<30)
	if err != nil {
		return err
	}
	fmt.Println("open")
	for {
		var got []*Extent
		var bad error
		err := r.Receive(ctx, 10, func(record Record) {
			writer, n, err := isNumbered(c, record)
			if err != nil {
				bad = err
			}
			fmt.Println(writer, n)
			got = append(got, record.Taken)
		})
		switch {
		case bad != nil:
			return bad
		case err != nil:
			return err
		}
		r.Ack(got...)
	}
}

func echo(ctx context.Context, c Config) error {
	l, err := JoinLine(ctx, c)
	if err != nil {
		return err
	}
	defer l.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := l.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = l.Write(buf[:n])
		}
		if err != nil {
			return err
		}
	}
}
