package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/socket"
)

// callHello is what a caller says to the subject, and the subject to reply to is
// its end of the line.
const callHello = "relay/1"

// noResponders is the status of a message that nobody listens for.
const noResponders = "503"

// answerTime is how long a server may take to answer a hello, before another is
// asked.
const answerTime = 5 * time.Second

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
	var l *line
	err = link.Retry(ctx, o, u.String(), func() (err error) {
		l, err = c.greet(ctx)
		return err
	})
	if err != nil {
		c.close()
		return nil, err
	}
	return socket.NewConn(l, u.String(), o.MaxRecord), nil
}

// greet opens a line, once.
func (c *client) greet(ctx context.Context) (*line, error) {
	c.keep(true) // for the next attempt
	l, err := c.newLine()
	if err != nil {
		return nil, err
	}
	if err = l.greeted(ctx); err != nil {
		_ = l.Close() // it was none
		return nil, err
	}
	c.keep(false)
	return l, nil
}

// greeted says hello and waits for the answer.
func (l *line) greeted(ctx context.Context) error {
	if err := l.PublishRequest(l.cfg.subject, l.inbox, []byte(callHello)); err != nil {
		return err
	}
	answering, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.wait(answering, func() bool { return l.peer == "" && l.err == nil })
	switch {
	case l.err == errPeerGone:
		return errors.New("nobody serves that subject")
	case l.err != nil:
		return l.err
	case err != nil && answering.Err() != nil && ctx.Err() == nil:
		return errors.New("no answer")
	}
	return err
}

// keep says whether the client is needed without lines.
func (c *client) keep(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = on
}

// breakLines ends the lines after a reconnection: what was on its way is lost.
func (c *client) breakLines() {
	for l := range c.lines {
		l.breakOff(errPeerGone)
	}
}

// listener is a transport.Listener at a subject, which others share that listen
// at it with the same group.
type listener struct {
	*client
	sub     *nats.Subscription
	accepts chan *line
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
	l := &listener{client: c, accepts: make(chan *line), closed: make(chan struct{})}
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
	if string(m.Data) != callHello || m.Reply == "" {
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
	l.mu.Lock()
	line.open(caller)
	line.say(lineOpen, nil)
	l.mu.Unlock()
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
		return socket.NewConn(line, line.peer, l.o.MaxRecord), nil
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
