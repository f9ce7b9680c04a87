package shm

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// makeLine is a line to another process that says what it hears.
func makeLine(t *testing.T, c Config) (*Line, *os.Process) {
	t.Helper()
	l, err := MakeLine(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	cmd, _ := other(t, "echo", c)
	if err := l.Joined(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.Path); err == nil {
		t.Error("its name is still there")
	}
	return l, cmd.Process
}

// What is written at one end is read at the other, both ways at once, however
// it is cut.
func TestLine(t *testing.T) {
	c := config(t)
	c.Size = os.Getpagesize()
	l, _ := makeLine(t, c)
	sent := make([]byte, 1<<20)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	wrote := make(chan error)
	go func() {
		var err error
		for rest := sent; len(rest) > 0 && err == nil; {
			n := min(rand.IntN(20_000), len(rest))
			err = l.Write(rest[:n/3], rest[n/3:n])
			rest = rest[n:]
		}
		wrote <- err
	}()
	got := make([]byte, len(sent))
	for rest := got; len(rest) > 0; {
		n, err := l.Read(rest[:min(1+rand.IntN(20_000), len(rest))])
		if err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if !bytes.Equal(got, sent) {
		t.Error("other bytes came back")
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

// The other end dies, or closes, while this one waits.
func TestLineEnds(t *testing.T) {
	l, other := makeLine(t, config(t))
	if err := l.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 5)
	if _, err := io.ReadFull(l, buf); err != nil || string(buf) != "hello" {
		t.Errorf("%q, %v", buf, err)
	}
	other.Kill()
	if _, err := l.Read(buf); !errors.Is(err, ErrDied) {
		t.Errorf("got %v", err)
	}
	l.Close()

	c := config(t)
	c.Size = os.Getpagesize()
	first, err := MakeLine(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Joined(t.Context(), time.Millisecond); !errors.Is(err, ErrNobody) {
		t.Errorf("got %v", err)
	}
	second, err := JoinLine(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Write([]byte("bye")); err != nil {
		t.Fatal(err)
	}
	second.Close()
	if got, err := io.ReadAll(first); string(got) != "bye" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := first.Write(make([]byte, 2*c.Size)); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
	first.Close()
	if _, err := first.Read(buf); err != os.ErrClosed {
		t.Errorf("got %v", err)
	}
	if _, err := JoinLine(t.Context(), c); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if l, err = MakeLine(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody came
}

// Close ends a Read that waits.
func TestLineClose(t *testing.T) {
	l, _ := makeLine(t, config(t))
	time.AfterFunc(10*time.Millisecond, l.Close)
	if _, err := l.Read(make([]byte, 1)); err != os.ErrClosed {
		t.Errorf("got %v", err)
	}
}
