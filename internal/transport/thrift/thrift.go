// Package thrift carries relay's calls and messages over Thrift: framed
// transport, compact protocol, and the published service relaythrift.
package thrift

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"time"

	apache "github.com/apache/thrift/lib/go/thrift"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/socket"
	"pipeworks/internal/transport/thrift/relaythrift"
	"pipeworks/internal/transport/tlsoption"
)

// Transport is thrift://. The receiver, or who serves, listens.
var Transport = transport.Transport{
	Scheme:   "thrift",
	Form:     "thrift://[HOST]:PORT",
	Summary:  "Thrift, for programs in any language, too",
	Options:  tlsoption.Options,
	Blocks:   true,
	Sender:   sender,
	Receiver: receiver,
	Dial:     dial,
	Listen:   listen,
}

func sender(ctx context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	return link.NewSender(ctx, u, o, dialer)
}

func receiver(ctx context.Context, u transport.URL, o transport.Options) (transport.Receiver, error) {
	return link.NewReceiver(ctx, u, o, listen)
}

func dial(ctx context.Context, u transport.URL, o transport.Options) (transport.Conn, error) {
	return link.Dial(ctx, u, o, dialer)
}

// batch is what frames that are sent at once hold beside a message of the
// greatest length: see transport/link.
const batch = 2 << 20

// longest is that of a frame's data.
func longest(o transport.Options) int {
	if o.MaxRecord == 0 {
		return 64 << 20
	}
	return o.MaxRecord + 4096
}

// protocol is that of a connection over which frames of that length come.
func protocol(c net.Conn, longest int) apache.TProtocol {
	limit := int32(longest + batch)
	limits := &apache.TConfiguration{MaxMessageSize: limit, MaxFrameSize: limit, MaxContainerSize: 1 << 16}
	framed := apache.NewTFramedTransportConf(apache.NewTSocketFromConnConf(c, limits), limits)
	return apache.NewTCompactProtocolConf(framed, limits)
}

// dialer is a link.Dialer.
func dialer(u transport.URL, o transport.Options) (link.Connect, error) {
	d, err := socket.NewDialer(u)
	return func(ctx context.Context) (transport.Conn, error) { return open(ctx, d, longest(o)) }, err
}

// conn is a line that was opened: a call waits for its answer, so there is a
// connection for each direction.
type conn struct {
	address string
	longest int // bytes of a frame's data
	line    int64
	wires   [2]net.Conn
	there   *relaythrift.RelayClient
	back    *relaythrift.RelayClient
	come    []*relaythrift.Frame // and not received yet
}

// openTime is how long the other side may take to open a line.
const openTime = 10 * time.Second

// open opens a line.
func open(ctx context.Context, d socket.Dialer, longest int) (transport.Conn, error) {
	c := &conn{address: d.Address, longest: longest}
	for i := range c.wires {
		wire, err := d.Connect(ctx)
		if err != nil {
			c.hangUp()
			return nil, err
		}
		c.wires[i] = wire
	}
	client := func(wire net.Conn) *relaythrift.RelayClient {
		p := protocol(wire, longest)
		return relaythrift.NewRelayClient(apache.NewTStandardClient(p, p))
	}
	c.there, c.back = client(c.wires[0]), client(c.wires[1])
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	defer context.AfterFunc(ctx, c.hangUp)()
	var err error
	if c.line, err = c.there.Open(context.Background()); err != nil {
		c.hangUp()
		if ctx.Err() == context.DeadlineExceeded {
			return nil, fmt.Errorf("the server has not answered within %v", openTime)
		}
		return nil, named(err)
	}
	return c, nil
}

// Send implements transport.Conn.
func (c *conn) Send(frames ...transport.Frame) error {
	return named(c.there.Write(context.Background(), c.line, outward(frames)))
}

// outward are frames as Thrift has them.
func outward(frames []transport.Frame) []*relaythrift.Frame {
	out := make([]*relaythrift.Frame, len(frames))
	for i, f := range frames {
		out[i] = &relaythrift.Frame{Kind: int32(f.Kind), Seq: int64(f.Seq), Data: f.Data}
	}
	return out
}

// Receive implements transport.Conn.
func (c *conn) Receive([]byte) (transport.Frame, error) {
	for len(c.come) == 0 {
		var err error
		if c.come, err = c.back.Read(context.Background(), c.line); err != nil {
			return transport.Frame{}, named(err)
		}
	}
	f := c.come[0]
	c.come = c.come[1:]
	return inward(f, c.longest)
}

func inward(f *relaythrift.Frame, longest int) (transport.Frame, error) {
	switch {
	case f.Kind < 0 || f.Kind > math.MaxUint8:
		return transport.Frame{}, fmt.Errorf("what came is no frame: its kind is %d", f.Kind)
	case len(f.Data) > longest:
		return transport.Frame{}, fmt.Errorf("a message of %d bytes is longer than --max-record allows", len(f.Data))
	}
	return transport.Frame{Kind: transport.FrameKind(f.Kind), Seq: uint64(f.Seq), Data: f.Data}, nil
}

func (c *conn) Peer() string { return c.address }

// Close implements transport.Conn.
func (c *conn) Close() error {
	c.hangUp()
	return nil
}

func (c *conn) hangUp() {
	for _, wire := range c.wires {
		if wire != nil {
			wire.Close()
		}
	}
}

// named leaves of an error what happened.
func named(err error) error {
	if err == nil {
		return nil
	}
	if closed, ok := errors.AsType[*relaythrift.Closed](err); ok {
		if closed.Reason == "" {
			return io.EOF
		}
		return errors.New(closed.Reason)
	}
	if refusal := tlsoption.Refusal(err); refusal != nil {
		return link.Permanent(refusal)
	}
	if broken, ok := errors.AsType[apache.TTransportException](err); ok {
		if broken.TypeId() == apache.END_OF_FILE || errors.Is(err, net.ErrClosed) {
			return io.EOF
		}
		return errors.New("the other side is gone: " + broken.Error())
	}
	return err
}
