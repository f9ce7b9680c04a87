// Package grpc carries relay's calls and messages over gRPC. Calls are those of
// a published service, relaypb/relay.proto, which programs in any language can
// call and offer.
package grpc

import (
	"context"
	"time"

	"google.golang.org/grpc/keepalive"

	"pipeworks/internal/transport"
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
	Dial:     dial,
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
	return link.NewSender(ctx, u, o, lineDialer)
}

func receiver(ctx context.Context, u transport.URL, o transport.Options) (transport.Receiver, error) {
	return link.NewReceiver(ctx, u, o, listenLines)
}

func dial(ctx context.Context, u transport.URL, o transport.Options) (transport.Conn, error) {
	return link.Dial(ctx, u, o, callDialer)
}

// aliveClient and aliveServer notice that a peer is gone without a word.
var (
	aliveClient = keepalive.ClientParameters{Time: silence, Timeout: answerTime}
	aliveServer = keepalive.ServerParameters{Time: silence, Timeout: answerTime}
	leniency    = keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}
)
