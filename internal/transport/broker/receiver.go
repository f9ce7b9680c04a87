package broker

import (
	"context"
	"net"
	"sync"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
)

// Consumer is a line to a broker on which messages come.
type Consumer interface {
	// Receive is that of a transport.Receiver. An error is the end of the line.
	Receive(ctx context.Context, n int) ([]transport.Message, error)
	// Ack acknowledges messages of this line, and leaves those of others alone:
	// they come again.
	Ack(ctx context.Context, messages []transport.Message) error
	// Close gives back what is not acknowledged.
	Close()
}

// Receiver is a transport.Receiver that makes a new line when one is lost.
type Receiver struct {
	name string
	o    transport.Options
	open func(context.Context) (Consumer, error)

	lines context.Context // as long as they are made
	stop  context.CancelFunc

	mu         sync.Mutex
	line       Consumer
	connecting chan error // that comes when there is a new line; nil: there is none to come
	closed     bool
}

// NewReceiver makes the first line by open.
func NewReceiver(ctx context.Context, name string, o transport.Options, open func(context.Context) (Consumer, error)) (transport.Receiver, error) {
	r := &Receiver{name: name, o: o, open: open}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	r.lines, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	return r, nil
}

func (r *Receiver) connect(ctx context.Context) error {
	return link.Retry(ctx, r.o, r.name, func() error {
		line, err := r.open(ctx)
		if err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.closed {
			line.Close()
			return link.Permanent(net.ErrClosed)
		}
		r.line = line
		return nil
	})
}

// state is the line, or what tells when there is one.
func (r *Receiver) state() (Consumer, chan error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.line, r.connecting
}

// reconnect begins to make a new line, which may take longer than a Receive does;
// with nil, it is made.
func (r *Receiver) reconnect(connecting chan error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connecting = connecting
	if connecting != nil {
		go func() { connecting <- r.connect(r.lines) }()
	}
}

// Receive implements transport.Receiver.
func (r *Receiver) Receive(ctx context.Context, n int) ([]transport.Message, error) {
	for {
		line, connecting := r.state()
		if connecting == nil {
			messages, err := line.Receive(ctx, n)
			if err == nil {
				return messages, nil
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			line.Close()
			if link.IsPermanent(err) {
				return nil, err
			}
			r.o.Warnf("%s: the connection broke, trying again: %v", r.name, err)
			connecting = make(chan error, 1)
			r.reconnect(connecting)
		}
		select {
		case err := <-connecting:
			r.reconnect(nil)
			if err != nil {
				return nil, err
			}
			r.o.Warnf("%s: connected again", r.name)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Pending implements transport.Pending. Of a broker that is away it is not known.
func (r *Receiver) Pending(ctx context.Context) (bool, error) {
	line, connecting := r.state()
	if connecting != nil {
		return true, nil
	}
	if asked, ok := line.(transport.Pending); ok {
		return asked.Pending(ctx)
	}
	return false, nil
}

// Ack implements transport.Receiver. What cannot be acknowledged because the
// line was lost comes again.
func (r *Receiver) Ack(ctx context.Context, messages []transport.Message) error {
	line, _ := r.state()
	if err := line.Ack(ctx, messages); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// Extend implements transport.Receiver: a broker waits as long as the line lives.
func (r *Receiver) Extend(context.Context, []transport.Message) error { return nil }

// Close implements transport.Receiver.
func (r *Receiver) Close() error {
	r.stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.line.Close()
	return nil
}

// Take waits for something from a channel, and takes at most n that are there;
// nothing if it is closed.
func Take[T any](ctx context.Context, from <-chan T, n int) (all []T, err error) {
	select {
	case one, ok := <-from:
		if !ok {
			return nil, nil
		}
		all = append(all, one)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for len(all) < n {
		select {
		case one, ok := <-from:
			if !ok {
				return all, nil
			}
			all = append(all, one)
		default:
			return all, nil
		}
	}
	return all, nil
}
