package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Datagrams between two sockets of one machine are neither lost nor reordered,
// and a full socket makes its writer wait. What is missing for a line is that
// each has sockets of its own, and that its end is noticed. So the client makes
// a pair of datagram sockets for the data and a pair of stream sockets on which
// nothing is said: it ends when a process does. It passes the listener's half of
// both in its hello, the only thing that is sent to the socket at PATH.

const (
	// maxDatagram is the longest datagram: larger ones are no faster.
	maxDatagram = 64 << 10
	// minDatagram is one that every system takes.
	minDatagram = 1 << 10
	// socketBuffer has room for some of the longest. Linux gives what it allows;
	// on macOS it limits the length of one.
	socketBuffer = 256 << 10
)

// datagrams is a byte stream in datagrams.
type datagrams struct {
	net.Conn // the socket of the data
	raw      syscall.RawConn
	life     net.Conn      // it ends with the other side
	watched  chan struct{} // closed when that is noticed, or the line closed

	// The other side's socket. As long as this side has it open, too, the kernel
	// keeps what came from it; else it would throw that away at the next write
	// once the other side is gone.
	far *os.File

	size int    // of the datagrams that are sent
	buf  []byte // for one that is longer than what a reader asks for
	rest []byte // of it
}

// newDatagrams makes a line of its sockets. Those of the data and of life it
// duplicates, far is its own from then on.
func newDatagrams(data, life, far *os.File) (*datagrams, error) {
	c := &datagrams{far: far, size: maxDatagram, watched: make(chan struct{})}
	conn, err := fileConn(data, "unixgram")
	if err != nil {
		far.Close()
		return nil, err
	}
	c.Conn = conn
	if c.life, err = fileConn(life, "unix"); err == nil {
		c.raw, err = conn.SyscallConn()
	}
	if err = errors.Join(err, conn.SetWriteBuffer(socketBuffer), conn.SetReadBuffer(socketBuffer)); err != nil {
		far.Close()
		_ = conn.Close()
		if c.life != nil {
			c.life.Close()
		}
		return nil, err
	}
	go c.watch()
	return c, nil
}

// fileConn is the socket that a file is.
func fileConn(f *os.File, network string) (*net.UnixConn, error) {
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	if unix, ok := c.(*net.UnixConn); ok && c.LocalAddr().Network() == network {
		return unix, nil
	}
	c.Close()
	return nil, fmt.Errorf("a socket that is not %s", network)
}

// watch ends what waits when the other side is gone.
func (c *datagrams) watch() {
	defer close(c.watched)
	_, _ = c.life.Read(make([]byte, 1))
	_ = c.SetDeadline(time.Unix(1, 0))
}

// Read implements io.Reader.
func (c *datagrams) Read(p []byte) (n int, err error) {
	if len(c.rest) == 0 {
		if len(p) >= maxDatagram {
			return c.receive(p)
		}
		if c.buf == nil {
			c.buf = make([]byte, maxDatagram)
		}
		if n, err = c.receive(c.buf); err != nil {
			return 0, err
		}
		c.rest = c.buf[:n]
	}
	n = copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// receive takes one datagram.
func (c *datagrams) receive(p []byte) (n int, err error) {
	n, err = c.Conn.Read(p)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	// The other side is gone. All that it has sent is here.
	if err := c.raw.Control(func(fd uintptr) { n, err = syscall.Read(int(fd), p) }); err != nil {
		return 0, err
	}
	if err != nil {
		return 0, io.EOF
	}
	return n, nil
}

// Write implements io.Writer.
func (c *datagrams) Write(p []byte) (n int, err error) {
	for n < len(p) {
		sent, err := c.Conn.Write(p[n:min(len(p), n+c.size)])
		switch {
		case err == nil:
			n += sent
		case errors.Is(err, syscall.EMSGSIZE) && c.size > minDatagram:
			c.size /= 2
		case errors.Is(err, syscall.ENOBUFS): // macOS does not tell when there is room again
			select {
			case <-time.After(time.Millisecond):
			case <-c.watched:
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			return n, syscall.EPIPE
		default:
			return n, err
		}
	}
	return n, nil
}

// Close ends the line. What was written is still received.
func (c *datagrams) Close() error {
	c.life.Close()
	<-c.watched
	c.far.Close()
	return c.Conn.Close()
}

// connectDatagrams opens a line to who listens at a path.
func connectDatagrams(ctx context.Context, path string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unixgram", path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })() // many may come at once, and wait

	data, far, err := socketPair(syscall.SOCK_DGRAM)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	life, farLife, err := socketPair(syscall.SOCK_STREAM)
	if err != nil {
		far.Close()
		return nil, err
	}
	defer life.Close()
	defer farLife.Close()
	rights := syscall.UnixRights(int(far.Fd()), int(farLife.Fd()), int(data.Fd()))
	line, err := newDatagrams(data, life, far)
	if err != nil {
		return nil, err
	}
	if err := sendRights(c.(*net.UnixConn), rights); err != nil {
		_ = line.Close()
		return nil, errors.Join(context.Cause(ctx), err)
	}
	return line, nil
}

// sendRights says hello. The net package does not send files over a datagram
// socket that is connected.
func sendRights(c *net.UnixConn, rights []byte) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	err = raw.Write(func(fd uintptr) bool {
		failure = syscall.Sendmsg(int(fd), []byte(preamble), rights, nil, 0)
		return failure != syscall.EAGAIN && failure != syscall.EINTR
	})
	return errors.Join(err, failure)
}

// socketPair makes two sockets that are connected, which no child inherits.
func socketPair(kind int) (one, other *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, kind, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}

// datagramListener is a net.Listener of a datagram socket.
type datagramListener struct {
	*net.UnixConn
	close func() error
}

func listenDatagrams(path string) (net.Listener, error) {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	return &datagramListener{c, sync.OnceValue(func() error { // by the second time it may be another's
		return errors.Join(os.Remove(path), c.Close())
	})}, nil
}

func (l *datagramListener) Addr() net.Addr { return l.LocalAddr() }
func (l *datagramListener) Close() error   { return l.close() }

// Accept implements net.Listener: it waits for a hello.
func (l *datagramListener) Accept() (net.Conn, error) {
	said, control := make([]byte, len(preamble)), make([]byte, syscall.CmsgSpace(3*4))
	n, size, _, _, err := l.ReadMsgUnix(said, control)
	if err != nil {
		return nil, err
	}
	files := received(control[:size])
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if len(files) != 3 || string(said[:n]) != preamble {
		return nil, fmt.Errorf("it is no relay: it says %q, with %d sockets", said[:n], len(files))
	}
	far := files[2]
	files = files[:2]
	return newDatagrams(files[0], files[1], far)
}

// received are the files that came with a datagram.
func received(control []byte) (files []*os.File) {
	messages, _ := syscall.ParseSocketControlMessage(control) // of the kernel
	for i := range messages {
		fds, _ := syscall.ParseUnixRights(&messages[i])
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "socket"))
		}
	}
	return files
}
