package grpc

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	google "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/socket"
	"pipeworks/internal/transport/tlsoption"
)

// listener hands over the lines that gRPC's calls are.
type listener struct {
	*link.Arrivals
	url     transport.URL
	server  *google.Server
	socket  net.Listener
	running sync.WaitGroup
}

// listen offers the services that register has.
func listen(ctx context.Context, u transport.URL, register func(*listener)) (transport.Listener, error) {
	config, err := tlsoption.Server(u)
	if err != nil {
		return nil, err
	}
	l := &listener{Arrivals: link.NewArrivals(), url: u}
	if l.socket, err = socket.Bind(ctx, u); err != nil {
		return nil, err
	}
	l.url.Host = l.socket.Addr().String()
	options := []google.ServerOption{
		google.KeepaliveParams(aliveServer),
		google.KeepaliveEnforcementPolicy(leniency),
		google.MaxRecvMsgSize(maxMessage),
		google.ConnectionTimeout(10 * time.Second),
		google.WaitForHandlers(true),
	}
	if config != nil {
		options = append(options, google.Creds(credentials.NewTLS(config)))
	}
	l.server = google.NewServer(options...)
	register(l)
	l.running.Go(func() { _ = l.server.Serve(l.socket) })
	return l, nil
}

// hand gives a line to who accepts.
func (l *listener) hand(ctx context.Context, conn transport.Conn) error {
	err := l.Hand(ctx, conn)
	if errors.Is(err, net.ErrClosed) {
		return status.Error(codes.Unavailable, "the server was stopped")
	}
	return status.FromContextError(err).Err() // nil is nil
}

// Addr implements transport.Listener.
func (l *listener) Addr() string { return l.url.String() }

// lastWords is how long what was said last may take to leave.
const lastWords = time.Second

// Close implements transport.Listener. What was said last is still sent.
func (l *listener) Close() error {
	l.End()
	late := time.AfterFunc(lastWords, l.server.Stop)
	defer late.Stop()
	l.server.GracefulStop()
	l.running.Wait()
	return nil
}

// peerName is who calls.
func peerName(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return "somebody"
}
