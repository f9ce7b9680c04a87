// Package fifo makes, opens and removes named pipes without their surprises: an
// open that blocks for ever, an end of file between two writers, records torn
// where writers share a pipe, bytes lost when a reader goes.
//
// What it builds on is in fifo(7) and pipe(7) of the Linux manual.
package fifo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// AtomicSize is how many bytes one write puts into a pipe in one piece:
// PIPE_BUF on Linux, the least of the systems.
const AtomicSize = 4096

// Error is a named pipe that cannot be used as one.
type Error struct {
	Path string
	Err  error
	hint string
}

func (e *Error) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Hint is what to do about it.
func (e *Error) Hint() string { return e.hint }

// Reasons why a path is refused or a wait ended.
var (
	ErrNotFIFO  = errors.New("not a named pipe")
	ErrReplaced = errors.New("the named pipe was removed or replaced")
	ErrNoReader = errors.New("nobody reads it")
)

// Make makes a named pipe unless one is there already, and reports whether it
// did. The umask has no say in the mode. A symbolic link to one is taken;
// anything else is refused.
func Make(path string, mode fs.FileMode) (made bool, err error) {
	err = unix.Mkfifo(path, uint32(mode.Perm()))
	if err == nil {
		return true, os.Chmod(path, mode.Perm()) // whatever the umask took
	}
	if err != unix.EEXIST {
		return false, &Error{Path: path, Err: fmt.Errorf("make a named pipe: %w", err)}
	}
	return false, Check(path)
}

// Check returns an error if path is no named pipe.
func Check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return &Error{Path: path, Err: bare(err)}
	}
	if info.Mode().Type() != fs.ModeNamedPipe {
		return notFIFO(path)
	}
	return nil
}

func notFIFO(path string) error {
	return &Error{Path: path, Err: ErrNotFIFO, hint: "if a redirection made a file where no pipe was yet, remove it, and start the reader first"}
}

// open opens the pipe and makes sure that it is one.
func open(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, &Error{Path: path, Err: bare(err)}
	}
	info, err := f.Stat()
	if err != nil {
		err = &Error{Path: path, Err: err}
	} else if info.Mode().Type() != fs.ModeNamedPipe {
		err = notFIFO(path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// OpenWhenRead opens the pipe for writing as soon as it is there and somebody
// reads it. It looks again and again instead of waiting in open(2), so that it
// can give up without having to open the pipe for reading: that would wake the
// other writers for nobody.
func OpenWhenRead(ctx context.Context, path string) (*os.File, error) {
	const hint = "start its reader first"
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		f, err := open(path, os.O_WRONLY|unix.O_NONBLOCK)
		switch {
		case errors.Is(err, syscall.ENXIO):
			err = &Error{Path: path, Err: ErrNoReader, hint: hint}
		case errors.Is(err, fs.ErrNotExist):
			err = &Error{Path: path, Err: errors.Unwrap(err), hint: hint}
		default:
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// Within is a context that ends with the cause after so long a wait; 0 is for
// ever.
func Within(ctx context.Context, wait time.Duration, cause error) (context.Context, context.CancelFunc) {
	if wait <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, wait, cause)
}

// control calls do with the descriptor of f, which stays open meanwhile.
func control(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if closed := conn.Control(func(fd uintptr) { err = do(int(fd)) }); closed != nil {
		return closed
	}
	return err
}

// poll tells which of the events are there, and of those that need no asking:
// POLLERR at a write end without a reader, POLLHUP at a read end that a writer
// has left.
func poll(f *os.File, events int16) (there int16) {
	_ = control(f, func(fd int) (err error) {
		there, err = pollFd(fd, events)
		return err
	})
	return there
}

func pollFd(fd int, events int16) (int16, error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	_, err := unix.Poll(fds, 0)
	return fds[0].Revents, err
}

// IsRead reports whether anybody has the pipe, of which f is a write end, open
// for reading.
func IsRead(f *os.File) bool { return poll(f, 0)&unix.POLLERR == 0 }

// Quiet reports whether a read end has nothing to read, and somebody who may
// write.
func Quiet(f *os.File) bool { return poll(f, unix.POLLIN) == 0 }

// WatchReader calls gone when nobody has the pipe, of which w is a write end,
// open for reading any more. The function it returns ends the watch.
func WatchReader(w *os.File, gone func()) (stop func(), err error) {
	watched, err := duplicate(w) // a file is waited for by one at a time
	if err != nil {
		return nil, err
	}
	conn, err := watched.SyscallConn()
	if err != nil {
		watched.Close()
		return nil, err
	}
	stopped, end, err := os.Pipe()
	if err != nil {
		watched.Close()
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := conn.Write(func(uintptr) bool { return !IsRead(w) })
		// A pipe that a shell has made blocks, and has to be waited for in another way.
		if err == nil || !errors.Is(err, os.ErrClosed) && waitUnread(watched, stopped) {
			gone()
		}
	}()
	return func() {
		end.Close()
		watched.Close()
		<-done
		stopped.Close()
	}, nil
}

// lookTime is how often a pipe that blocks is looked at, should the system not tell.
const lookTime = 50 * time.Millisecond

// waitUnread waits until nobody reads the pipe of which w is a write end, or
// the other end of stopped is closed.
func waitUnread(w, stopped *os.File) (unread bool) {
	_ = control(stopped, func(stop int) error {
		return control(w, func(fd int) error {
			fds := []unix.PollFd{{Fd: int32(fd)}, {Fd: int32(stop), Events: unix.POLLIN}}
			for fds[0].Revents&unix.POLLERR == 0 && fds[1].Revents == 0 {
				if _, err := unix.Poll(fds, int(lookTime.Milliseconds())); err != nil && err != unix.EINTR {
					return err
				}
			}
			unread = fds[0].Revents&unix.POLLERR != 0
			return nil
		})
	})
	return unread
}

func duplicate(f *os.File) (*os.File, error) {
	fd := -1
	if err := control(f, func(old int) (err error) {
		fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 0)
		return err
	}); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// unread reports whether there is something in the pipe.
func unread(f *os.File) bool { return Unread(f) > 0 }

// Unread is how many bytes in the pipe, of which f is either end, nobody has
// taken yet.
func Unread(f *os.File) (bytes int) {
	_ = control(f, func(fd int) (err error) {
		bytes, err = unix.IoctlGetInt(fd, fionread)
		return err
	})
	return bytes
}

// flock locks or unlocks the file, for all who have it open.
func flock(f *os.File, how int) error {
	return control(f, func(fd int) (err error) {
		for err = unix.EINTR; err == unix.EINTR; {
			err = unix.Flock(fd, how)
		}
		return err
	})
}

// bare takes the operation and path off a file error, for messages that name
// the file themselves.
func bare(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
