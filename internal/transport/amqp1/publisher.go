package amqp1

import (
	"context"
	"errors"
	"fmt"

	"github.com/Azure/go-amqp"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
)

// publisher is a broker.Publisher.
type publisher struct {
	*line
	c        *config
	sender   *amqp.Sender
	receipts chan amqp.SendReceipt
	ctx      context.Context // of the line
	stop     context.CancelFunc
}

func (c *config) publisher(ctx context.Context, o transport.Options, e *broker.Events) (broker.Publisher, error) {
	p := &publisher{c: c, receipts: make(chan amqp.SendReceipt, broker.Window)}
	var err error
	p.line, err = c.connect(ctx, o, func(ctx context.Context, session *amqp.Session) (err error) {
		p.sender, err = session.NewSender(ctx, c.address, &amqp.SenderOptions{
			SettlementMode:   amqp.SenderSettleModeUnsettled.Ptr(),
			TargetDurability: amqp.DurabilityUnsettledState,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	p.ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	go p.watch(e)
	return p, nil
}

// watch tells what becomes of what was published.
func (p *publisher) watch(e *broker.Events) {
	for n := uint64(0); ; n++ {
		var receipt amqp.SendReceipt
		select {
		case receipt = <-p.receipts:
		case <-p.amqp.Done():
			e.Broke(p.amqp.Err())
			return
		}
		switch state, err := receipt.Wait(p.ctx); state := state.(type) {
		case nil:
			if final := p.c.final(err); final != nil {
				e.Failed(final)
			} else {
				e.Broke(err)
			}
			return
		case *amqp.StateAccepted:
			e.Confirmed(n)
		case *amqp.StateRejected:
			if state.Error != nil {
				e.Failed(fmt.Errorf("send to %s: the broker rejects a message: %s: %s", p.c.url, state.Error.Condition, state.Error.Description))
			} else {
				e.Failed(fmt.Errorf("send to %s: the broker rejects a message", p.c.url))
			}
			return
		default:
			e.Broke(errors.New("the broker refused a message: the queue may be full"))
			return
		}
	}
}

// Publish implements broker.Publisher.
func (p *publisher) Publish(m *transport.Message) error {
	message := amqp.NewMessage(m.Body)
	message.Header = &amqp.MessageHeader{Durable: true, Priority: 4}
	if m.Content != transport.Record {
		message.ApplicationProperties = map[string]any{transport.ContentHeader: m.Content.String()}
	}
	receipt, err := p.sender.SendWithReceipt(p.ctx, message, nil)
	if err == nil {
		p.receipts <- receipt
	}
	return err
}

// Flush implements broker.Publisher: nothing is held back.
func (p *publisher) Flush() error { return nil }

// headers are what a message may be longer than its body.
const headers = 1 << 10

// Limit implements broker.Publisher. RabbitMQ does not say what it knows.
func (p *publisher) Limit() int {
	if most := p.sender.MaxMessageSize(); most > headers && most < 1<<40 {
		return int(most) - headers
	}
	properties := p.amqp.Properties()
	return broker.LimitOf(properties["product"], properties["version"])
}

// Close implements broker.Publisher.
func (p *publisher) Close() {
	p.stop()
	p.close()
}
