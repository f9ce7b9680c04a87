// Package amqp carries relay's messages over AMQP 0-9-1, which RabbitMQ speaks:
// each is confirmed by the broker, and kept until it is acknowledged. Calls go over
// queues of their own.
package amqp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/tlsoption"
)

// Transport is amqp://.
var Transport = transport.Transport{
	Scheme:  "amqp",
	Form:    "amqp://[USER@]HOST[:PORT]/QUEUE",
	Summary: "RabbitMQ and others that speak AMQP 0-9-1; calls",
	Options: slices.Concat([]transport.Option{
		{Name: "vhost", Usage: "virtual host (/)"},
		{Name: "type", Usage: "of a queue that is made: quorum (the default) or classic; a queue that exists is taken as it is"},
		{Name: "exchange", Usage: "send to this exchange, which exists; a receiver binds its queue to it"},
		{Name: "routing-key", Usage: "of the messages to the exchange, and of the binding (the name of the queue)"},
		{Name: "keyed", Usage: "the routing key of a message is its own key"},
		{Name: "prefetch", Usage: "messages that a receiver may hold (256)"},
	}, tlsoption.Options),
	Endless:  true,
	Sender:   sender,
	Receiver: receiver,
	Dial:     dial,
	Listen:   listen,
}

// config is what a URL says.
type config struct {
	url        transport.URL
	queue      string
	kind       string
	exchange   string
	routingKey string
	keyed      bool
	prefetch   int
	calls      bool        // come from the queue, not messages
	letIn      atomic.Bool // the broker has done so
}

func parse(u transport.URL, o transport.Options) (c *config, err error) {
	c = &config{url: u, queue: u.Name(), kind: u.Option("type"), exchange: u.Option("exchange"), routingKey: u.Option("routing-key")}
	if c.routingKey == "" {
		c.routingKey = c.queue
	}
	if c.kind == "" {
		c.kind = amqp091.QueueTypeQuorum
	}
	if err := broker.Check(u, o); err != nil {
		return c, err
	}
	switch {
	case c.exchange == "" && (u.Query.Has("routing-key") || u.Query.Has("keyed")):
		return c, u.Errorf("options routing-key and keyed go with exchange")
	case c.kind != amqp091.QueueTypeQuorum && c.kind != amqp091.QueueTypeClassic:
		return c, u.Errorf("option type=%s: it is quorum or classic", c.kind)
	}
	if c.keyed, err = u.Bool("keyed"); err == nil {
		c.prefetch, err = u.Int("prefetch", 256, 1)
	}
	return c, err
}

func sender(ctx context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	c, err := parse(u, o)
	if err != nil {
		return nil, err
	}
	if c.queue == "" && c.exchange == "" {
		return nil, u.Errorf("it is written amqp://HOST/QUEUE, or amqp://HOST/?exchange=NAME")
	}
	return broker.NewSender(ctx, u.String(), broker.RabbitMQLimit, o, func(ctx context.Context, e *broker.Events) (broker.Publisher, error) {
		return c.publisher(ctx, o, e)
	})
}

func receiver(ctx context.Context, u transport.URL, o transport.Options) (transport.Receiver, error) {
	c, err := parse(u, o)
	if err != nil {
		return nil, err
	}
	if c.queue == "" {
		return nil, u.Errorf("it is written amqp://HOST/QUEUE")
	}
	return broker.NewReceiver(ctx, u.String(), o, func(ctx context.Context) (broker.Consumer, error) {
		return c.consumer(ctx, o)
	})
}

// line is a connection with a channel.
type line struct {
	conn    *broker.Conn
	amqp    *amqp091.Connection
	channel *amqp091.Channel
	closed  chan *amqp091.Error // the channel, by this
	closing sync.Once
}

// connect makes a line, and has it set up, within a limit of time: after a crash
// RabbitMQ may answer nothing at all of a queue that has no leader yet.
func (c *config) connect(ctx context.Context, o transport.Options, setUp func(*line) error) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, broker.ConnectTime)
	defer cancel()
	password, err := broker.Password(ctx, o)
	if err != nil {
		return nil, link.Permanent(err)
	}
	auth := &amqp091.PlainAuth{Username: c.url.User, Password: password}
	if auth.Username == "" && password == "" {
		auth.Username, auth.Password = "guest", "guest" // as every broker has it, for its own machine
	}
	vhost := c.url.Option("vhost")
	if vhost == "" {
		vhost = "/"
	}
	conn, err := broker.Dial(ctx, c.url, "5672")
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Abort() })()
	l := &line{conn: conn}
	l.amqp, err = amqp091.Open(conn, amqp091.Config{
		SASL:       []amqp091.Authentication{auth},
		Vhost:      vhost,
		Heartbeat:  10 * time.Second,
		FrameSize:  128 << 10,
		Properties: amqp091.Table{"product": "relay"},
	})
	if err == nil {
		c.letIn.Store(true)
		err = l.open()
	}
	if err == nil {
		err = setUp(l)
	}
	if err != nil {
		_ = conn.Abort()
		return nil, c.classify(err)
	}
	return l, nil
}

// open opens the channel.
func (l *line) open() (err error) {
	if l.channel, err = l.amqp.Channel(); err == nil {
		l.closed = l.channel.NotifyClose(make(chan *amqp091.Error, 1))
	}
	return err
}

// declare makes the queue if there is none.
func (c *config) declare(l *line) error {
	if c.calls { // they are for who is there
		_, err := l.channel.QueueDeclare(c.queue, false, true, false, false, nil)
		if cause, ok := errors.AsType[*amqp091.Error](err); ok && cause.Code == amqp091.PreconditionFailed {
			err = link.Permanent(fmt.Errorf("%s: queue %s is one of messages: calls take another", c.url, c.queue))
		}
		return err
	}
	_, err := l.channel.QueueDeclarePassive(c.queue, true, false, false, false, nil)
	if cause, ok := errors.AsType[*amqp091.Error](err); !ok || cause.Code != amqp091.NotFound {
		return err
	}
	if err := l.open(); err != nil { // the broker has closed the last one
		return err
	}
	_, err = l.channel.QueueDeclare(c.queue, true, false, false, false, amqp091.Table{amqp091.QueueTypeArg: c.kind})
	return err
}

// close ends the line: in order, if that is done soon.
func (l *line) close() {
	l.closing.Do(func() {
		defer time.AfterFunc(broker.GoodbyeTime, func() { _ = l.conn.Abort() }).Stop()
		_ = l.amqp.Close()
		_ = l.conn.Abort()
	})
}

// reason is why the channel was closed.
func (l *line) reason() error {
	if err := <-l.closed; err != nil {
		return err
	}
	return errors.New("it was closed")
}

// classify says which errors of the broker another line would not mend.
func (c *config) classify(err error) error {
	cause, ok := errors.AsType[*amqp091.Error](err)
	if !ok {
		return err
	}
	switch cause.Code {
	case amqp091.AccessRefused:
		if !cause.Server && c.letIn.Load() { // a guess: nothing was said
			return err
		}
		if strings.HasPrefix(cause.Reason, "ACCESS_REFUSED - access to") { // let in, but not to this
			return link.Permanent(fmt.Errorf("%s: %s", c.url, cause.Reason))
		}
		return link.Permanent(&broker.AccessError{URL: c.url, Err: errors.New("the broker does not let us in (ACCESS_REFUSED)")})
	case amqp091.NotAllowed, amqp091.NotFound, amqp091.PreconditionFailed, amqp091.ResourceLocked, amqp091.NotImplemented:
		return link.Permanent(fmt.Errorf("%s: %s", c.url, cause.Reason))
	}
	return err
}
