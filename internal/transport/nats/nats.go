// Package nats carries relay's messages over NATS: by JetStream, which keeps
// them until they are acknowledged, or by core NATS, which forgets them at once.
// Calls go over inboxes.
package nats

import (
	"context"
	"slices"
	"strings"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/tlsoption"
)

// Transport is nats://.
var Transport = transport.Transport{
	Scheme:  "nats",
	Form:    "nats://[USER@]HOST[:PORT][,HOST...]/SUBJECT",
	Summary: "NATS: JetStream, or core NATS with ?core; calls",
	Options: slices.Concat([]transport.Option{
		{Name: "core", Usage: "core NATS: at most once, to the receivers that are there"},
		{Name: "stream", Usage: "name of the stream (the one that has the subject; else it is made, and called as the subject)"},
		{Name: "retention", Usage: "of a stream that is made: workqueue (the default: gone when acknowledged, one group), interest (when every group has), limits (kept)"},
		{Name: "replicas", Usage: "of a stream that is made (1)"},
		{Name: "ack-wait", Usage: "time after which what a receiver that died had is given to another (30s)"},
		{Name: "creds", Usage: "file of credentials (JWT and seed)"},
	}, tlsoption.Options),
	Endless:  true,
	Sender:   sender,
	Receiver: receiver,
	Dial:     dial,
	Listen:   listen,
}

// config is what a URL says.
type config struct {
	url       transport.URL
	subject   string
	core      bool
	stream    string
	retention string
	replicas  int
	ackWait   time.Duration // 0: not said
}

func parse(u transport.URL) (c config, err error) {
	c = config{url: u, subject: u.Name(), stream: u.Option("stream"), retention: u.Option("retention")}
	if c.subject == "" || strings.ContainsAny(c.subject, " \t\r\n") || u.Host == "" {
		return c, u.Errorf("it is written nats://HOST/SUBJECT")
	}
	if !slices.Contains([]string{"", "workqueue", "interest", "limits"}, c.retention) {
		return c, u.Errorf("option retention=%s: it is one of workqueue, interest, limits", c.retention)
	}
	if c.core, err = u.Bool("core"); err != nil {
		return c, err
	}
	if c.replicas, err = u.Int("replicas", 1, 1); err != nil {
		return c, err
	}
	if c.ackWait, err = u.Duration("ack-wait", 0); err == nil && c.ackWait != 0 && c.ackWait < time.Second {
		err = u.Errorf("option ack-wait=%v: at least 1s", c.ackWait)
	}
	return c, err
}

func sender(ctx context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	cfg, err := parse(u)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.ContainsAny(cfg.subject, "*>"):
		return nil, u.Errorf("a message has one subject: * and > are for receivers")
	case cfg.core && o.Dedupe:
		return nil, u.Errorf("core NATS does not know a message that it has had: without core, JetStream does")
	}
	c, err := connect(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	if cfg.core {
		return &coreSender{c}, nil
	}
	s, err := newStreamSender(ctx, c)
	if err != nil {
		c.close()
		return nil, err
	}
	return s, nil
}

func receiver(ctx context.Context, u transport.URL, o transport.Options) (transport.Receiver, error) {
	cfg, err := parse(u)
	if err != nil {
		return nil, err
	}
	c, err := connect(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	var r transport.Receiver
	if cfg.core {
		r, err = newCoreReceiver(c)
	} else {
		r, err = newStreamReceiver(ctx, c)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return r, nil
}
