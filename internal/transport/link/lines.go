package link

import (
	"context"

	"pipeworks/internal/transport"
)

// Connect opens a line to the other side, once.
type Connect func(ctx context.Context) (transport.Conn, error)

// Dialer is what opens lines to where a URL leads. The error is in the URL.
type Dialer func(u transport.URL, o transport.Options) (Connect, error)

// Listen lets lines in where a URL leads.
type Listen func(ctx context.Context, u transport.URL, o transport.Options) (transport.Listener, error)

// NewSender sends messages over lines, as transport.Transport has it. It waits
// until the other side answers.
func NewSender(ctx context.Context, u transport.URL, o transport.Options, d Dialer) (transport.Sender, error) {
	connect, err := d(u, o)
	if err != nil {
		return nil, err
	}
	return newSender(ctx, u.String(), connect, o)
}

// NewReceiver receives messages from whoever comes. A sender whose line broke
// has the timeout of the options, by default 30 s, to come back.
func NewReceiver(ctx context.Context, u transport.URL, o transport.Options, listen Listen) (transport.Receiver, error) {
	if o.Group != "" {
		return nil, u.Errorf("there are no groups of receivers: one takes all")
	}
	l, err := listen(ctx, u, o)
	if err != nil {
		return nil, err
	}
	return newReceiver(ctx, l, o), nil
}

// Dial opens a line for a call, as soon as the other side can be reached.
func Dial(ctx context.Context, u transport.URL, o transport.Options, d Dialer) (c transport.Conn, err error) {
	connect, err := d(u, o)
	if err != nil {
		return nil, err
	}
	err = Retry(ctx, o, u.String(), func() error {
		c, err = connect(ctx)
		return err
	})
	return c, err
}
