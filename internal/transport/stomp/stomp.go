// Package stomp carries relay's messages over STOMP 1.2, which ActiveMQ speaks,
// and RabbitMQ with a plugin: each is confirmed by a receipt, and kept until it is
// acknowledged.
package stomp

import (
	"context"
	"slices"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
	"pipeworks/internal/transport/tlsoption"
)

// Transport is stomp://.
var Transport = transport.Transport{
	Scheme:  "stomp",
	Form:    "stomp://[USER@]HOST[:PORT]/QUEUE",
	Summary: "ActiveMQ and others that speak STOMP 1.2",
	Options: slices.Concat([]transport.Option{
		{Name: "vhost", Usage: "virtual host (that of the URL)"},
		{Name: "destination", Usage: "what the broker calls the queue (/queue/QUEUE)"},
		{Name: "prefetch", Usage: "messages that a receiver may hold (256)"},
	}, tlsoption.Options),
	Endless:  true,
	Sender:   sender,
	Receiver: receiver,
}

// config is what a URL says.
type config struct {
	url         transport.URL
	destination string
	prefetch    int
}

func parse(u transport.URL, o transport.Options) (c *config, err error) {
	c = &config{url: u, destination: u.Option("destination")}
	if err := broker.Check(u, o); err != nil {
		return c, err
	}
	switch {
	case c.destination == "" && u.Name() == "":
		return c, u.Errorf("it is written stomp://HOST/QUEUE")
	case c.destination == "":
		c.destination = "/queue/" + u.Name()
	}
	c.prefetch, err = u.Int("prefetch", 256, 1)
	return c, err
}

func sender(ctx context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	c, err := parse(u, o)
	if err != nil {
		return nil, err
	}
	return broker.NewSender(ctx, u.String(), limitedBy, o, func(ctx context.Context, e *broker.Events) (broker.Publisher, error) {
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
