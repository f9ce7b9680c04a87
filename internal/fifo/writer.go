package fifo

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Writer writes to a named pipe whose readers come and go. While there is none
// it waits. What a reader has not taken when it leaves stays in the pipe for
// the next one.
type Writer struct {
	ctx  context.Context
	path string
	f    *os.File
}

// NewWriter writes to the pipe at path, from the first Write on, until ctx ends.
func NewWriter(ctx context.Context, path string) *Writer { return &Writer{ctx: ctx, path: path} }

// Write waits until all of p is in the pipe.
func (w *Writer) Write(p []byte) (n int, err error) {
	if w.f == nil {
		if w.f, err = OpenWhenRead(w.ctx, w.path); err != nil {
			return 0, err
		}
	}
	for {
		m, err := w.f.Write(p[n:])
		n += m
		if !errors.Is(err, syscall.EPIPE) {
			return n, bare(err)
		}
		if err := w.awaitReader(); err != nil {
			return n, err
		}
	}
}

// awaitReader waits for somebody to open the pipe for reading.
func (w *Writer) awaitReader() error {
	f, err := OpenWhenRead(w.ctx, w.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if !sameFile(f, w.f) {
		return &Error{Path: w.path, Err: ErrReplaced}
	}
	return nil
}

// Close closes the pipe. If something is in it and the reader has left, it
// waits for another one first: with the last descriptor the bytes would go.
func (w *Writer) Close() error {
	if w.f == nil {
		return nil
	}
	defer w.f.Close()
	for poll(w.f, 0)&unix.POLLERR != 0 {
		r, err := open(w.path, os.O_RDONLY|unix.O_NONBLOCK)
		if err != nil {
			return err
		}
		left := sameFile(r, w.f) && poll(r, unix.POLLIN)&unix.POLLIN != 0
		r.Close()
		if !left {
			break
		}
		if err := w.awaitReader(); err != nil {
			return err
		}
	}
	return nil
}
