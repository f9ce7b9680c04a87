package rpc

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"pipeworks/internal/transport"
)

// Pair is a line within the process: what one end sends the other receives.
// Each knows the other by a name.
func Pair(near, far string) (atNear, atFar transport.Conn) {
	there, back := make(chan transport.Frame, 4), make(chan transport.Frame, 4)
	closed := make(chan struct{})
	hangUp := sync.OnceFunc(func() { close(closed) })
	return &inner{far, back, there, closed, hangUp}, &inner{near, there, back, closed, hangUp}
}

type inner struct {
	peer   string
	in     <-chan transport.Frame
	out    chan<- transport.Frame
	closed chan struct{}
	hangUp func()
}

var errClosed = errors.New("the other side has hung up")

// Send implements transport.Conn.
func (c *inner) Send(frames ...transport.Frame) error {
	for _, f := range frames {
		f.Data = bytes.Clone(f.Data)
		select {
		case <-c.closed:
			return errClosed
		default:
		}
		select {
		case c.out <- f:
		case <-c.closed:
			return errClosed
		}
	}
	return nil
}

// Receive implements transport.Conn. What was sent before the line was closed
// still comes.
func (c *inner) Receive([]byte) (transport.Frame, error) {
	select {
	case f := <-c.in:
		return f, nil
	case <-c.closed:
	}
	select {
	case f := <-c.in:
		return f, nil
	default:
		return transport.Frame{}, io.EOF
	}
}

func (c *inner) Peer() string { return c.peer }

// Close implements transport.Conn.
func (c *inner) Close() error {
	c.hangUp()
	return nil
}
