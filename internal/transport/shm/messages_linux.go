package shm

import (
	"context"
	"errors"
	"io"

	"pipeworks/internal/shm"
	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
)

// messageSender is a transport.Sender.
type messageSender struct{ w *shm.Writer }

func sender(ctx context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	if err := supported(u, o); err != nil {
		return nil, err
	}
	c, err := config(u, o, messages)
	if err != nil {
		return nil, err
	}
	w, err := shm.OpenWriter(ctx, c)
	if err != nil {
		return nil, err
	}
	return messageSender{w}, nil
}

// Limit implements transport.Sender: what the ring cannot hold goes in parts.
func (s messageSender) Limit() int { return 0 }

// Send implements transport.Sender.
func (s messageSender) Send(ctx context.Context, messages []transport.Message) error {
	if err := s.w.Begin(ctx); err != nil {
		return err
	}
	defer s.w.End()
	for _, m := range messages {
		if err := s.w.Put(ctx, shm.Record{Body: m.Body, Key: m.Key, Kind: uint8(m.Content)}); err != nil {
			return outcome(err)
		}
	}
	return nil
}

// Flush implements transport.Sender.
func (s messageSender) Flush(ctx context.Context) error { return outcome(s.w.Flush(ctx)) }

// Close implements transport.Sender.
func (s messageSender) Close(_ context.Context, cause error) error {
	reason := ""
	if cause != nil {
		reason = cause.Error()
	}
	s.w.Close(reason)
	return nil
}

// outcome is an error as package transport has it.
func outcome(err error) error {
	if aborted, ok := errors.AsType[*shm.AbortedError](err); ok {
		return &transport.AbortedError{Reason: aborted.Reason}
	}
	if errors.Is(err, shm.ErrLeft) {
		return stream.ErrClosed
	}
	return err
}

// messageReceiver is a transport.Receiver.
type messageReceiver struct {
	r *shm.Reader
	o transport.Options
}

// defaultLongest is Options.MaxRecord, if it is not set.
const defaultLongest = 64 << 20

func receiver(ctx context.Context, u transport.URL, o transport.Options) (transport.Receiver, error) {
	if err := supported(u, o); err != nil {
		return nil, err
	}
	c, err := config(u, o, messages)
	if err != nil {
		return nil, err
	}
	longest := o.MaxRecord
	if longest == 0 {
		longest = defaultLongest
	}
	r, err := shm.OpenReader(ctx, c, longest)
	if err != nil {
		return nil, err
	}
	return &messageReceiver{r, o}, nil
}

// Receive implements transport.Receiver. With Follow no end of the senders is
// one.
func (r *messageReceiver) Receive(ctx context.Context, n int) ([]transport.Message, error) {
	var got []transport.Message
	for {
		err := r.r.Receive(ctx, n, func(record shm.Record) {
			got = append(got, transport.Message{Body: record.Body, Key: record.Key, Content: transport.Content(record.Kind), Handle: record.Taken})
		})
		aborted, ok := errors.AsType[*shm.AbortedError](err)
		switch {
		case ok && r.o.Follow:
			r.o.Warnf("a sender's stream was cut off: %s", aborted.Reason)
		case err != io.EOF || !r.o.Follow:
			return got, outcome(err)
		}
	}
}

// Ack implements transport.Receiver.
func (r *messageReceiver) Ack(_ context.Context, messages []transport.Message) error {
	done := make([]*shm.Extent, 0, 64) // on the stack, mostly
	for _, m := range messages {
		done = append(done, m.Handle.(*shm.Extent))
	}
	r.r.Ack(done...)
	return nil
}

// Extend implements transport.Receiver: there is no hurry.
func (r *messageReceiver) Extend(context.Context, []transport.Message) error { return nil }

// Close implements transport.Receiver.
func (r *messageReceiver) Close() error {
	r.r.Close()
	return nil
}
