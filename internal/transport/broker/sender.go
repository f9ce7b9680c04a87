package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
)

// What may be on its way to a broker without its confirmation.
const (
	Window      = 4096 // messages
	windowBytes = 16 << 20
)

// keptBody is memory of a message that is used for the next one.
const keptBody = 4 << 10

// rest is what a broker is given that took nothing of a whole line.
const rest = 250 * time.Millisecond

// A broker that confirms nothing for a while is taken for one that has forgotten
// what it has, as RabbitMQ does at times after a crash: after silence, and what
// the bytes that are not confirmed take on a slow line.
const (
	silence  = 15 * time.Second
	slowLine = 256 << 10 // bytes a second
)

// Publisher is a line to a broker on which messages are published, by one
// goroutine at a time.
type Publisher interface {
	// Publish writes a message, whose memory is the caller's again when it
	// returns. An error is the end of the line.
	Publish(m *transport.Message) error
	// Flush is called when nothing more is there for now.
	Flush() error
	// Limit is the longest body that the broker takes; 0: it does not say.
	Limit() int
	// Close ends the line, also a Publish that waits.
	Close()
}

// Events are what a Publisher tells, from any goroutine, and also when its line
// was given up.
type Events struct {
	s    *Sender
	base uint64 // the number of the line's first message
}

// Confirmed says that the broker has message n of the line, from 0 on.
func (e *Events) Confirmed(n uint64) { e.s.confirm(e, e.base+n) }

// Broke says that the line is of no use any more. What is not confirmed goes to
// the next one.
func (e *Events) Broke(err error) { e.s.broke(e, err) }

// Blocked says whether the broker takes nothing for now, and says so.
func (e *Events) Blocked(now bool) { e.s.block(e, now) }

// Failed says that another line would be of no use, either.
func (e *Events) Failed(err error) { e.s.fail(err) }

// Sender is a transport.Sender that keeps what is not confirmed, and publishes
// it again on the next line.
type Sender struct {
	name  string
	o     transport.Options
	limit int    // bytes of a body
	by    string // who sets it, and how it is raised
	open  func(context.Context, *Events) (Publisher, error)
	stop  context.CancelFunc // of making lines
	done  chan struct{}      // nobody makes them any more

	mu      sync.Mutex
	changed sync.Cond
	line    Publisher
	events  *Events // of the line
	lost    error   // the line, by this
	window  []sent  // a ring: of message n the one at n modulo its length
	first   uint64  // that is not confirmed
	next    uint64  // to be published on the line
	end     uint64  // the number of the next one that is given to Send
	bytes   int     // that are not confirmed
	blocked bool    // it is the broker that waits
	silent  *time.Timer
	stuck   time.Time // since the broker has taken nothing of a line
	err     error     // for ever
}

type sent struct {
	transport.Message
	confirmed bool
}

// NewSender makes the first line by open; by is who limits the length of a
// message, and how it is raised.
func NewSender(ctx context.Context, name, by string, o transport.Options, open func(context.Context, *Events) (Publisher, error)) (transport.Sender, error) {
	s := &Sender{name: name, by: by, o: o, open: open, window: make([]sent, Window), done: make(chan struct{})}
	s.changed.L = &s.mu
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	s.limit = s.line.Limit()
	s.silent = time.AfterFunc(silence, s.heardNothing)
	var lines context.Context // which outlast the call that the first is made in
	lines, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	go s.run(lines)
	return s, nil
}

// connect makes a line, which begins with what is not confirmed.
func (s *Sender) connect(ctx context.Context) error {
	return link.Retry(ctx, s.o, s.name, func() error {
		s.mu.Lock()
		s.events = &Events{s: s, base: s.first}
		s.lost, s.blocked, s.next = nil, false, s.first
		for n := s.first; n < s.end; n++ {
			s.slot(n).confirmed = false
		}
		s.mu.Unlock()
		line, err := s.open(ctx, s.events)
		if err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.line = line
			s.heard()
		}
		return err
	})
}

// run publishes what Send is given, on one line after the other.
func (s *Sender) run(ctx context.Context) {
	defer close(s.done)
	for {
		err := s.publish()
		s.line.Close()
		if ctx.Err() != nil {
			return
		}
		s.o.Warnf("%s: the connection broke, trying again: %v", s.name, err)
		if err = s.rest(ctx, err); err == nil {
			err = s.connect(ctx)
		}
		if err != nil {
			s.fail(err)
			return
		}
		s.o.Warnf("%s: connected again", s.name)
	}
}

