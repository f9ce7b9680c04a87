package amqp

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/rabbitmq/amqp091-go"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
)

// consumer is a broker.Consumer.
type consumer struct {
	*line
	c          *config
	deliveries <-chan amqp091.Delivery
	cancelled  <-chan string

	mu    sync.Mutex
	first uint64          // tag that is not acknowledged
	acked map[uint64]bool // of those behind it
}

// handle says which message of which line one is.
type handle struct {
	of    *consumer
	tag   uint64
	reply string // the queue that an answer goes to
}

func (c *config) consumer(ctx context.Context, o transport.Options) (broker.Consumer, error) {
	r := &consumer{c: c, first: 1, acked: map[uint64]bool{}}
	var err error
	if r.line, err = c.connect(ctx, o, r.consume); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *consumer) consume(l *line) (err error) {
	if err = r.c.declare(l); err != nil {
		return err
	}
	if r.c.exchange != "" {
		if err = l.channel.QueueBind(r.c.queue, r.c.routingKey, r.c.exchange, false, nil); err != nil {
			return err
		}
	}
	if err = l.channel.Qos(r.c.prefetch, 0, false); err != nil {
		return err
	}
	r.cancelled = l.channel.NotifyCancel(make(chan string, 1))
	r.deliveries, err = l.channel.Consume(r.c.queue, "", false, false, false, false, nil)
	return err
}

// Receive implements broker.Consumer.
func (r *consumer) Receive(ctx context.Context, n int) ([]transport.Message, error) {
	deliveries, err := broker.Take(ctx, r.deliveries, n)
	if err != nil {
		return nil, err
	}
	if len(deliveries) == 0 {
		select {
		case <-r.cancelled:
			return nil, fmt.Errorf("queue %s was deleted", r.c.queue)
		default:
			return nil, r.reason()
		}
	}
	messages := make([]transport.Message, len(deliveries))
	for i := range deliveries {
		d := &deliveries[i]
		header, _ := d.Headers[transport.ContentHeader].(string)
		content, err := transport.ParseContent(header)
		if err != nil {
			return nil, err
		}
		messages[i] = transport.Message{
			Body: d.Body, Content: content, ID: d.MessageId, Tries: tries(d),
			Handle: handle{r, d.DeliveryTag, d.ReplyTo},
		}
	}
	return messages, nil
}

// tries is how often a message was delivered. Quorum queues count; others tell
// the first time from a later one.
func tries(d *amqp091.Delivery) int {
	if n, ok := d.Headers["x-delivery-count"].(int64); ok {
		return int(n) + 1
	}
	if d.Redelivered {
		return 0
	}
	return 1
}

// Ack implements broker.Consumer. The broker is told in one frame what has no
// gap before it.
func (r *consumer) Ack(_ context.Context, messages []transport.Message) error {
	tags := make([]uint64, 0, len(messages))
	for i := range messages {
		if h, ok := messages[i].Handle.(handle); ok && h.of == r {
			tags = append(tags, h.tag)
		}
	}
	slices.Sort(tags)
	r.mu.Lock()
	defer r.mu.Unlock()
	together := 0 // of the tags
	for i, tag := range tags {
		for r.acked[r.first] {
			delete(r.acked, r.first)
			r.first++
		}
		if tag == r.first {
			r.first++
			together = i + 1
		} else {
			r.acked[tag] = true
		}
	}
	if together > 0 {
		if err := r.channel.Ack(tags[together-1], true); err != nil {
			return err
		}
	}
	for _, tag := range tags[together:] {
		if err := r.channel.Ack(tag, false); err != nil {
			return err
		}
	}
	return nil
}

// Pending implements transport.Pending: the broker knows how many wait in the queue.
// An error is that of the line, which Receive tells.
func (r *consumer) Pending(ctx context.Context) (bool, error) {
	pending := make(chan bool, 1)
	go func() {
		q, err := r.channel.QueueDeclarePassive(r.c.queue, true, false, false, false, nil)
		pending <- err != nil || q.Messages > 0
	}()
	select {
	case p := <-pending:
		return p, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// Close implements broker.Consumer.
func (r *consumer) Close() { r.close() }
