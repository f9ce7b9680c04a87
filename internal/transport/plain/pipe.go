package plain

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"syscall"

	"pipeworks/internal/fifo"
	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
)

// Pipe is pipe:, a descriptor that the process was started with.
var Pipe = transport.Transport{
	Scheme:   "pipe",
	Form:     "pipe:[NUMBER]",
	Summary:  "an open descriptor, else standard input or output",
	Blocks:   true,
	Sender:   pipeSender,
	Receiver: pipeReceiver,
}

// descriptor is the file that a URL names.
func descriptor(u transport.URL, preset int) (*os.File, error) {
	n := preset
	if u.Path != "" {
		var err error
		if n, err = strconv.Atoi(u.Path); err != nil || n < 0 {
			return nil, u.Errorf("it is written pipe:3, for a descriptor that is open")
		}
	}
	f := os.NewFile(uintptr(n), u.String())
	if _, err := f.Stat(); err != nil {
		return nil, u.Errorf("descriptor %d is not open", n)
	}
	return f, nil
}

func pipeSender(_ context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	f, err := descriptor(u, 1)
	if err != nil {
		return nil, err
	}
	return &sender{
		o: o,
		write: func(_ context.Context, b []byte) error {
			_, err := f.Write(b)
			if errors.Is(err, syscall.EPIPE) {
				return stream.ErrClosed
			}
			return err
		},
		flush: func(ctx context.Context) error {
			err := fifo.Taken(ctx, f)
			if errors.Is(err, fifo.ErrNoReader) {
				err = stream.ErrClosed
			}
			return err
		},
		close: func(context.Context, error) error { return f.Close() },
	}, nil
}

func pipeReceiver(ctx context.Context, u transport.URL, o transport.Options) (transport.Receiver, error) {
	if err := oneReceiver(u, o); err != nil {
		return nil, err
	}
	f, err := descriptor(u, 0)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	in := stream.NewInput(ctx, u.String(), f)
	r := newReceiver(in, 0, o, func() error {
		cancel(io.ErrClosedPipe)
		return in.Close()
	})
	go r.run()
	return r, nil
}

// oneReceiver refuses what takes several.
func oneReceiver(u transport.URL, o transport.Options) error {
	if o.Group != "" {
		return u.Errorf("there are no groups of receivers: one takes all")
	}
	return nil
}