// publish publishes until the line is lost.
func (s *Sender) publish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for flushed := true; ; {
		for s.next == s.end && flushed && s.lost == nil && s.err == nil {
			s.changed.Wait()
		}
		if s.err != nil {
			s.stop()
			return s.err
		}
		if s.lost != nil {
			return s.lost
		}
		var err error
		if s.next == s.end {
			flushed = true
			s.mu.Unlock()
			err = s.line.Flush()
		} else {
			flushed = false
			m := &s.slot(s.next).Message
			if s.next == s.first {
				s.heard()
			}
			s.next++
			s.mu.Unlock()
			err = s.line.Publish(m)
		}
		s.mu.Lock()
		if err != nil && s.lost == nil {
			s.lost = err
		}
	}
}

// rest leaves a broker alone for a moment that has taken nothing, and gives up if
// that goes on for too long.
func (s *Sender) rest(ctx context.Context, cause error) error {
	s.mu.Lock()
	stuck := s.stuck
	if stuck.IsZero() {
		s.stuck = time.Now()
	}
	s.mu.Unlock()
	if stuck.IsZero() {
		return nil
	}
	if s.o.Timeout > 0 && time.Since(stuck) > s.o.Timeout {
		return fmt.Errorf("%s: tried for %v: %w", s.name, s.o.Timeout, cause)
	}
	select {
	case <-time.After(rest):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Sender) slot(n uint64) *sent { return &s.window[n%uint64(len(s.window))] }

func (s *Sender) confirm(e *Events, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e != s.events || n < s.first || n >= s.next {
		return // it is published again
	}
	s.stuck = time.Time{}
	s.heard()
	s.slot(n).confirmed = true
	for s.first < s.next && s.slot(s.first).confirmed {
		m := s.slot(s.first)
		s.bytes -= len(m.Body)
		if cap(m.Body) > keptBody {
			m.Body = nil
		}
		s.first++
	}
	s.changed.Broadcast()
}

// heard begins the silence anew. The lock is held.
func (s *Sender) heard() {
	if s.silent != nil {
		s.silent.Reset(silence + time.Duration(s.bytes)*time.Second/slowLine)
	}
}

func (s *Sender) heardNothing() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first < s.next && !s.blocked && s.lost == nil {
		s.lost = errors.New("no confirmation for a while")
		s.changed.Broadcast()
	}
	s.heard()
}

func (s *Sender) block(e *Events, now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e == s.events {
		s.blocked = now
		s.heard()
	}
}

func (s *Sender) broke(e *Events, err error) {
	if err == nil {
		err = errors.New("it was closed")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e == s.events && s.lost == nil {
		s.lost = err
		s.changed.Broadcast()
	}
}

func (s *Sender) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.changed.Broadcast()
}

// Send implements transport.Sender.
func (s *Sender) Send(ctx context.Context, messages []transport.Message) error {
	for i := range messages {
		if size := len(messages[i].Body); s.limit > 0 && size > s.limit {
			return &transport.TooLongError{Size: size, Limit: s.limit, By: s.by}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range messages {
		m := messages[i]
		err := transport.Wait(ctx, &s.changed, &s.err, func() bool {
			return s.end-s.first == uint64(len(s.window)) || s.bytes > 0 && s.bytes+len(m.Body) > windowBytes
		})
		if err != nil {
			return err
		}
		slot := s.slot(s.end)
		m.Body = append(slot.Body[:0], m.Body...)
		*slot = sent{Message: m}
		s.end++
		s.bytes += len(m.Body)
		s.changed.Broadcast()
	}
	return nil
}

// Flush implements transport.Sender.
func (s *Sender) Flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return transport.Wait(ctx, &s.changed, &s.err, func() bool { return s.first < s.end })
}

// Limit implements transport.Sender.
func (s *Sender) Limit() int { return s.limit }

// Close implements transport.Sender. A queue has no end of its own.
func (s *Sender) Close(context.Context, error) error {
	s.stop()
	s.silent.Stop()
	s.fail(errClosed)
	s.mu.Lock()
	line := s.line
	s.mu.Unlock()
	line.Close()
	<-s.done
	return nil
}

var errClosed = errors.New("the sender is closed")
