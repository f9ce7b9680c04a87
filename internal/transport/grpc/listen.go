package grpc

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	google "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/socket"
)

// listener hands over the lines that gRPC's calls are.
type listener struct {
	*socket.Listener
	server  *google.Server
	wires   wires
	running sync.WaitGroup
}

// listen offers the services that register has.
func listen(ctx context.Context, u transport.URL, o transport.Options, register func(*listener)) (transport.Listener, error) {
	l := &listener{wires: wires{come: make(chan net.Conn), closed: make(chan struct{})}}
	l.wires.end = sync.OnceFunc(func() { close(l.wires.closed) })
	var err error
	if l.Listener, err = socket.Listen(ctx, u, o, l.wires.hand, "h2"); err != nil {
		return nil, err
	}
	l.server = google.NewServer(
		google.KeepaliveParams(aliveServer),
		google.KeepaliveEnforcementPolicy(leniency),
		google.MaxRecvMsgSize(maxMessage),
		google.ConnectionTimeout(10*time.Second),
		google.WaitForHandlers(true),
	)
	register(l)
	l.running.Go(func() { _ = l.server.Serve(l.wires) })
	return l, nil
}

// wires are the connections that TLS has let in, as a net.Listener.
type wires struct {
	come   chan net.Conn
	closed chan struct{}
	end    func()
}

// hand is a socket.Serve.
func (w wires) hand(ctx context.Context, wire net.Conn, _ string, _ *link.Arrivals) {
	select {
	case w.come <- wire:
	case <-w.closed:
		wire.Close()
	case <-ctx.Done():
		wire.Close()
	}
}

// Accept implements net.Listener.
func (w wires) Accept() (net.Conn, error) {
	select {
	case c := <-w.come:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (w wires) Close() error {
	w.end()
	return nil
}

// Addr implements net.Listener.
func (w wires) Addr() net.Addr { return &net.TCPAddr{} }

// hand gives a line to who accepts.
func (l *listener) hand(ctx context.Context, conn transport.Conn) error {
	err := l.Hand(ctx, conn)
	if errors.Is(err, net.ErrClosed) {
		return status.Error(codes.Unavailable, "the server was stopped")
	}
	return status.FromContextError(err).Err() // nil is nil
}

// lastWords is how long what was said last may take to leave.
const lastWords = time.Second

// Close implements transport.Listener. What was said last is still sent.
func (l *listener) Close() error {
	l.End()
	l.wires.end()
	late := time.AfterFunc(lastWords, l.server.Stop)
	defer late.Stop()
	l.server.GracefulStop()
	l.running.Wait()
	return l.Listener.Close()
}

// peerName is who calls.
func peerName(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return "somebody"
}
