package link

import (
	"context"
	"net"
	"sync"

	"pipeworks/internal/transport"
)

// Arrivals are lines that have come and wait to be accepted: half of a
// transport.Listener.
type Arrivals struct {
	come   chan transport.Conn
	closed chan struct{}
	once   sync.Once
}

// NewArrivals returns some.
func NewArrivals() *Arrivals {
	return &Arrivals{come: make(chan transport.Conn), closed: make(chan struct{})}
}

// Hand gives a line to who accepts. Once nobody will, the error is
// net.ErrClosed.
func (a *Arrivals) Hand(ctx context.Context, conn transport.Conn) error {
	select {
	case a.come <- conn:
		return nil
	case <-a.closed:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Accept implements transport.Listener.
func (a *Arrivals) Accept(ctx context.Context) (transport.Conn, error) {
	select {
	case c := <-a.come:
		return c, nil
	case <-a.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// End is the end of all accepting.
func (a *Arrivals) End() { a.once.Do(func() { close(a.closed) }) }
