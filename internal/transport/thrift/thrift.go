// Package thrift carries relay's calls and messages over Thrift: framed
// transport, compact protocol, and the published service relaythrift.
package thrift

import (
	"context"
	"errors"
	"io"
	"net"

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

// protocol is that of a connection.
func protocol(c net.Conn) apache.TProtocol {
	limits := &apache.TConfiguration{MaxMessageSize: transport.MaxFrame, MaxFrameSize: transport.MaxFrame}
	framed := apache.NewTFramedTransportConf(apache.NewTSocketFromConnConf(c, limits), limits)
	return apache.NewTCompactProtocolConf(framed, limits)
}

// dialer is a link.Dialer.
func dialer(u transport.URL, o transport.Options) (link.Connect, error) {
	d, err := socket.NewDialer(u)
	return func(ctx context.Context) (transport.Conn, error) { return open(ctx, d) }, err
}

// conn is a line that was opened: a call waits for its answer, so there is a
// connection for each direction.
type conn struct {
	address string
	line    int64
	wires   [2]net.Conn
	there   *relaythrift.RelayClient
	back    *relaythrift.RelayClient
	come    []*relaythrift.Frame // and not received yet
}

// open opens a line.
func open(ctx context.Context, d socket.Dialer) (transport.Conn, error) {
	c := &conn{address: d.Address}
	for i := range c.wires {
		wire, err := d.Connect(ctx)
		if err != nil {
			c.hangUp()
			return nil, err
		}
		c.wires[i] = wire
	}
	client := func(wire net.Conn) *relaythrift.RelayClient {
		p := protocol(wire)
		return relaythrift.NewRelayClient(apache.NewTStandardClient(p, p))
	}
	c.there, c.back = client(c.wires[0]), client(c.wires[1])
	stop := context.AfterFunc(ctx, c.hangUp)
	defer stop()
	var err error
	if c.line, err = c.there.Open(context.Background()); err != nil {
		c.hangUp()
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
	return inward(f), nil
}

func inward(f *relaythrift.Frame) transport.Frame {
	return transport.Frame{Kind: transport.FrameKind(f.Kind), Seq: uint64(f.Seq), Data: f.Data}
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
	if broken, ok := errors.AsType[apache.TTransportException](err); ok {
		if broken.TypeId() == apache.END_OF_FILE || errors.Is(err, net.ErrClosed) {
			return io.EOF
		}
		return errors.New("the other side is gone: " + broken.Error())
	}
	return err
}
