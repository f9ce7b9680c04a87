// Package grpc carries relay's calls and messages over gRPC. Calls are those of
// a published service, relaypb/relay.proto, which programs in any language can
// call and offer.
package grpc

import (
	"context"
	"time"

	google "google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/grpc/relaypb"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/tlsoption"
)

// Transport is grpc://. The receiver, or who serves, listens.
var Transport = transport.Transport{
	Scheme:   "grpc",
	Form:     "grpc://[HOST]:PORT",
	Summary:  "gRPC, for programs in any language, too",
	Options:  tlsoption.Options,
	Blocks:   true,
	Sender:   sender,
	Receiver: receiver,
	Dial:     dialCall,
	Listen:   listenCalls,
}

const (
	// maxMessage is what gRPC's clients and servers take if nobody tells them
	// otherwise. Everything is cut to fit.
	maxMessage = 4 << 20

	// A peer that has not been heard of for so long is asked, and has so long to
	// answer.
	silence, answerTime = 15 * time.Second, 10 * time.Second
)

func sender(ctx context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	d, err := newDialer(u)
	if err != nil {
		return nil, err
	}
	return link.NewSender(ctx, u.String(), func(ctx context.Context) (transport.Conn, error) {
		return d.line(ctx, o)
	}, o)
}

func receiver(ctx context.Context, u transport.URL, o transport.Options) (transport.Receiver, error) {
	l, err := listen(ctx, u)
	if err != nil {
		return nil, err
	}
	relaypb.RegisterLinkServer(l.server, &lines{l: l, o: o})
	relaypb.RegisterRelayServer(l.server, noCalls{})
	l.serve()
	return link.NewReceiver(ctx, l, o)
}

func dialCall(ctx context.Context, u transport.URL, o transport.Options) (transport.Conn, error) {
	d, err := newDialer(u)
	if err != nil {
		return nil, err
	}
	var c *google.ClientConn
	err = link.Retry(ctx, o, u.String(), func() error {
		c, err = d.connect(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return callOver(ctx, c, u.Host), nil
}

func listenCalls(ctx context.Context, u transport.URL, _ transport.Options) (transport.Listener, error) {
	l, err := listen(ctx, u)
	if err != nil {
		return nil, err
	}
	relaypb.RegisterRelayServer(l.server, &calls{l: l})
	relaypb.RegisterLinkServer(l.server, noLines{})
	l.serve()
	return l, nil
}

// aliveClient and aliveServer notice that a peer is gone without a word.
var (
	aliveClient = keepalive.ClientParameters{Time: silence, Timeout: answerTime}
	aliveServer = keepalive.ServerParameters{Time: silence, Timeout: answerTime}
	leniency    = keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}
)
