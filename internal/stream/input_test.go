package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

func writeString(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Error(err)
	}
}

func TestInputReads(t *testing.T) {
	content := []byte(strings.Repeat("0123456789abcdef", 3*blockSize/16) + "end")
	for name, r := range map[string]io.Reader{
		"blocks":        strings.NewReader(string(content)),
		"data with EOF": iotest.DataErrReader(strings.NewReader(string(content))),
	} {
		in := NewInput(t.Context(), name, r)
		if err := iotest.TestReader(in, content); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		in.Close()
	}
}

func TestInputError(t *testing.T) {
	broken := errors.New("broken")
	in := NewInput(t.Context(), "stdin", io.MultiReader(strings.NewReader("data"), iotest.ErrReader(broken)))
	defer in.Close()
	data, err := io.ReadAll(in)
	if string(data) != "data" {
		t.Errorf("before the error %q was read", data)
	}
	for range 2 {
		if !errors.Is(err, broken) || err.Error() != "read stdin: broken" {
			t.Errorf("got %v", err)
		}
		_, err = in.Read(make([]byte, 1))
	}
}

// The caller hears that nothing is ready behind everything that was, and only
// then does Read wait. Of a pipe it reads long pieces itself.
func TestInputIdle(t *testing.T) {
	for _, size := range []int{100, directSize} {
		r, w := pipe(t)
		writeString(t, w, "one")
		var events []string
		in := NewInput(t.Context(), "pipe", r)
		defer in.Close()
		in.OnIdle(func() error {
			events = append(events, "idle")
			if len(events) < 4 {
				writeString(t, w, "two")
			} else {
				w.Close()
			}
			return nil
		})
		buf := make([]byte, size)
		for {
			n, err := in.Read(buf)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, string(buf[:n]))
		}
		if diff := cmp.Diff([]string{"one", "idle", "two", "idle"}, events); diff != "" {
			t.Errorf("by %d bytes: -want +got:\n%s", size, diff)
		}
	}
}

// Nothing of a pipe is lost or changes its place, be it read by the pump or not.
func TestInputPipe(t *testing.T) {
	r, w := pipe(t)
	content := make([]byte, 8*blockSize)
	for i := range content {
		content[i] = byte(rand.IntN(256))
	}
	go func() {
		for rest := content; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(directSize))
			w.Write(rest[:n])
			rest = rest[n:]
			if rand.IntN(10) == 0 {
				time.Sleep(time.Millisecond) // Read has to wait
			}
		}
		w.Close()
	}()
	in := NewInput(t.Context(), "pipe", r)
	defer in.Close()
	var got []byte
	for {
		buf := make([]byte, []int{1, 1000, directSize, 2 * directSize}[rand.IntN(4)])
		n, err := in.Read(buf)
		got = append(got, buf[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, content) {
		t.Errorf("%d bytes became %d others", len(content), len(got))
	}
}

func TestInputIdleError(t *testing.T) {
	r, _ := pipe(t)
	full := errors.New("disk full")
	in := NewInput(t.Context(), "pipe", r)
	defer in.Close()
	in.OnIdle(func() error { return full })
	for range 2 {
		if _, err := in.Read(make([]byte, 1)); err != full {
			t.Errorf("got %v, want the error of OnIdle", err)
		}
	}
}

// What is always ready, a regular file or no file at all, is never idle.
func TestInputNeverIdle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	content := strings.Repeat("x", 5*blockSize)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	inputs := Inputs{Stdin: strings.NewReader(content), Names: []string{path, "-"}}
	n := 0
	err := inputs.Each(t.Context(), func(in *Input) error {
		in.OnIdle(func() error {
			t.Errorf("%s is idle", in.Name())
			return nil
		})
		data, err := io.ReadAll(in)
		n += len(data)
		return err
	})
	if err != nil || n != 2*len(content) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// A done context ends a Read that waits.
func TestInputCancelWaiting(t *testing.T) {
	r, _ := pipe(t)
	cause := errors.New("told to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	in := NewInput(ctx, "pipe", r)
	defer in.Close()
	in.OnIdle(func() error {
		cancel(cause)
		return nil
	})
	for range 2 {
		if _, err := in.Read(make([]byte, 1)); err != cause {
			t.Errorf("got %v, want the cause", err)
		}
	}
}

// It counts even while data is left.
func TestInputCancelWithData(t *testing.T) {
	cause := errors.New("told to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	in := NewInput(ctx, "text", strings.NewReader("data"))
	defer in.Close()
	if _, err := in.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel(cause)
	if n, err := in.Read(make([]byte, 1)); n != 0 || err != cause {
		t.Errorf("got %d bytes and %v, want the cause", n, err)
	}
}

// It does not undo an end that was reached before.
func TestInputCancelAfterEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in := NewInput(ctx, "text", strings.NewReader("data"))
	defer in.Close()
	if _, err := io.ReadAll(in); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := in.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
}

// An input is not closed by who did not open it: standard input may be wanted
// again, and its number must not go to another file.
func TestInputLeavesSourceOpen(t *testing.T) {
	r, w := pipe(t)
	writeString(t, w, "x")
	w.Close()
	err := Inputs{Stdin: r}.Each(t.Context(), func(in *Input) error {
		_, err := io.ReadAll(in)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Stat(); err != nil {
		t.Errorf("standard input was closed: %v", err)
	}
}

// A FIFO is waited for and read like a file; what is pending can be flushed
// before its writer comes.
func TestInputFIFO(t *testing.T) {
	path := fifo(t)
	idle := 0
	var data []byte
	written := make(chan error, 1)
	err := Inputs{Names: []string{path}}.Each(t.Context(), func(in *Input) error {
		in.OnIdle(func() error {
			if idle++; idle == 1 {
				go func() { written <- os.WriteFile(path, []byte("through the FIFO"), 0) }()
			}
			return nil
		})
		var err error
		data, err = io.ReadAll(in)
		return err
	})
	if err != nil || string(data) != "through the FIFO" {
		t.Errorf("got %q, %v", data, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// The writer of a FIFO learns that its reader lost interest.
func TestInputCloseEndsPump(t *testing.T) {
	path := fifo(t)
	written := make(chan error, 1)
	go func() {
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		for err == nil {
			_, err = w.WriteString(strings.Repeat("x", blockSize))
		}
		w.Close()
		written <- err
	}()
	err := Inputs{Names: []string{path}}.Each(t.Context(), func(in *Input) error {
		_, err := in.Read(make([]byte, 10))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-written; !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the writer got %v", err)
	}
}

// Nobody need come to a FIFO for the tool to stop.
func TestInputCancelFIFO(t *testing.T) {
	path := fifo(t)
	cause := errors.New("told to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := Inputs{Names: []string{path}}.Each(ctx, func(in *Input) error {
		in.OnIdle(func() error {
			cancel(cause)
			return nil
		})
		_, err := in.Read(make([]byte, 1))
		return err
	})
	if err != cause {
		t.Errorf("got %v, want the cause", err)
	}
	// Let the pump's open return.
	w, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
}

func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
