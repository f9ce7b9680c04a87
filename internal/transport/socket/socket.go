// Package socket carries relay's messages and calls over TCP, with TLS if
// wanted, and over unix sockets, of streams and of datagrams.
package socket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/tlsoption"
)

// TCP is tcp://. The receiver, or who serves, listens.
var TCP = transport.Transport{
	Scheme:   "tcp",
	Form:     "tcp://[HOST]:PORT",
	Summary:  "a TCP connection, to another machine or this one",
	Options:  tlsoption.Options,
	Blocks:   true,
	Sender:   sender,
	Receiver: receiver,
	Dial:     dial,
	Listen:   listen,
}

// Unix is unix:. The receiver, or who serves, makes the socket.
var Unix = transport.Transport{
	Scheme:  "unix",
	Form:    "unix:PATH",
	Summary: "a unix stream socket",
	Options: []transport.Option{
		{Name: "mode", Usage: "permissions of the socket, octal (0600)"},
	},
	Blocks:   true,
	Sender:   sender,
	Receiver: receiver,
	Dial:     dial,
	Listen:   listen,
	List:     list,
	Remove:   remove,
}

// Unixgram is unixgram:. The receiver, or who serves, makes the socket.
var Unixgram = transport.Transport{
	Scheme:   "unixgram",
	Form:     "unixgram:PATH",
	Summary:  "a unix datagram socket",
	Options:  Unix.Options,
	Blocks:   true,
	Sender:   sender,
	Receiver: receiver,
	Dial:     dial,
	Listen:   listen,
	List:     list,
	Remove:   remove,
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

// dialer is a link.Dialer.
func dialer(u transport.URL, o transport.Options) (link.Connect, error) {
	d, err := NewDialer(u)
	return func(ctx context.Context) (transport.Conn, error) {
		c, err := d.Connect(ctx)
		if err != nil {
			return nil, err
		}
		return NewConn(c, d.Address, o.MaxRecord), nil
	}, err
}

func listen(ctx context.Context, u transport.URL, o transport.Options) (transport.Listener, error) {
	return Listen(ctx, u, o, func(ctx context.Context, wire net.Conn, peer string, lines *link.Arrivals) {
		if lines.Hand(ctx, NewConn(wire, peer, o.MaxRecord)) != nil {
			wire.Close()
		}
	})
}

// Dialer connects to one address.
type Dialer struct {
	Address string

	network string
	tls     *tls.Config // nil: none
}

// NewDialer connects to where a URL leads, with TLS if it says so, which is told
// the protocols spoken.
func NewDialer(u transport.URL, protocols ...string) (d Dialer, err error) {
	if d.network, d.Address, err = address(u); err != nil {
		return d, err
	}
	if d.tls, err = tlsoption.Client(u); d.tls != nil {
		d.tls.NextProtos = protocols
	}
	return d, err
}

// writeBuffer is asked for, for a unix socket, in bytes: blocks fit into it, and
// both ends seldom wait. TCP finds its own.
const writeBuffer = 512 << 10

// connectTime is how long one attempt may take.
const connectTime = 10 * time.Second

// Connect opens a connection. It tries once; of an error link.Retry knows
// whether to try again.
func (d Dialer) Connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	var c net.Conn
	var err error
	if d.network == "unixgram" {
		c, err = connectDatagrams(ctx, d.Address)
	} else {
		nd := net.Dialer{KeepAliveConfig: keepAlive}
		c, err = nd.DialContext(ctx, d.network, d.Address)
		if u, ok := c.(*net.UnixConn); ok {
			_ = u.SetWriteBuffer(writeBuffer) // as much as the system gives
		}
	}
	if err != nil {
		return nil, dialError(err)
	}
	if d.tls != nil {
		secured := tls.Client(c, d.tls)
		if err := tlsoption.Handshake(ctx, secured); err != nil {
			return nil, link.Permanent(err)
		}
		c = secured
	}
	return c, nil
}

// keepAlive notices within half a minute that a machine is gone.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// dialError says what is wrong, and whether waiting could mend it: a server may
// be about to start, but a name that is unknown stays so.
func dialError(err error) error {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return link.Permanent(fmt.Errorf("unknown host %s", dns.Name))
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		err = sys.Err
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("nobody listens there (connection refused)")
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("nobody listens there (the socket does not exist)")
	case errors.Is(err, syscall.EPROTOTYPE):
		return link.Permanent(errors.New("the socket there is of another kind (unix:, unixgram:)"))
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTSOCK):
		return link.Permanent(err)
	}
	return err
}

// address is where a URL leads: a unix socket, or, of any other scheme, a TCP
// port.
func address(u transport.URL) (network, address string, err error) {
	if u.Scheme == "unix" || u.Scheme == "unixgram" {
		path := u.Path
		if u.Host+u.User != "" || path == "" {
			return "", "", u.Errorf("it is written %s:PATH", u.Scheme)
		}
		if len(path) > 107 { // unix(7): sun_path
			return "", "", u.Errorf("the path of a socket has at most 107 bytes, this has %d", len(path))
		}
		_, err = permissions(u)
		return u.Scheme, path, err
	}
	_, port, err := net.SplitHostPort(u.Host)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || u.Name()+u.User != "" {
		return "", "", u.Errorf("it is written %s://HOST:PORT", u.Scheme)
	}
	return "tcp", u.Host, nil
}
