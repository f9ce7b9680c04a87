package grpc

import (
	"context"
	"errors"
	"net"
	"sync"

	google "google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/socket"
)

func newDialer(u transport.URL) (socket.Dialer, error) { return socket.NewDialer(u, "h2") }

// errOnce keeps gRPC from connecting anew behind our back: a call is not made
// twice, and messages that may be lost are sent again by link.
var errOnce = errors.New("the connection is gone")

// connect makes a connection to one of us.
func connect(ctx context.Context, d socket.Dialer) (*google.ClientConn, error) {
	return Connect(ctx, d, google.WithKeepaliveParams(aliveClient))
}

// Connect makes a connection of our own gRPC's, whose errors say what is wrong.
func Connect(ctx context.Context, d socket.Dialer, options ...google.DialOption) (*google.ClientConn, error) {
	wire, err := d.Connect(ctx)
	if err != nil {
		return nil, err
	}
	var once sync.Once
	c, err := google.NewClient("passthrough:///"+d.Address, append(options,
		google.WithContextDialer(func(context.Context, string) (c net.Conn, err error) {
			err = errOnce
			once.Do(func() { c, err = wire, nil })
			return c, err
		}),
		google.WithTransportCredentials(insecure.NewCredentials()), // the wire has its TLS
		google.WithDisableServiceConfig(),
		google.WithDisableRetry(),
		google.WithUserAgent("relay"),
	)...)
	if err != nil {
		wire.Close()
		return nil, err
	}
	c.Connect()
	return c, nil
}
