//go:build !linux

package mqueue

import (
	"context"
	"errors"

	"pipeworks/internal/transport"
)

var errLinux = errors.New("mqueue: POSIX message queues need Linux: use unix:PATH here")

func newSender(context.Context, transport.URL, transport.Options) (transport.Sender, error) {
	return nil, errLinux
}

func newReceiver(context.Context, transport.URL, transport.Options) (transport.Receiver, error) {
	return nil, errLinux
}

func list(context.Context, transport.URL, transport.Options) ([]transport.Resource, error) {
	return nil, nil
}

func remove(context.Context, transport.URL, transport.Options) error { return errLinux }
