//go:build !linux

package shm

import (
	"context"
	"errors"

	"pipeworks/internal/transport"
)

var errLinux = errors.New("shm: shared memory needs Linux: use unix:PATH here")

func sender(context.Context, transport.URL, transport.Options) (transport.Sender, error) {
	return nil, errLinux
}

func receiver(context.Context, transport.URL, transport.Options) (transport.Receiver, error) {
	return nil, errLinux
}

func dial(context.Context, transport.URL, transport.Options) (transport.Conn, error) {
	return nil, errLinux
}

func listen(context.Context, transport.URL, transport.Options) (transport.Listener, error) {
	return nil, errLinux
}

func list(context.Context, transport.URL, transport.Options) ([]transport.Resource, error) {
	return nil, nil
}

func remove(context.Context, transport.URL, transport.Options) error { return errLinux }
