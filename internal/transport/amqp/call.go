package amqp

import (
	"context"
	"errors"

	"github.com/rabbitmq/amqp091-go"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/socket"
)

// helloTime is how long a caller's hello waits in the queue of those who take calls.
const helloTime = "5000" // milliseconds

// dial opens a line to one of those who take calls from the queue.
func dial(ctx context.Context, u transport.URL, o transport.Options) (transport.Conn, error) {
	c, err := parseCalls(u, o)
	if err != nil {
		return nil, err
	}
	var l *broker.Line
	err = link.Retry(ctx, o, u.String(), func() error {
		own, err := c.connect(ctx, o, c.served)
		if err != nil {
			return err
		}
		if l, err = newLine(own.channel, own.close); err == nil {
			err = l.Call(ctx, c.queue)
		}
		if err != nil {
			own.close()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return socket.NewConn(l, u.String(), o.MaxRecord), nil
}

func parseCalls(u transport.URL, o transport.Options) (*config, error) {
	c, err := parse(u, o)
	if err == nil && (c.queue == "" || c.exchange != "") {
		err = u.Errorf("a call goes to a queue: amqp://HOST/QUEUE")
	}
	c.calls = true
	return c, err
}

// served finds out whether the queue is one of calls: in another a hello would be
// somebody's message.
func (c *config) served(l *line) error {
	_, err := l.channel.QueueDeclarePassive(c.queue, false, true, false, false, nil)
	if cause, ok := errors.AsType[*amqp091.Error](err); ok && cause.Code == amqp091.NotFound {
		return errors.New("nobody takes calls there")
	}
	if err == nil {
		err = c.declare(l)
	}
	return err
}

// newLine makes a line over a channel, with an inbox of its own: a queue that is
// gone with the channel. In the end it calls done.
func newLine(channel *amqp091.Channel, done func()) (*broker.Line, error) {
	inbox, err := channel.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, err
	}
	post := func(to string, message []byte) error {
		m := amqp091.Publishing{ReplyTo: inbox.Name, Body: message}
		if string(message) == broker.Hello {
			m.Expiration = helloTime
		}
		return channel.Publish("", to, true, false, m)
	}
	l := broker.NewLine(1<<20, post, func() error {
		defer done()
		return channel.Close() // after all that was sent
	})
	returns := channel.NotifyReturn(make(chan amqp091.Return, 1))
	arrivals, err := channel.Consume(inbox.Name, "", true, true, false, false, nil)
	if err != nil {
		return nil, err
	}
	go func() {
		for range returns { // there is no such queue any more
			l.Break(broker.ErrGone)
		}
	}()
	go func() {
		for m := range arrivals {
			l.Arrived(m.Body, m.ReplyTo)
		}
		l.Break(errors.New("the connection broke"))
	}()
	return l, nil
}

// listener is a transport.Listener at a queue of calls, which others share that
// listen at it.
type listener struct {
	transport.Receiver // of hellos
	c                  *config
	o                  transport.Options
}

func listen(ctx context.Context, u transport.URL, o transport.Options) (transport.Listener, error) {
	c, err := parseCalls(u, o)
	if err != nil {
		return nil, err
	}
	r, err := broker.NewReceiver(ctx, u.String(), o, func(ctx context.Context) (broker.Consumer, error) {
		return c.consumer(ctx, o)
	})
	if err != nil {
		return nil, err
	}
	return &listener{r, c, o}, nil
}

// Accept implements transport.Listener.
func (l *listener) Accept(ctx context.Context) (transport.Conn, error) {
	for {
		messages, err := l.Receive(ctx, 1)
		if err != nil {
			return nil, err
		}
		_ = l.Ack(ctx, messages) // a hello that comes again is answered again
		m := messages[0]
		h := m.Handle.(handle)
		if string(m.Body) != broker.Hello || h.reply == "" {
			l.o.Warnf("%s: a message that is no call", l.c.url)
			continue
		}
		channel, err := h.of.amqp.Channel()
		if err == nil {
			var line *broker.Line
			if line, err = newLine(channel, func() {}); err == nil {
				line.Answer(h.reply)
				return socket.NewConn(line, h.reply, l.o.MaxRecord), nil
			}
		}
		l.o.Warnf("%s: a call was not taken: %v", l.c.url, err)
	}
}

// Addr implements transport.Listener.
func (l *listener) Addr() string { return l.c.url.String() }
