package fifo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another process holds the directory.
var ErrLocked = errors.New("another process has it in use")

// Dir is a directory of named pipes that nobody but its owner can enter. What
// it opens are the owner's own pipes in it, never what a symbolic link names.
type Dir struct {
	path string
	f    *os.File
}

// MakeDir makes the directory at path (mode 0700) unless it is there, opens it
// and reports whether it was made.
func MakeDir(path string) (d *Dir, made bool, err error) {
	err = os.Mkdir(path, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, false, &Error{Path: path, Err: fmt.Errorf("make the directory: %w", bare(err))}
	}
	made = err == nil
	d, err = OpenDir(path)
	return d, made, err
}

// OpenDir opens the directory at path. One that others may write to is refused.
func OpenDir(path string) (*Dir, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		err = bare(err)
		if info, failed := os.Lstat(path); failed == nil && info.Mode().Type() == fs.ModeSymlink {
			err = errors.New("is a symbolic link, which is not followed")
		}
		return nil, &Error{Path: path, Err: err}
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = &Error{Path: path, Err: bare(err)}
	case !own(info):
		err = &Error{Path: path, Err: errors.New("belongs to another user")}
	case info.Mode().Perm()&0o022 != 0:
		err = &Error{Path: path, Err: errors.New("others may write to it"), hint: "chmod 700 " + path}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Dir{path, f}, nil
}

func own(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// Path is the path of a name in the directory.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// Lock makes the directory this process's own until it closes it or ends. If
// another process has it, the error is ErrLocked.
func (d *Dir) Lock() error {
	err := flock(d.f, unix.LOCK_EX|unix.LOCK_NB)
	for range 10 { // CheckLocked has it for a moment
		if !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		<-time.After(5 * time.Millisecond)
		err = flock(d.f, unix.LOCK_EX|unix.LOCK_NB)
	}
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return &Error{Path: d.path, Err: ErrLocked, hint: "end that one first, or take another directory"}
	case err != nil:
		return &Error{Path: d.path, Err: err}
	}
	return nil
}

// ErrNotLocked says that no process holds the directory.
var ErrNotLocked = errors.New("no process has it in use")

// CheckLocked returns ErrNotLocked unless a process has made the directory its
// own.
func (d *Dir) CheckLocked() error {
	err := flock(d.f, unix.LOCK_SH|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil
	case err == nil:
		err = errors.Join(ErrNotLocked, flock(d.f, unix.LOCK_UN))
	}
	return &Error{Path: d.path, Err: err}
}

// Make makes a new named pipe that is the owner's alone.
func (d *Dir) Make(name string) error {
	if err := unix.Mkfifo(d.Path(name), 0o600); err != nil {
		return &Error{Path: d.Path(name), Err: err}
	}
	return nil
}

// Replace makes a new named pipe and puts it, by way of the name next, in the
// place of the old one at name. Who has that one open keeps it.
func (d *Dir) Replace(name, next string) error {
	if err := errors.Join(d.Remove(next), d.Make(next)); err != nil {
		return err
	}
	if err := unix.Rename(d.Path(next), d.Path(name)); err != nil {
		return &Error{Path: d.Path(name), Err: err}
	}
	return nil
}

// Open opens a named pipe without waiting for its other side.
func (d *Dir) Open(name string, flag int) (*os.File, error) {
	path := d.Path(name)
	fd, err := d.openat(name, flag|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if errors.Is(err, unix.ENXIO) {
		err = ErrNoReader
	}
	if err != nil {
		return nil, &Error{Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	info, err := f.Stat()
	switch {
	case err != nil:
		err = bare(err)
	case info.Mode().Type() != fs.ModeNamedPipe:
		err = ErrNotFIFO
	case !own(info):
		err = errors.New("belongs to another user")
	}
	if err != nil {
		f.Close()
		return nil, &Error{Path: path, Err: err}
	}
	return f, nil
}

func (d *Dir) openat(name string, flag int) (fd int, err error) {
	err = control(d.f, func(dir int) (err error) {
		for err = unix.EINTR; err == unix.EINTR; {
			fd, err = unix.Openat(dir, name, flag, 0)
		}
		return err
	})
	return fd, err
}

// Names are the names in the directory.
func (d *Dir) Names() ([]string, error) {
	f, err := os.Open(d.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// Remove removes a named pipe, if it is there, and nothing else.
func (d *Dir) Remove(name string) error {
	if info, err := os.Lstat(d.Path(name)); err == nil && info.Mode().Type() != fs.ModeNamedPipe {
		return &Error{Path: d.Path(name), Err: ErrNotFIFO}
	}
	if err := unix.Unlink(d.Path(name)); err != nil && err != unix.ENOENT {
		return &Error{Path: d.Path(name), Err: err}
	}
	return nil
}

// RemoveSelf removes the directory, if it is empty.
func (d *Dir) RemoveSelf() { _ = unix.Rmdir(d.path) }

// Close closes the directory and so gives up the lock.
func (d *Dir) Close() error { return d.f.Close() }
