// Package amqp1 carries relay's messages over AMQP 1.0, which many brokers speak:
// each is confirmed by its settlement, and kept until it is settled.
package amqp1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/Azure/go-amqp"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/tlsoption"
)

// Transport is amqp1://.
var Transport = transport.Transport{
	Scheme:  "amqp1",
	Form:    "amqp1://[USER@]HOST[:PORT]/QUEUE",
	Summary: "brokers that speak AMQP 1.0",
	Options: slices.Concat([]transport.Option{
		{Name: "address", Usage: "what the broker calls the queue (/queue/QUEUE, as RabbitMQ 3 does, which makes it)"},
		{Name: "prefetch", Usage: "messages that a receiver may hold, its link credit (256)"},
	}, tlsoption.Options),
	Endless:  true,
	Sender:   sender,
	Receiver: receiver,
}

// config is what a URL says.
type config struct {
	url      transport.URL
	address  string
	prefetch int
}

func parse(u transport.URL, o transport.Options) (c *config, err error) {
	c = &config{url: u, address: u.Option("address")}
	if err := broker.Check(u, o); err != nil {
		return c, err
	}
	switch {
	case c.address == "" && u.Name() == "":
		return c, u.Errorf("it is written amqp1://HOST/QUEUE")
	case c.address == "":
		c.address = "/queue/" + u.Name()
	}
	c.prefetch, err = u.Int("prefetch", 256, 1)
	return c, err
}

func sender(ctx context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	c, err := parse(u, o)
	if err != nil {
		return nil, err
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
	return broker.NewReceiver(ctx, u.String(), o, func(ctx context.Context) (broker.Consumer, error) {
		return c.consumer(ctx, o)
	})
}

// line is a connection with a session.
type line struct {
	conn    *broker.Conn
	amqp    *amqp.Conn
	session *amqp.Session
	closing sync.Once
}

// connect makes a line, and has its link set up, within a limit of time.
func (c *config) connect(ctx context.Context, o transport.Options, setUp func(context.Context, *amqp.Session) error) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, broker.ConnectTime)
	defer cancel()
	password, err := broker.Password(ctx, o)
	if err != nil {
		return nil, link.Permanent(err)
	}
	auth := amqp.SASLTypeAnonymous()
	if c.url.User != "" || password != "" {
		auth = amqp.SASLTypePlain(c.url.User, password)
	}
	conn, err := broker.Dial(ctx, c.url, "5672")
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Abort() })()
	host, _, err := net.SplitHostPort(c.url.Host)
	if err != nil {
		host = c.url.Host
	}
	l := &line{conn: conn}
	if l.amqp, err = amqp.NewConn(ctx, conn, &amqp.ConnOptions{HostName: host, SASLType: auth, WriteTimeout: -1}); err != nil {
		_ = conn.Abort()
		return nil, c.refused(err)
	}
	if l.session, err = l.amqp.NewSession(ctx, nil); err == nil {
		err = setUp(ctx, l.session)
	}
	if err != nil {
		l.close()
		if final := c.final(err); final != nil {
			err = link.Permanent(final)
		}
		return nil, err
	}
	return l, nil
}

// refused says what of a broker that does not let us in: what is no error of the
// network is its answer.
func (c *config) refused(err error) error {
	var network net.Error
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &network) {
		return err
	}
	return link.Permanent(&broker.AccessError{URL: c.url, Err: err})
}

// final is an error of the broker that another line would not mend; nil: it might.
func (c *config) final(err error) error {
	cause, ok := errors.AsType[*amqp.Error](err)
	if !ok {
		return nil
	}
	switch cause.Condition {
	case amqp.ErrCondNotFound, amqp.ErrCondUnauthorizedAccess, amqp.ErrCondNotAllowed, amqp.ErrCondNotImplemented,
		amqp.ErrCondInvalidField, amqp.ErrCondPreconditionFailed, amqp.ErrCondMessageSizeExceeded:
		return fmt.Errorf("%s: %s: %s", c.url, cause.Condition, cause.Description)
	}
	return nil
}

// close ends the line: in order, if that is done soon. The session goes first:
// RabbitMQ forgets what it was told in it when the connection is closed.
func (l *line) close() {
	l.closing.Do(func() {
		if l.session != nil {
			ctx, cancel := context.WithTimeout(context.Background(), broker.GoodbyeTime)
			defer cancel()
			_ = l.session.Close(ctx)
		}
		defer time.AfterFunc(broker.GoodbyeTime, func() { _ = l.conn.Abort() }).Stop()
		_ = l.amqp.Close()
		_ = l.conn.Abort()
	})
}
