package thrift

import (
	"bytes"
	"context"
	"crypto/tls"
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
	"pipeworks/internal/transport/rpc"
	"pipeworks/internal/transport/socket"
	"pipeworks/internal/transport/thrift/relaythrift"
	"pipeworks/internal/transport/tlsoption"
)

// listener hands over the lines that are opened over its connections.
type listener struct {
	*rpc.Arrivals
	url     transport.URL
	socket  net.Listener
	tls     *tls.Config // nil: none
	o       transport.Options
	stop    context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	lines map[int64]*line
}

func listen(ctx context.Context, u transport.URL, o transport.Options) (transport.Listener, error) {
	config, err := tlsoption.Server(u)
	if err != nil {
		return nil, err
	}
	l := &listener{Arrivals: rpc.NewArrivals(), url: u, tls: config, o: o, lines: map[int64]*line{}}
	if l.socket, err = socket.Bind(ctx, u); err != nil {
		return nil, err
	}
	l.url.Host = l.socket.Addr().String()
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.running.Go(func() { l.accept(ctx) })
	return l, nil
}

func (l *listener) accept(ctx context.Context) {
	for {
		wire, err := l.socket.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // too many open files, and the like: it passes
			l.o.Warnf("%s: %v", l.url, err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		l.running.Go(func() { l.connection(ctx, wire) })
	}
}

// connection answers what is asked over one connection.
func (l *listener) connection(ctx context.Context, wire net.Conn) {
	c := &connection{l: l, peer: wire.RemoteAddr().String()}
	defer c.end()
	defer wire.Close()
	defer context.AfterFunc(ctx, func() { wire.Close() })()
	if l.tls != nil {
		secured := tls.Server(wire, l.tls)
		if err := tlsoption.Handshake(ctx, secured); err != nil {
			l.o.Warnf("%s: %v", c.peer, err)
			return
		}
		wire = secured
	}
	p, processor := protocol(wire), relaythrift.NewRelayProcessor(c)
	for {
		ok, err := processor.Process(ctx, p, p)
		_, broken := errors.AsType[apache.TTransportException](err) // what else it is was answered
		if !ok || broken || errors.Is(err, apache.ErrAbandonRequest) {
			return
		}
	}
}

// Addr implements transport.Listener.
func (l *listener) Addr() string { return l.url.String() }

// lastWords is how long what was said last may take to be read.
const lastWords = time.Second

// Close implements transport.Listener.
func (l *listener) Close() error {
	l.End()
	err := l.socket.Close()
	late := time.AfterFunc(lastWords, l.stop)
	defer late.Stop()
	l.running.Wait()
	return err
}

// connection is the service as one client has it.
type connection struct {
	l      *listener
	peer   string
	opened []*line
}

var _ relaythrift.Relay = (*connection)(nil)

// end ends the lines that were opened over the connection.
func (c *connection) end() {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	for _, line := range c.opened {
		line.hangUp()
		delete(c.l.lines, line.id)
	}
}

// Open implements relaythrift.Relay.
func (c *connection) Open(ctx context.Context) (int64, error) {
	line := newLine(c.peer)
	if err := c.l.Hand(ctx, line); err != nil {
		return 0, &relaythrift.Closed{Reason: "the server was stopped"}
	}
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.opened = append(c.opened, line)
	c.l.lines[line.id] = line
	return line.id, nil
}

var errNoLine = &relaythrift.Closed{Reason: "there is no such line"}

func (c *connection) line(id int64) (*line, error) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if line := c.l.lines[id]; line != nil {
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
	near, far := rpc.Pair(c.peer, c.l.url.String())
	if err := c.l.Hand(ctx, far); err != nil {
		return nil, &relaythrift.Failed{Status: 1, Message: "the server was stopped"}
	}
	var out, messages bytes.Buffer
	e, _, err := rpc.Call(ctx, near, rpc.Request{
		Stdin:   bytes.NewReader(input),
		Stdout:  limited{&out},
		Stderr:  limited{&messages},
		Timeout: time.Duration(limitMilliseconds) * time.Millisecond,
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
	in, out chan []*relaythrift.Frame
	come    []*relaythrift.Frame // of in, not received yet
	closed  chan struct{}
	hangUp  func()
}

func newLine(peer string) *line {
	l := &line{
		id: rand.Int64(), peer: peer,
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
	return inward(f), nil
}

func (l *line) Peer() string { return l.peer }

// Close implements transport.Conn.
func (l *line) Close() error {
	l.hangUp()
	return nil
}
