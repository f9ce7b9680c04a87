package fifo

import (
	"os"

	"golang.org/x/sys/unix"
)

// Watch tells when names come to a directory or go. See inotify(7).
type Watch struct{ f *os.File }

// WatchDir watches the directory at path.
func WatchDir(path string) (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, &Error{Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_ONLYDIR|unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVE|unix.IN_DELETE_SELF); err != nil {
		f.Close()
		return nil, &Error{Path: path, Err: err}
	}
	return &Watch{f}, nil
}

// Wait waits until something has changed since the last Wait, or Close.
func (w *Watch) Wait() error {
	_, err := w.f.Read(make([]byte, 64<<10)) // what exactly is seen in the directory
	return err
}

// Close ends a Wait.
func (w *Watch) Close() error { return w.f.Close() }
