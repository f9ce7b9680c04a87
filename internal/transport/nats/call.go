package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/nats-io/nats.go"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/socket"
)

// noResponders is the status of a message that nobody listens for.
const noResponders = "503"

// dial opens a line to one of those that listen at the subject.
func dial(ctx context.Context, u transport.URL, o transport.Options) (transport.Conn, error) {
	cfg, err := parse(u)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(cfg.subject, "*>") {
		return nil, u.Errorf("a call has one subject")
	}
	c, err := connect(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	c.reconnected = c.breakLines
	var l *broker.Line
	err = link.Retry(ctx, o, u.String(), func() (err error) {
		l, err = c.call(ctx)
		return err
	})
	if err != nil {
		c.close()
		return nil, err
	}
	return socket.NewConn(l, u.String(), o.MaxRecord), nil
}

// call opens a line, once.
func (c *client) call(ctx context.Context) (*broker.Line, error) {
	c.keep(true) // for the next attempt
	l, err := c.newLine()
	if err != nil {
		return nil, err
	}
	if err = l.Call(ctx, c.cfg.subject); err != nil {
		_ = l.Close() // it was none
		return nil, err
	}
	c.keep(false)
	return l, nil
}

// newLine makes a line with an inbox of its own. It holds on to the client until
// it is closed.
func (c *client) newLine() (l *broker.Line, err error) {
	inbox := c.NewInbox()
	var sub *nats.Subscription
	post := func(to string, message []byte) error {
		// With a subject to reply to, the server says that nobody listens.
		return c.PublishRequest(to, inbox, message)
	}
	l = broker.NewLine(int(c.MaxPayload()), post, func() error { return c.leave(l, sub) })
	sub, err = c.Subscribe(inbox, func(m *nats.Msg) {
		if m.Header.Get("Status") == noResponders {
			l.Break(broker.ErrGone)
			return
		}
		l.Arrived(m.Data, m.Reply)
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines[l] = struct{}{}
	return l, sub.SetPendingLimits(-1, -1) // the line's window is the limit
}

// leave is the end of a line.
func (c *client) leave(l *broker.Line, sub *nats.Subscription) error {
	c.mu.Lock()
	delete(c.lines, l)
	last := !c.kept && len(c.lines) == 0
	c.mu.Unlock()
	err := sub.Unsubscribe()
	if flushed := c.FlushTimeout(byeTime); err == nil {
		err = flushed
	}
	if last {
		c.close()
	}
	if errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrBadSubscription) {
		return nil // it was closed before
	}
	return err
}

// keep says whether the client is needed without lines.
func (c *client) keep(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = on
}

// breakLines ends the lines after a reconnection, when what was on its way is lost,
// or for want of one. The lock is held.
func (c *client) breakLines() {
	for l := range c.lines {
		l.Break(broker.ErrGone)
	}
}

// listener is a transport.Listener at a subject, which others share that listen
// at it with the same group.
type listener struct {
	*client
	sub     *nats.Subscription
	accepts chan *broker.Line
	closed  chan struct{}
}

func listen(ctx context.Context, u transport.URL, o transport.Options) (transport.Listener, error) {
	cfg, err := parse(u)
	if err != nil {
		return nil, err
	}
	c, err := connect(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	c.reconnected = c.breakLines
	c.kept = true
	l := &listener{client: c, accepts: make(chan *broker.Line), closed: make(chan struct{})}
	group := o.Group
	if group == "" {
		group = defaultGroup
	}
	if l.sub, err = c.QueueSubscribe(cfg.subject, group, l.called); err == nil {
		err = c.FlushTimeout(connectTime) // it listens
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("listen at %s: %w", u, err)
	}
	return l, nil
}

// called is called with what is said to the subject.
func (l *listener) called(m *nats.Msg) {
	if string(m.Data) != broker.Hello || m.Reply == "" {
		l.o.Warnf("%s: a message that is no call", l.cfg.url)
		return
	}
	go l.answer(m.Reply)
}

// answer opens a line to a caller and hands it over.
func (l *listener) answer(caller string) {
	line, err := l.newLine()
	if err != nil {
		l.o.Warnf("%s: %v", l.cfg.url, err)
		return
	}
	line.Answer(caller)
	select {
	case l.accepts <- line:
	case <-l.closed:
		_ = line.Close() // nobody will call
	}
}

// Accept implements transport.Listener.
func (l *listener) Accept(ctx context.Context) (transport.Conn, error) {
	select {
	case line := <-l.accepts:
		return socket.NewConn(line, line.Peer(), l.o.MaxRecord), nil
	case <-l.gone:
		return nil, l.cause(net.ErrClosed)
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Addr implements transport.Listener.
func (l *listener) Addr() string { return l.cfg.url.String() }

// Close implements transport.Listener. Lines that are open stay so.
func (l *listener) Close() error {
	l.mu.Lock()
	kept := l.kept
	l.kept = false
	last := len(l.lines) == 0
	l.mu.Unlock()
	if !kept {
		return nil
	}
	close(l.closed)
	err := l.sub.Unsubscribe()
	if last {
		l.close()
	}
	return err
}
