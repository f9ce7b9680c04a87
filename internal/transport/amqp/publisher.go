package amqp

import (
	"context"
	"errors"
	"fmt"

	"github.com/rabbitmq/amqp091-go"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
)

// publisher is a broker.Publisher.
type publisher struct {
	*line
	c *config
}

func (c *config) publisher(ctx context.Context, o transport.Options, e *broker.Events) (broker.Publisher, error) {
	l, err := c.connect(ctx, o, func(l *line) (err error) {
		if c.exchange == "" {
			err = c.declare(l)
		}
		if err == nil {
			err = l.channel.Confirm(false)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	p := &publisher{l, c}
	confirms := l.channel.NotifyPublish(make(chan amqp091.Confirmation, 64))
	returns := l.channel.NotifyReturn(make(chan amqp091.Return, 1))
	blocked := l.amqp.NotifyBlocked(make(chan amqp091.Blocking, 1))
	go p.watch(o, e, confirms, returns, blocked)
	return p, nil
}

// watch tells what the broker says of what was published. A message that no
// queue takes comes back before it is confirmed.
func (p *publisher) watch(o transport.Options, e *broker.Events, confirms <-chan amqp091.Confirmation, returns <-chan amqp091.Return, blocked <-chan amqp091.Blocking) {
	for {
		select {
		case one, ok := <-returns:
			if ok {
				e.Failed(p.returned(one))
			} else {
				returns = nil
			}
		case one, ok := <-confirms:
			switch {
			case !ok:
				p.ended(e)
				return
			case one.Ack && len(returns) == 0:
				e.Confirmed(one.DeliveryTag - 1)
			case one.Ack:
				e.Failed(p.returned(<-returns))
			default:
				e.Broke(errors.New("the broker refused a message: the queue may be full, or have no leader"))
			}
		case one, ok := <-blocked:
			e.Blocked(ok && one.Active)
			switch {
			case !ok:
				blocked = nil
			case one.Active:
				o.Warnf("%s: the broker takes nothing now: its alarm: %s", p.c.url, one.Reason)
			default:
				o.Warnf("%s: the broker takes messages again", p.c.url)
			}
		}
	}
}

// ended tells why the channel was closed.
func (p *publisher) ended(e *broker.Events) {
	reason := p.reason()
	cause, _ := errors.AsType[*amqp091.Error](reason)
	if cause != nil && cause.Server && (cause.Code == amqp091.PreconditionFailed || cause.Code == amqp091.NotFound || cause.Code == amqp091.AccessRefused) {
		e.Failed(fmt.Errorf("send to %s: %s", p.c.url, cause.Reason))
		return
	}
	e.Broke(reason)
}

// returned is the error of a message that came back.
func (p *publisher) returned(r amqp091.Return) error {
	exchange := "the default exchange"
	if r.Exchange != "" {
		exchange = "exchange " + r.Exchange
	}
	return fmt.Errorf("send to %s: no queue takes what %s gets with routing key %q (%s)", p.c.url, exchange, r.RoutingKey, r.ReplyText)
}

// Publish implements broker.Publisher.
func (p *publisher) Publish(m *transport.Message) error {
	key := p.c.routingKey
	if p.c.keyed {
		key = m.Key
	}
	message := amqp091.Publishing{DeliveryMode: amqp091.Persistent, MessageId: m.ID, Body: m.Body}
	if m.Content != transport.Record {
		message.Headers = amqp091.Table{transport.ContentHeader: m.Content.String()}
	}
	return p.channel.Publish(p.c.exchange, key, true, false, message)
}

// Flush implements broker.Publisher: nothing is held back.
func (p *publisher) Flush() error { return nil }

// Limit implements broker.Publisher.
func (p *publisher) Limit() int {
	return broker.LimitOf(p.amqp.Properties["product"], p.amqp.Properties["version"])
}

// Close implements broker.Publisher.
func (p *publisher) Close() { p.close() }
