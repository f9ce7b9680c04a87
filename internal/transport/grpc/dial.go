package grpc

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	google "google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/socket"
	"pipeworks/internal/transport/tlsoption"
)

// dialer connects to one server.
type dialer struct {
	address string
	tls     *tls.Config // nil: none
}

func newDialer(u transport.URL) (*dialer, error) {
	_, address, err := socket.Address(u)
	if err != nil {
		return nil, err
	}
	config, err := tlsoption.Client(u)
	if config != nil {
		config.NextProtos = []string{"h2"}
	}
	return &dialer{address, config}, err
}

// errOnce keeps gRPC from connecting anew behind our back: a call is not made
// twice, and messages that may be lost are sent again by link.
var errOnce = errors.New("the connection is gone")

// connect makes a connection of our own gRPC's, whose errors say what is wrong.
func (d *dialer) connect(ctx context.Context) (*google.ClientConn, error) {
	wire, err := socket.Connect(ctx, "tcp", d.address, d.tls)
	if err != nil {
		return nil, err
	}
	var once sync.Once
	c, err := google.NewClient("passthrough:///"+d.address,
		google.WithContextDialer(func(context.Context, string) (c net.Conn, err error) {
			err = errOnce
			once.Do(func() { c, err = wire, nil })
			return c, err
		}),
		google.WithTransportCredentials(insecure.NewCredentials()), // the wire has its TLS
		google.WithKeepaliveParams(aliveClient),
		google.WithDisableServiceConfig(),
		google.WithDisableRetry(),
		google.WithUserAgent("relay"),
	)
	if err != nil {
		wire.Close()
		return nil, err
	}
	c.Connect()
	return c, nil
}
