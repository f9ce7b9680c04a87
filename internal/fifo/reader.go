package fifo

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Reader reads a named pipe whose writers come and go.
//
// A read of a pipe that nobody writes to returns nothing at once, be it that
// nobody has come yet or that the last one has left. The hang-up that poll(2)
// reports tells them apart: it is there once a writer has been and gone.
type Reader struct {
	path string
	f    *os.File
	id   ID
	conn syscall.RawConn
	away bool // the end of the last writer was told
	late int  // bytes read after the deadline

	mu       sync.Mutex
	released bool
	nudged   bool // the deadline that is set only wakes Read up
	until    time.Time
}

// lateSize is the most that is read after the deadline: what the largest pipe
// that anyone may have holds by default.
const lateSize = 1 << 20

// OpenReader opens the pipe at path. It does not wait for a writer.
func OpenReader(path string) (*Reader, error) {
	f, err := open(path, os.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	conn, connErr := f.SyscallConn()
	if err = errors.Join(err, connErr); err != nil {
		f.Close()
		return nil, &Error{Path: path, Err: bare(err)}
	}
	return &Reader{path: path, f: f, id: IDOf(info), conn: conn}, nil
}

// Read waits for data. io.EOF says that the last writer has left, one that
// never wrote as well; a Read after that waits for another one.
func (r *Reader) Read(p []byte) (n int, err error) {
	return r.take(func(fd int) (int, error) { return unix.Read(fd, p) })
}

// Splice is Read into a file: what it takes from the pipe is at no time in the
// memory of this process, which can be killed at any. If the file takes
// nothing, nothing is taken from the pipe.
func (r *Reader) Splice(f *os.File, offset int64, size int) (int, error) {
	return r.take(func(fd int) (int, error) { return splice(fd, f, offset, size) })
}

// take waits for data and takes it by read, which is like read(2).
func (r *Reader) take(read func(fd int) (int, error)) (n int, err error) {
	for {
		waitErr := r.conn.Read(func(fd uintptr) (done bool) {
			if n, err = r.tryOnce(fd, read); n > 0 || err != nil {
				return !errors.Is(err, unix.EAGAIN)
			}
			if info, err := os.Stat(r.path); err == nil && IDOf(info) == r.id {
				return false
			}
			// No writer can come, but one may just have come.
			if n, err = r.tryOnce(fd, read); n == 0 && err == nil {
				err = &Error{Path: r.path, Err: ErrReplaced}
			}
			return !errors.Is(err, unix.EAGAIN)
		})
		switch {
		case waitErr == nil:
		case !errors.Is(waitErr, os.ErrDeadlineExceeded):
			return 0, bare(waitErr)
		case r.woken():
			continue
		case r.late < lateSize:
			n, err = r.takeLate(read)
		default:
			return 0, os.ErrDeadlineExceeded
		}
		break
	}
	r.away = err == io.EOF
	return n, err
}

// tryOnce takes what there is. If there is nothing, and no writer, and that is
// no news, it returns 0 and no error.
func (r *Reader) tryOnce(fd uintptr, read func(fd int) (int, error)) (n int, err error) {
	for err = unix.EINTR; err == unix.EINTR; {
		n, err = read(int(fd))
	}
	if err == nil && n == 0 && r.atEnd(fd) {
		err = io.EOF
	}
	return max(n, 0), err
}

// atEnd reports whether an empty read is news: the last writer has left since
// the end was told last, or none is waited for.
func (r *Reader) atEnd(fd uintptr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	events, _ := pollFd(int(fd), unix.POLLIN)
	return r.released || !r.away && events&unix.POLLHUP != 0
}

// takeLate takes what is in the pipe, without waiting.
func (r *Reader) takeLate(read func(fd int) (int, error)) (n int, err error) {
	controlErr := r.conn.Control(func(fd uintptr) { n, err = r.tryOnce(fd, read) })
	if n == 0 && (err == nil || errors.Is(err, unix.EAGAIN)) {
		err = os.ErrDeadlineExceeded
	}
	r.late += n
	if controlErr != nil {
		err = controlErr
	}
	return n, err
}

// ID is what a file is known by, whatever its name.
type ID struct{ dev, ino any } // whose types differ from system to system

// IDOf is the ID of the file that info describes.
func IDOf(info fs.FileInfo) ID {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ID{}
	}
	return ID{stat.Dev, stat.Ino}
}

// ID is the ID of the pipe.
func (r *Reader) ID() ID { return r.id }

// Release ends the waiting for writers that are not there: a Read under way
// and every later one returns io.EOF when the data is read and nobody has the
// pipe open for writing. Another goroutine may call it.
func (r *Reader) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.released, r.nudged = true, true
	_ = r.f.SetReadDeadline(time.Unix(1, 0))
}

// Released reports whether Release was called.
func (r *Reader) Released() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.released
}

// woken reports whether Read was woken up by Release alone, and sets the
// deadline that is meant.
func (r *Reader) woken() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	woken := r.nudged
	if woken {
		r.nudged = false
		_ = r.f.SetReadDeadline(r.until)
	}
	return woken
}

// SetDeadline ends the waiting for writers that are there: from then on Read
// returns what the pipe holds, and behind that os.ErrDeadlineExceeded.
func (r *Reader) SetDeadline(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = t
	if !r.nudged {
		_ = r.f.SetReadDeadline(t)
	}
}

// Ready reports whether there is data to read.
func (r *Reader) Ready() bool { return poll(r.f, unix.POLLIN)&unix.POLLIN != 0 }

// Close closes the pipe. What is in it is lost, unless another process has it
// open.
func (r *Reader) Close() error { return r.f.Close() }
