package amqp1

import (
	"bytes"
	"context"
	"sync"

	"github.com/Azure/go-amqp"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
)

// consumer is a broker.Consumer. Credit is issued when all that was issued before
// has been used: what RabbitMQ 3.10 gets while messages are on their way it counts
// from a wrong number, and then sends more than the library can count.
type consumer struct {
	*line
	receiver *amqp.Receiver

	mu   sync.Mutex
	open int // credit that is not used
	due  int // credit that may be issued, of messages that were settled
}

// handle says which message of which line one is.
type handle struct {
	of      *consumer
	message *amqp.Message
}

func (c *config) consumer(ctx context.Context, o transport.Options) (broker.Consumer, error) {
	r := &consumer{due: c.prefetch}
	var err error
	r.line, err = c.connect(ctx, o, func(ctx context.Context, session *amqp.Session) (err error) {
		r.receiver, err = session.NewReceiver(ctx, c.address, &amqp.ReceiverOptions{
			Credit:           -1, // it is issued by hand
			SettlementMode:   amqp.ReceiverSettleModeFirst.Ptr(),
			SourceDurability: amqp.DurabilityUnsettledState,
		})
		if err == nil {
			err = r.account(0, 0)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Receive implements broker.Consumer.
func (r *consumer) Receive(ctx context.Context, n int) (messages []transport.Message, err error) {
	received, err := r.receiver.Receive(ctx, nil)
	if err != nil {
		return nil, err
	}
	for received != nil {
		m, err := r.message(received)
		if err != nil {
			return nil, err
		}
		if messages = append(messages, m); len(messages) == n {
			break
		}
		received = r.receiver.Prefetched()
	}
	return messages, r.account(len(messages), 0)
}

// account counts messages that have come and that were settled, and issues the
// credit that may be issued.
func (r *consumer) account(come, settled int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open -= come
	r.due += settled
	if r.open > 0 || r.due == 0 {
		return nil
	}
	r.open, r.due = r.due, 0
	return r.receiver.IssueCredit(uint32(r.open))
}

func (r *consumer) message(received *amqp.Message) (transport.Message, error) {
	m := transport.Message{Tries: 1, Handle: handle{r, received}}
	switch body := received.Value.(type) { // of somebody else's
	case string:
		m.Body = []byte(body)
	case []byte:
		m.Body = body
	default:
		if m.Body = received.GetData(); len(received.Data) > 1 {
			m.Body = bytes.Join(received.Data, nil)
		}
	}
	if h := received.Header; h != nil && h.DeliveryCount > 0 {
		m.Tries = int(h.DeliveryCount) + 1
	} else if h != nil && !h.FirstAcquirer {
		m.Tries = 0 // it does not say how often
	}
	header, _ := received.ApplicationProperties[transport.ContentHeader].(string)
	var err error
	m.Content, err = transport.ParseContent(header)
	return m, err
}

// Ack implements broker.Consumer.
func (r *consumer) Ack(ctx context.Context, messages []transport.Message) error {
	settled := 0
	for i := range messages {
		if h, ok := messages[i].Handle.(handle); ok && h.of == r {
			if err := r.receiver.AcceptMessage(ctx, h.message); err != nil {
				return err
			}
			settled++
		}
	}
	return r.account(0, settled)
}

// Close implements broker.Consumer.
func (r *consumer) Close() { r.close() }
