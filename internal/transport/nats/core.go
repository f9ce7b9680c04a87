package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"pipeworks/internal/transport"
)

// What may wait for a receiver of core NATS. More is lost, and it is told so.
const (
	coreMessages = 64 << 10
	coreBytes    = 64 << 20
)

// coreSender is a transport.Sender that knows only that the server has the
// messages, not whether anybody receives them.
type coreSender struct{ *client }

// Limit implements transport.Sender.
func (s *coreSender) Limit() int { return int(s.MaxPayload()) - headerRoom }

// Send implements transport.Sender.
func (s *coreSender) Send(ctx context.Context, messages []transport.Message) error {
	if err := s.check(messages, int(s.MaxPayload())); err != nil {
		return err
	}
	for i := range messages {
		m := &messages[i]
		err := s.whenConnected(ctx, func() error {
			return s.PublishMsg(&nats.Msg{Subject: s.cfg.subject, Header: s.header(m), Data: m.Body})
		})
		if err != nil {
			return fmt.Errorf("send to %s: %w", s.cfg.url, err)
		}
	}
	return nil
}

// whenConnected does what takes a connection, again after one was lost.
func (c *client) whenConnected(ctx context.Context, do func() error) error {
	for {
		c.mu.Lock()
		err := c.wait(ctx, func() bool { return !c.up.Load() })
		c.mu.Unlock()
		if err != nil {
			return err
		}
		if err = do(); err == nil || !c.passing(err) {
			return err
		}
		c.up.Store(c.IsConnected()) // by now it may be
	}
}

// Flush implements transport.Sender: a round trip to the server.
func (s *coreSender) Flush(ctx context.Context) error {
	err := s.whenConnected(ctx, func() error { return s.flush(ctx) })
	if err == nil {
		return s.LastError()
	}
	return err
}

func (c *client) flush(ctx context.Context) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ackTime) // it wants one
		defer cancel()
	}
	return c.FlushWithContext(ctx)
}

// Close implements transport.Sender.
func (s *coreSender) Close(context.Context, error) error {
	s.close()
	return nil
}

// coreReceiver is a transport.Receiver of what is sent while it is there.
type coreReceiver struct {
	*client
	sub *nats.Subscription
}

func newCoreReceiver(c *client) (transport.Receiver, error) {
	r := &coreReceiver{client: c}
	var err error
	if c.o.Group == "" {
		r.sub, err = c.SubscribeSync(c.cfg.subject)
	} else {
		r.sub, err = c.QueueSubscribeSync(c.cfg.subject, c.o.Group)
	}
	if err == nil {
		err = errors.Join(r.sub.SetPendingLimits(coreMessages, coreBytes), c.FlushTimeout(ackTime))
	}
	return r, err
}

// Receive implements transport.Receiver.
func (r *coreReceiver) Receive(ctx context.Context, n int) ([]transport.Message, error) {
	var messages []transport.Message
	for len(messages) < n {
		m, err := r.sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrSlowConsumer) {
			continue // Warn was told
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			return nil, r.cause(err)
		}
		one, err := message(m)
		if err != nil {
			return nil, err
		}
		messages = append(messages, one)
		if waiting, _, err := r.sub.Pending(); err != nil || waiting == 0 {
			break
		}
	}
	return messages, nil
}

// cause is why there is no connection any more; else err.
func (c *client) cause(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return err
}

// Ack implements transport.Receiver: there is nobody to tell.
func (r *coreReceiver) Ack(context.Context, []transport.Message) error { return nil }

// Extend implements transport.Receiver.
func (r *coreReceiver) Extend(context.Context, []transport.Message) error { return nil }

// Close implements transport.Receiver.
func (r *coreReceiver) Close() error {
	r.close()
	return nil
}
