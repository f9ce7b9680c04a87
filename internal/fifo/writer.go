package fifo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Writer writes to a named pipe whose readers come and go. While there is none
// it waits. What a reader has not taken when it leaves stays in the pipe for
// the next one.
type Writer struct {
	ctx  context.Context
	path string
	f    *os.File
	stop func() bool // of what happens to f at the end of ctx
}

// NewWriter writes to the pipe at path, from the first Write on, until ctx ends.
func NewWriter(ctx context.Context, path string) *Writer { return &Writer{ctx: ctx, path: path} }

// Write waits until all of p is in the pipe. Once ctx has ended, it waits only
// while the reader goes on taking.
func (w *Writer) Write(p []byte) (n int, err error) {
	if w.f == nil {
		if w.f, err = w.open(); err != nil {
			return 0, err
		}
		w.stop = context.AfterFunc(w.ctx, w.hurry)
	}
	for {
		m, err := w.f.Write(p[n:])
		n += m
		switch {
		case errors.Is(err, syscall.EPIPE):
			err = w.awaitReader()
		case errors.Is(err, os.ErrDeadlineExceeded) && m > 0:
			w.hurry()
			err = nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = &Error{Path: w.path, Err: errUntaken}
		default:
			return n, bare(err)
		}
		if err != nil {
			return n, err
		}
	}
}

// hurry ends the waiting for a reader that takes nothing for so long.
func (w *Writer) hurry() { _ = w.f.SetWriteDeadline(time.Now().Add(time.Second)) }

// open opens the pipe as soon as somebody reads it.
func (w *Writer) open() (*os.File, error) {
	f, err := OpenWhenRead(w.ctx, w.path)
	if err != nil && w.ctx.Err() != nil {
		return nil, &Error{Path: w.path, Err: errUnread} // more than that it was stopped
	}
	return f, err
}

// awaitReader waits for somebody to open the pipe for reading.
func (w *Writer) awaitReader() error {
	f, err := w.open()
	if err != nil {
		return err
	}
	defer f.Close()
	if !sameFile(f, w.f) {
		return &Error{Path: w.path, Err: ErrReplaced}
	}
	return nil
}

// Finish is Close where all went well: a reader that has nothing to read gets
// its end of file, too. Until ctx ends it is waited for.
func (w *Writer) Finish() error {
	if w.f == nil {
		if f, err := w.open(); err == nil {
			f.Close()
		} else if w.ctx.Err() == nil {
			return err
		}
	}
	return w.Close()
}

// Close closes the pipe when a reader has taken all that is in it: with the
// last descriptor the rest would go. Once ctx has ended it waits no longer, and
// it is an error if nobody is there to take the rest.
func (w *Writer) Close() error {
	if w.f == nil {
		return nil
	}
	defer w.f.Close()
	defer w.stop()
	for pause := time.Millisecond; unread(w.f); pause = min(2*pause, 20*time.Millisecond) {
		if info, err := os.Stat(w.path); err != nil || !isFile(w.f, info) {
			return &Error{Path: w.path, Err: ErrReplaced}
		}
		select {
		case <-w.ctx.Done():
			if IsRead(w.f) {
				return nil
			}
			return &Error{Path: w.path, Err: errUnread}
		case <-time.After(pause):
		}
	}
	return nil
}

var (
	errUnread  = errors.New("nobody reads it: its last records are lost")
	errUntaken = errors.New("its reader takes nothing: its last records are lost")
)

func sameFile(a, b *os.File) bool {
	info, err := b.Stat()
	return err == nil && isFile(a, info)
}

func isFile(f *os.File, info fs.FileInfo) bool {
	own, err := f.Stat()
	return err == nil && os.SameFile(own, info)
}

// Taken waits until a reader has taken all that is in the pipe, of which f is a
// write end. If it has left, that is ErrNoReader.
func Taken(ctx context.Context, f *os.File) error {
	for pause := 100 * time.Microsecond; unread(f); pause = min(2*pause, 20*time.Millisecond) {
		if !IsRead(f) {
			return &Error{Path: f.Name(), Err: ErrNoReader}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
	return nil
}
