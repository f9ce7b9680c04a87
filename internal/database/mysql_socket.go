package database

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// socket is the connection below the driver, which reads in the goroutine that
// calls it. It says when a read has to wait, saves the driver, whose buffer is
// 4 KiB, most of its system calls, and keeps the error that the driver hides.
type socket struct {
	net.Conn
	raw    syscall.RawConn
	onWait func()
	buf    []byte
	unread []byte // the part of buf not yet taken
	err    error

	// patient is set while many short answers come. To be woken up for each
	// costs more than the answer, and the server most of it: so a read waits
	// until there is much to read, or a moment has passed.
	patient  bool
	counts   bool      // the system can wait for several bytes
	least    int       // that it waits for
	deadline time.Time // the driver's, of reads
}

// What a patient read waits for.
const (
	muchToRead = 16 << 10
	moment     = time.Millisecond
)

func newSocket(c net.Conn) (*socket, error) {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	_, unix := c.(*net.UnixConn)
	return &socket{Conn: c, raw: raw, buf: make([]byte, 64<<10), counts: naps == 0 || !unix, least: 1}, nil
}

func (s *socket) Read(p []byte) (int, error) {
	if len(s.unread) == 0 {
		if len(p) >= len(s.buf) {
			return s.fill(p)
		}
		n, err := s.fill(s.buf)
		if n == 0 {
			return 0, err
		}
		s.unread = s.buf[:n]
	}
	n := copy(p, s.unread)
	s.unread = s.unread[n:]
	return n, nil
}

func (s *socket) fill(p []byte) (n int, err error) {
	if s.patient || s.onWait != nil {
		if n, err = s.ready(p); n > 0 || err != nil {
			return n, s.note(err)
		}
	}
	if s.patient {
		if n, err = s.readMuch(p); n > 0 || err != nil {
			return n, s.note(err)
		}
	}
	if s.onWait != nil {
		s.onWait()
	}
	s.waitFor(1)
	n, err = s.Conn.Read(p)
	return n, s.note(err)
}

// readMuch reads when there is much, or what there is after a moment, which may
// be nothing.
func (s *socket) readMuch(p []byte) (n int, err error) {
	if !s.counts && napping.TryLock() {
		defer napping.Unlock()
		for i := 0; i < naps && n == 0 && err == nil; i++ {
			nap()
			n, err = s.ready(p)
		}
		return n, err
	}
	s.waitFor(muchToRead)
	_ = s.Conn.SetReadDeadline(time.Now().Add(moment)) // an error is the read's, too
	n, err = s.Conn.Read(p)
	_ = s.Conn.SetReadDeadline(s.deadline)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return s.ready(p)
	}
	return n, err
}

// napping is locked by who naps: if several did, they would be in the way of
// all others.
var napping sync.Mutex

// waitFor says how many bytes a read waits for: SO_RCVLOWAT, which poll heeds as
// well (socket(7)). One that cannot be set is 1.
func (s *socket) waitFor(least int) {
	if s.least == least {
		return
	}
	s.least = least
	_ = s.raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, least)
	})
}

// SetReadDeadline implements net.Conn.
func (s *socket) SetReadDeadline(t time.Time) error {
	s.deadline = t
	return s.Conn.SetReadDeadline(t)
}

// ready reads what has arrived; 0 and no error if nothing has.
func (s *socket) ready(p []byte) (n int, err error) {
	rawErr := s.raw.Read(func(fd uintptr) bool {
		n, err = syscall.Read(int(fd), p)
		return true // also when it would block: do not wait here
	})
	switch {
	case rawErr != nil:
		return 0, rawErr
	case err == syscall.EAGAIN || err == syscall.EINTR:
		return 0, nil
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (s *socket) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	return n, s.note(err)
}

// note keeps the first error.
func (s *socket) note(err error) error {
	if s.err == nil {
		s.err = err
	}
	return err
}
