package database

import (
	"io"
	"net"
	"os"
	"syscall"
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

	// patient is set while many short answers come. To wait for the first byte
	// of each would wake this process up for each, at the server's cost: so the
	// thread sleeps a moment, and then reads what has come meanwhile.
	patient bool
}

func newSocket(c net.Conn) (*socket, error) {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	return &socket{Conn: c, raw: raw, buf: make([]byte, 64<<10)}, nil
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
	for i := 0; i < naps && s.patient; i++ {
		if n, err = s.ready(p); n > 0 || err != nil {
			return n, s.note(err)
		}
		nap()
	}
	if s.onWait != nil {
		n, err = s.ready(p)
		if n > 0 || err != nil {
			return n, s.note(err)
		}
		s.onWait()
	}
	n, err = s.Conn.Read(p)
	return n, s.note(err)
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
