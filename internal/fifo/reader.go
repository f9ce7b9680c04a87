package fifo

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Reader reads a named pipe whose writers come and go.
//
// While no writer is known it keeps a write end of its own open, since without
// any a read does not wait. As soon as there is data it closes that, and so
// notices when the last writer leaves.
type Reader struct {
	path string
	f    *os.File

	mu       sync.Mutex
	keeper   *os.File
	released bool
	away     bool // no writer is known
	late     int  // bytes read after the deadline
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
	return &Reader{path: path, f: f, away: true}, nil
}

// AwaitWriter opens the pipe at path once it has a writer, and so tells the
// one that comes and goes without a word from none at all.
func AwaitWriter(ctx context.Context, path string) (*Reader, error) {
	f, err := blockingOpen(ctx, path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return &Reader{path: path, f: f}, nil
}

// Read waits for data. io.EOF says that the last writer has left; a Read after
// that waits for another one.
func (r *Reader) Read(p []byte) (int, error) {
	if r.away {
		if err := r.keep(); err != nil {
			return 0, err
		}
	}
	n, err := r.f.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) && r.late < lateSize {
		n, err = r.readLate(p)
	}
	if n > 0 && r.away {
		r.unkeep()
	}
	if err == io.EOF {
		r.away = true
	}
	return n, bare(err)
}

// readLate reads what is in the pipe, without waiting.
func (r *Reader) readLate(p []byte) (n int, err error) {
	conn, err := r.f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var readErr error
	err = conn.Control(func(fd uintptr) {
		for readErr = unix.EINTR; readErr == unix.EINTR; {
			n, readErr = unix.Read(int(fd), p)
		}
	})
	switch {
	case err != nil:
		return 0, err
	case readErr == unix.EAGAIN:
		return 0, os.ErrDeadlineExceeded
	case readErr != nil:
		return 0, readErr
	case n == 0:
		return 0, io.EOF
	}
	r.late += n
	return n, nil
}

// keep opens the write end that makes Read wait.
func (r *Reader) keep() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keeper != nil || r.released {
		return nil
	}
	keeper, err := open(r.path, os.O_WRONLY|unix.O_NONBLOCK)
	if info, statErr := os.Stat(r.path); statErr != nil || !isFile(r.f, info) {
		keeper.Close()
		return &Error{Path: r.path, Err: ErrReplaced}
	}
	if err != nil {
		return err
	}
	r.keeper = keeper
	return nil
}

func sameFile(a, b *os.File) bool {
	info, err := b.Stat()
	return err == nil && isFile(a, info)
}

func isFile(f *os.File, info fs.FileInfo) bool {
	own, err := f.Stat()
	return err == nil && os.SameFile(own, info)
}

func (r *Reader) unkeep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = false
	if r.keeper != nil {
		r.keeper.Close()
		r.keeper = nil
	}
}

// Release ends the waiting for writers that are not there: a Read under way
// and every later one returns io.EOF when the data is read and nobody has the
// pipe open for writing. Another goroutine may call it.
func (r *Reader) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.released = true
	if r.keeper != nil {
		r.keeper.Close()
		r.keeper = nil
	}
}

// SetDeadline ends the waiting for writers that are there: from then on Read
// returns what the pipe holds, and behind that os.ErrDeadlineExceeded.
func (r *Reader) SetDeadline(t time.Time) { _ = r.f.SetReadDeadline(t) }

// Ready reports whether there is data to read.
func (r *Reader) Ready() bool { return poll(r.f, unix.POLLIN)&unix.POLLIN != 0 }

// Close closes the pipe. What is in it is lost, unless another process has it
// open.
func (r *Reader) Close() error {
	r.Release()
	return r.f.Close()
}
