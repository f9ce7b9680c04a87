package broker

import (
	"context"
	"net"
	"sync"
	"time"

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

	mu     sync.Mutex
	line   Consumer
	lost   time.Time // when the line was; zero: it was not
	closed bool
}

// NewReceiver makes the first line by open.
func NewReceiver(ctx context.Context, name string, o transport.Options, open func(context.Context) (Consumer, error)) (transport.Receiver, error) {
	r := &Receiver{name: name, o: o, open: open}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Receiver) connect(ctx context.Context) error {
	o := r.o
	if o.Timeout > 0 && !r.lost.IsZero() { // a wait that was broken off counts
		o.Timeout = max(time.Millisecond, o.Timeout-time.Since(r.lost))
	}
	return link.Retry(ctx, o, r.name, func() error {
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
		r.line, r.lost = line, time.Time{}
		return nil
	})
}

func (r *Receiver) current() Consumer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.line
}

// Receive implements transport.Receiver.
func (r *Receiver) Receive(ctx context.Context, n int) ([]transport.Message, error) {
	for {
		line := r.current()
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
		if r.lose() {
			r.o.Warnf("%s: the connection broke, trying again: %v", r.name, err)
		}
		if err := r.connect(ctx); err != nil {
			return nil, err
		}
		r.o.Warnf("%s: connected again", r.name)
	}
}

// lose notes that the line is lost, and reports whether that is new.
func (r *Receiver) lose() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.lost.IsZero() {
		return false
	}
	r.lost = time.Now()
	return true
}

// Pending implements transport.Pending. Of a broker that is away it is not known.
func (r *Receiver) Pending(ctx context.Context) (bool, error) {
	r.mu.Lock()
	line, lost := r.line, !r.lost.IsZero()
	r.mu.Unlock()
	if lost {
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
	if err := r.current().Ack(ctx, messages); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// Extend implements transport.Receiver: a broker waits as long as the line lives.
func (r *Receiver) Extend(context.Context, []transport.Message) error { return nil }

// Close implements transport.Receiver.
func (r *Receiver) Close() error {
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
