package stomp

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/go-stomp/stomp/v3/frame"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
)

// consumer is a broker.Consumer.
type consumer struct {
	*line
	messages chan transport.Message
	closed   chan struct{} // nobody takes them any more
	stop     func()        // by this
}

// handle says which message of which line one is.
type handle struct {
	of *consumer
	id string
}

func (c *config) consumer(ctx context.Context, o transport.Options) (broker.Consumer, error) {
	l, err := c.connect(ctx, o)
	if err != nil {
		return nil, err
	}
	r := &consumer{line: l, messages: make(chan transport.Message, c.prefetch), closed: make(chan struct{})}
	r.stop = sync.OnceFunc(func() { close(r.closed) })
	go func() {
		l.run(r.received)
		close(r.messages)
	}()
	most := strconv.Itoa(c.prefetch)
	err = l.write(frame.New(frame.SUBSCRIBE,
		frame.Id, "0",
		frame.Destination, c.destination,
		frame.Ack, "client-individual",
		"activemq.prefetchSize", most,
		"prefetch-count", most)) // as RabbitMQ calls it
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// received is called with what the broker sends.
func (r *consumer) received(f *frame.Frame) error {
	if f.Command != frame.MESSAGE {
		return fmt.Errorf("the broker sends %s without having been asked", f.Command)
	}
	content, err := transport.ParseContent(f.Header.Get(transport.ContentHeader))
	if err != nil {
		return err
	}
	m := transport.Message{Body: f.Body, Content: content, Tries: 1, Handle: handle{r, f.Header.Get(frame.Ack)}}
	if f.Header.Get("redelivered") == "true" {
		m.Tries = 0 // it does not say how often
	}
	select {
	case r.messages <- m:
	case <-r.closed:
	}
	return nil
}

// Receive implements broker.Consumer.
func (r *consumer) Receive(ctx context.Context, n int) ([]transport.Message, error) {
	messages, err := broker.Take(ctx, r.messages, n)
	if err == nil && len(messages) == 0 {
		err = r.err
	}
	return messages, err
}

// Ack implements broker.Consumer.
func (r *consumer) Ack(_ context.Context, messages []transport.Message) error {
	for i := range messages {
		if h, ok := messages[i].Handle.(handle); ok && h.of == r {
			if err := r.write(frame.New(frame.ACK, frame.Id, h.id)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close implements broker.Consumer.
func (r *consumer) Close() {
	r.stop()
	r.close()
}
