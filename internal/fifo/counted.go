package fifo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// CountedWriter writes to a named pipe such that, after it was killed at any
// instant, it is known what it has written.
//
// A write of at most AtomicSize bytes is done whole or not at all, and sets the
// time that the pipe was modified. So this is set to a time that stands for the
// number of the write before: if it is still that afterwards, nothing was
// written.
type CountedWriter struct {
	ctx  context.Context
	path string
	f    *os.File
	stop func() bool
}

// OpenCounted opens the pipe at path as soon as somebody reads it.
func OpenCounted(ctx context.Context, path string) (*CountedWriter, error) {
	f, err := OpenWhenRead(ctx, path)
	if err != nil {
		return nil, err
	}
	w := &CountedWriter{ctx: ctx, path: path, f: f}
	w.stop = context.AfterFunc(ctx, w.hurry)
	return w, nil
}

// hurry ends the waiting for a reader that takes nothing.
func (w *CountedWriter) hurry() { _ = w.f.SetWriteDeadline(time.Now().Add(time.Second)) }

// countTime stands for the number of a write. It is long ago.
func countTime(n int64) time.Time { return time.Unix(1+n%1_000_000_000, 0) }

// Announce is called before the write with the number n.
func (w *CountedWriter) Announce(n int64) error { return os.Chtimes(w.path, time.Time{}, countTime(n)) }

// WasWritten reports whether the last write that was announced for the pipe at
// path was done, if n is its number, or a later one.
func WasWritten(path string, n int64) bool {
	info, err := os.Stat(path)
	return err != nil || !info.ModTime().Equal(countTime(n))
}

// Write writes at most AtomicSize bytes. Without a reader it returns
// ErrNoReader.
func (w *CountedWriter) Write(p []byte) error {
	conn, err := w.f.SyscallConn()
	if err != nil {
		return err
	}
	var writeErr error
	err = conn.Write(func(fd uintptr) (done bool) {
		for writeErr = unix.EINTR; writeErr == unix.EINTR; {
			_, writeErr = unix.Write(int(fd), p)
		}
		return writeErr != unix.EAGAIN
	})
	switch {
	case err != nil:
		return &Error{Path: w.path, Err: bare(err)}
	case writeErr == unix.EPIPE:
		return &Error{Path: w.path, Err: ErrNoReader}
	case w.ctx.Err() != nil:
		w.hurry() // it goes on taking
	}
	return writeErr
}

// Unread reports whether the reader has not taken all yet.
func (w *CountedWriter) Unread() bool { return unread(w.f) }

// IsRead reports whether there is a reader.
func (w *CountedWriter) IsRead() bool { return IsRead(w.f) }

// Watch calls gone when there is no reader any more. The function it returns
// ends the watch.
func (w *CountedWriter) Watch(gone func()) (stop func(), err error) { return WatchReader(w.f, gone) }

// TakeBack moves what no reader has taken out of the pipe, to a file.
func (w *CountedWriter) TakeBack(f *os.File, offset int64, size int) (int, error) {
	return w.takeBack(func(fd int) (int, error) { return splice(fd, f, offset, size) })
}

// ReadBack is TakeBack to memory.
func (w *CountedWriter) ReadBack() ([]byte, error) {
	buf := make([]byte, lateSize)
	n, err := w.takeBack(func(fd int) (int, error) { return unix.Read(fd, buf) })
	return buf[:n], err
}

// takeBack opens the very pipe for reading, whatever stands at its path.
func (w *CountedWriter) takeBack(read func(fd int) (int, error)) (n int, err error) {
	err = control(w.f, func(fd int) error {
		r, err := unix.Open(fmt.Sprintf("/dev/fd/%d", fd), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if n, err = read(r); err == unix.EAGAIN {
			err = nil // it is empty
		}
		return errors.Join(err, unix.Close(r))
	})
	return max(n, 0), err
}

// Close closes the pipe.
func (w *CountedWriter) Close() error {
	w.stop()
	return w.f.Close()
}
