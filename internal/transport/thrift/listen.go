package thrift

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	apache "github.com/apache/thrift/lib/go/thrift"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/rpc"
	"pipeworks/internal/transport/socket"
	"pipeworks/internal/transport/thrift/relaythrift"
)

// lines are those that are open at a listener.
type lines struct {
	mu   sync.Mutex
	open map[int64]*line
}

func listen(ctx context.Context, u transport.URL, o transport.Options) (transport.Listener, error) {
	all := &lines{open: map[int64]*line{}}
	return socket.Listen(ctx, u, o, func(ctx context.Context, wire net.Conn, peer string, to *link.Arrivals) {
		(&connection{lines: all, to: to, at: u.String(), peer: peer, longest: longest(o)}).serve(ctx, wire)
	})
}

// connection is the service as one client has it.
type connection struct {
	*lines
	to       *link.Arrivals
	at, peer string // this end and the other
	longest  int    // bytes of a frame's data
	opened   []*line
}

var _ relaythrift.Relay = (*connection)(nil)

// serve answers what is asked over the connection, and closes it.
func (c *connection) serve(ctx context.Context, wire net.Conn) {
	defer c.end()
	defer wire.Close()
	defer context.AfterFunc(ctx, func() { wire.Close() })()
	p, processor := protocol(wire, c.longest), relaythrift.NewRelayProcessor(c)
	for {
		ok, err := processor.Process(ctx, p, p)
		_, broken := errors.AsType[apache.TTransportException](err) // what else it is was answered
		if !ok || broken || errors.Is(err, apache.ErrAbandonRequest) {
			return
		}
	}
}

// end ends the lines that were opened over the connection.
func (c *connection) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range c.opened {
		line.hangUp()
		delete(c.open, line.id)
	}
}

// Open implements relaythrift.Relay.
func (c *connection) Open(ctx context.Context) (int64, error) {
	line := newLine(c.peer, c.longest)
	if err := c.to.Hand(ctx, line); err != nil {
		return 0, &relaythrift.Closed{Reason: "the server was stopped"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = append(c.opened, line)
	c.open[line.id] = line
	return line.id, nil
}

var errNoLine = &relaythrift.Closed{Reason: "there is no such line"}

func (c *connection) line(id int64) (*line, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if line := c.open[id]; line != nil {
		return line, nil
	}
	return nil, errNoLine
}

// Write implements relaythrift.Relay.
func (c *connection) Write(ctx context.Context, id int64, frames []*relaythrift.Frame) error {
	line, err := c.line(id)
	if err != nil {
		return err
	}
	select {
	case line.in <- frames:
		return nil
	case <-line.closed:
		return &relaythrift.Closed{}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Read implements relaythrift.Relay.
func (c *connection) Read(ctx context.Context, id int64) ([]*relaythrift.Frame, error) {
	line, err := c.line(id)
	if err != nil {
		return nil, err
	}
	select {
	case frames := <-line.out:
		return frames, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-line.closed:
	}
	select {
	case frames := <-line.out: // said before it was closed
		return frames, nil
	default:
		return nil, &relaythrift.Closed{}
	}
}

// Run implements relaythrift.Relay.
func (c *connection) Run(ctx context.Context, input []byte, limitMilliseconds int64) (*relaythrift.Answer, error) {
	near, far := rpc.Pair(c.peer, c.at)
	if err := c.to.Hand(ctx, far); err != nil {
		return nil, &relaythrift.Failed{Status: 1, Message: "the server was stopped"}
	}
	var out, messages bytes.Buffer
	e, _, err := rpc.Call(ctx, near, rpc.Request{
		Stdin:   bytes.NewReader(input),
		Stdout:  limited{&out},
		Stderr:  limited{&messages},
		Timeout: time.Duration(min(max(limitMilliseconds, 0), 1<<40)) * time.Millisecond,
	})
	switch {
	case err != nil:
		return nil, &relaythrift.Failed{Status: int32(max(e.Status, 1)), Message: err.Error()}
	case e.Status != 0:
		text := strings.TrimSpace(messages.String())
		return nil, &relaythrift.Failed{Status: int32(e.Status), Message: text[max(0, len(text)-2048):]}
	}
	return &relaythrift.Answer{Output: out.Bytes(), Messages: messages.Bytes()}, nil
}

// maxAnswer is what other clients take if nobody tells them otherwise, and room
// for what is around it.
const maxAnswer = 16<<20 - 1<<19

// limited is a buffer for what fits into an answer.
type limited struct{ *bytes.Buffer }

// Write implements io.Writer.
func (l limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxAnswer {
		return 0, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	return l.Buffer.Write(p)
}

// line is the server's end of a line. Its id is known to who has opened it.
type line struct {
	id      int64
	peer    string
	longest int
	in, out chan []*relaythrift.Frame
	come    []*relaythrift.Frame // of in, not received yet
	closed  chan struct{}
	hangUp  func()
}

func newLine(peer string, longest int) *line {
	l := &line{
		id: rand.Int64(), peer: peer, longest: longest,
		in: make(chan []*relaythrift.Frame, 1), out: make(chan []*relaythrift.Frame, 1), closed: make(chan struct{}),
	}
	l.hangUp = sync.OnceFunc(func() { close(l.closed) })
	return l
}

var errClosed = errors.New("the other side has hung up")

// Send implements transport.Conn.
func (l *line) Send(frames ...transport.Frame) error {
	out := outward(frames)
	for _, f := range out {
		f.Data = bytes.Clone(f.Data)
	}
	select {
	case <-l.closed:
		return errClosed
	default:
	}
	select {
	case l.out <- out:
		return nil
	case <-l.closed:
		return errClosed
	}
}

// Receive implements transport.Conn.
func (l *line) Receive([]byte) (transport.Frame, error) {
	for len(l.come) == 0 {
		select {
		case l.come = <-l.in:
			continue
		case <-l.closed:
		}
		select {
		case l.come = <-l.in:
		default:
			return transport.Frame{}, io.EOF
		}
	}
	f := l.come[0]
	l.come = l.come[1:]
	return inward(f, l.longest)
}

func (l *line) Peer() string { return l.peer }

// Close implements transport.Conn.
func (l *line) Close() error {
	l.hangUp()
	return nil
}
