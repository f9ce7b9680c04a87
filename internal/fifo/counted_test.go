package fifo

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// newFile is an empty file for the test.
func newFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func contains(t *testing.T, f *os.File, want string) {
	t.Helper()
	if data, err := os.ReadFile(f.Name()); string(data) != want || err != nil {
		t.Errorf("the file has %q, %v; want %q", data, err, want)
	}
}

// After each step of a write it is known whether it was done.
func TestCounted(t *testing.T) {
	path := newPipe(t)
	r, err := open(path, os.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	w, err := OpenCounted(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for n := int64(1); n < 4; n++ {
		if err := w.Announce(n); err != nil {
			t.Fatal(err)
		}
		if WasWritten(path, n) || n > 1 && !WasWritten(path, n-1) {
			t.Errorf("%d announced: written %t, the one before %t", n, WasWritten(path, n), WasWritten(path, n-1))
		}
		if err := w.Write([]byte("123")); err != nil {
			t.Fatal(err)
		}
		if !WasWritten(path, n) {
			t.Errorf("%d written: it is not known", n)
		}
	}
	expectRead(t, r, "123123123", nil)
	if w.Unread() || !w.IsRead() {
		t.Errorf("unread %t, read %t", w.Unread(), w.IsRead())
	}

	// A full pipe keeps it waiting, and a reader that goes ends that.
	gone := make(chan struct{})
	stop, err := w.Watch(func() { close(gone) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	full := make(chan error)
	go func() {
		var err error
		for block := make([]byte, AtomicSize); err == nil; {
			err = w.Write(block)
		}
		full <- err
	}()
	for !unread(r) {
	}
	r.Close()
	if err := <-full; !errors.Is(err, ErrNoReader) {
		t.Errorf("got %v", err)
	}
	<-gone
}

// What a reader has left comes back whole, to a file or to memory.
func TestTakeBack(t *testing.T) {
	path := newPipe(t)
	r, err := open(path, os.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w, err := OpenCounted(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Write([]byte("taken left")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	f := newFile(t)
	if n, err := w.TakeBack(f, 0, 1<<20); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := w.TakeBack(f, 4, 1<<20); n != 0 || err != nil {
		t.Errorf("%d from an empty pipe, %v", n, err)
	}
	contains(t, f, "left")

	if r, err = open(path, os.O_RDONLY|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]byte("again")); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if rest, err := w.ReadBack(); string(rest) != "again" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	if rest, err := w.ReadBack(); len(rest) > 0 || err != nil {
		t.Errorf("%q from an empty pipe, %v", rest, err)
	}
	cancel()
	if _, err := OpenCounted(ctx, path); !errors.Is(err, ErrNoReader) {
		t.Errorf("got %v", err)
	}
}

// Splice is Read into a file.
func TestSplice(t *testing.T) {
	path := newPipe(t)
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w := openWriter(t, path)
	put(t, w, "one two")
	f := newFile(t)
	if n, err := r.Splice(f, 0, 4); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	w.Close()
	if n, err := r.Splice(f, 4, 100); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := r.Splice(f, 7, 100); err != io.EOF {
		t.Errorf("at the end %v", err)
	}
	contains(t, f, "one two")
}

// A mark lasts as long as anybody has the pipe open.
func TestMark(t *testing.T) {
	path := newPipe(t)
	for _, kept := range []bool{true, false} {
		r, err := OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		if r.Mark() {
			t.Error("marked before")
		}
		if !r.Mark() {
			t.Skip("pipes cannot be marked here")
		}
		if kept {
			keeper := openWriter(t, path)
			r.Close()
			if r, err = OpenReader(path); err != nil {
				t.Fatal(err)
			}
			if !r.Mark() {
				t.Error("the mark is lost")
			}
			keeper.Close()
		}
		r.Close()
	}
}

func TestWatchDir(t *testing.T) {
	dir := t.TempDir()
	w, err := WatchDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func() error{
		func() error { _, err := Make(filepath.Join(dir, "a"), 0o600); return err },
		func() error { return os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")) },
		func() error { return os.Remove(filepath.Join(dir, "b")) },
	} {
		if err := errors.Join(change(), w.Wait()); err != nil {
			t.Error(err)
		}
	}
	w.Close()
	if err := w.Wait(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close %v", err)
	}
	if _, err := WatchDir(filepath.Join(dir, "none")); err == nil || !strings.HasSuffix(err.Error(), "none: no such file or directory") {
		t.Errorf("got %v", err)
	}
}
