package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
)

// sender is a transport.Sender over whatever lines connect opens.
type sender struct {
	connect Connect
	name    string // of the other side
	o       transport.Options
	session session
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed when run has returned

	mu      sync.Mutex
	changed sync.Cond
	queue   []queued // what is not acknowledged, in order
	spent   [][]byte // bodies of what is, which a line that is at it may still read
	bytes   int      // of it
	last    uint64   // number of the last message
	next    uint64   // of those, the first that was not sent over the present line
	closing bool     // the end is to be sent
	endSent bool     // over the present line
	ended   bool     // it was confirmed, or can be no more
	err     error    // no line can be had
}

type queued struct {
	seq  uint64
	kind transport.FrameKind
	body []byte
}

func newSender(ctx context.Context, name string, connect Connect, o transport.Options) (transport.Sender, error) {
	s := &sender{connect: connect, name: name, o: o, session: newSession(), done: make(chan struct{}), next: 1}
	s.changed.L = &s.mu
	run, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	s.cancel = cancel
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	conn, err := s.open(run)
	stop()
	if err != nil {
		cancel(nil)
		return nil, err
	}
	go s.run(run, conn)
	return s, nil
}

func (s *sender) Limit() int { return 0 }

// Send implements transport.Sender. The messages are copied: they may have to
// be sent again.
func (s *sender) Send(ctx context.Context, messages []transport.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		full := func() bool { return s.bytes > 0 && s.bytes+size(m.Body) > window }
		if err := s.wait(ctx, full); err != nil {
			return err
		}
		body := transport.Buffer(len(m.Body))
		copy(body, m.Body)
		s.last++
		s.queue = append(s.queue, queued{s.last, message + transport.FrameKind(m.Content), body})
		s.bytes += size(body)
		s.changed.Broadcast()
	}
	return nil
}

// Flush implements transport.Sender.
func (s *sender) Flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.wait(ctx, func() bool { return len(s.queue) > 0 })
	if len(s.queue) == 0 {
		return nil
	}
	return err
}

// wait is transport.Wait, also for the end of all connections.
func (s *sender) wait(ctx context.Context, while func() bool) error {
	return transport.Wait(ctx, &s.changed, &s.err, while)
}

// Close implements transport.Sender.
func (s *sender) Close(ctx context.Context, cause error) error {
	defer s.cancel(nil)
	if cause != nil {
		s.cancel(&transport.AbortedError{Reason: cause.Error()}) // run tells the other side
		<-s.done
		return nil
	}
	s.mu.Lock()
	s.closing = true
	s.changed.Broadcast()
	err := s.wait(ctx, func() bool { return !s.ended })
	if len(s.queue) == 0 && errors.Is(s.err, stream.ErrClosed) {
		err = nil // it has all, and did not wait for the end
	}
	s.mu.Unlock()
	s.cancel(nil)
	<-s.done
	return err
}

// run owns the line: it sends what is queued, and opens another line when the
// one at hand breaks.
func (s *sender) run(ctx context.Context, conn transport.Conn) {
	defer close(s.done)
	for {
		err := s.use(ctx, conn)
		if err == nil || ctx.Err() != nil {
			return
		}
		if s.o.Stream && errors.Is(err, errBye) {
			s.fail(stream.ErrClosed)
			return
		}
		if _, refused := errors.AsType[*refusedError](err); refused {
			s.fail(err)
			return
		}
		s.o.Warnf("%s: %v; %s", s.name, err, s.waiting())
		if conn, err = s.open(ctx); err != nil {
			s.fail(err)
			return
		}
	}
}

// waiting says what waits for the next line.
func (s *sender) waiting() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%d messages wait for it to come back", len(s.queue))
}

func (s *sender) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.changed.Broadcast()
}

// refusedError is what the other side has against this one.
type refusedError struct{ name, reason string }

func (e *refusedError) Error() string { return e.name + ": " + e.reason }

// errBye is a receiver that leaves the rest to another.
var errBye = errors.New("the receiver has left")

// open opens a line and greets, as often as it takes.
func (s *sender) open(ctx context.Context) (transport.Conn, error) {
	var conn transport.Conn
	err := Retry(ctx, s.o, s.name, func() (err error) {
		if conn, err = s.connect(ctx); err != nil {
			return err
		}
		if err = s.greet(ctx, conn); err != nil {
			conn.Close()
		}
		return err
	})
	return conn, err
}

// handshakeTime is how long the other side may take to answer a greeting.
const handshakeTime = 10 * time.Second

// greet tells the other side who this is, and learns what it has.
func (s *sender) greet(ctx context.Context, conn transport.Conn) error {
	defer closeAfter(ctx, conn)()
	s.mu.Lock()
	done := s.last - uint64(len(s.queue))
	s.mu.Unlock()
	err := conn.Send(transport.Frame{Kind: hello, Seq: done, Data: greeting{s.session, s.o.Stream}.append(nil)})
	if err != nil {
		return err
	}
	f, err := conn.Receive(nil)
	switch {
	case err == io.EOF:
		return errors.New("the receiver hung up")
	case err != nil:
		return err
	case f.Kind == refuse:
		return Permanent(&refusedError{s.name, string(f.Data)})
	case f.Kind != welcome || f.Seq < done || f.Seq > s.last:
		return fmt.Errorf("an answer that makes no sense: frame %d, number %d", f.Kind, f.Seq)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.endSent = f.Seq+1, false
	return nil
}

// closeAfter closes the line at the end of ctx, or when the other side takes
// too long. The function it returns ends the watch.
func closeAfter(ctx context.Context, conn transport.Conn) (stop func()) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	unwatch := context.AfterFunc(ctx, func() { conn.Close() })
	return func() {
		unwatch()
		cancel()
	}
}

// use sends over a line until it breaks, or the end was confirmed (nil), or the
// end of ctx.
func (s *sender) use(ctx context.Context, conn transport.Conn) error {
	broken := make(chan error, 1)
	var listening sync.WaitGroup
	listening.Go(func() {
		broken <- s.answers(conn)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})
	// What it says late must not be taken for an answer over the next line.
	defer listening.Wait()
	defer conn.Close()
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})()
	var frames []transport.Frame
	for {
		s.mu.Lock()
		idle := func() bool { return s.next > s.last && (!s.closing || s.endSent) && !s.ended }
		for idle() && len(broken) == 0 && ctx.Err() == nil {
			s.changed.Wait()
		}
		for i, body := range s.spent { // which no Send reads now
			transport.Recycle(body)
			s.spent[i] = nil
		}
		s.spent = s.spent[:0]
		frames = s.unsent(frames[:0])
		if s.closing && !s.endSent && s.next > s.last {
			frames = append(frames, transport.Frame{Kind: end, Seq: s.last})
			s.endSent = true
		}
		finished := s.ended
		s.mu.Unlock()
		select {
		case err := <-broken:
			if s.isOver() {
				return nil
			}
			return err
		default:
		}
		switch {
		case ctx.Err() != nil:
			s.abort(ctx, conn)
			return context.Cause(ctx)
		case finished:
			return nil
		}
		if err := conn.Send(frames...); err != nil {
			conn.Close()
			if told := <-broken; errors.Is(told, errBye) || told != nil && errors.As(told, new(*refusedError)) {
				return told
			}
			return err
		}
	}
}

// isOver reports, of a line that broke or ended, whether all was done. Then only
// the confirmation of the end may have got lost.
func (s *sender) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endSent && len(s.queue) == 0 {
		s.ended = true
		s.changed.Broadcast()
	}
	return s.ended
}

// unsent are the frames of what was not sent over this line, some of them.
func (s *sender) unsent(frames []transport.Frame) []transport.Frame {
	bytes := 0
	for s.next <= s.last && bytes < window/8 {
		q := s.queue[len(s.queue)-int(s.last-s.next)-1]
		frames = append(frames, transport.Frame{Kind: q.kind, Seq: q.seq, Data: q.body})
		bytes += size(q.body)
		s.next++
	}
	return frames
}

// answers takes what the receiver says, until the line breaks or the end was
// confirmed.
func (s *sender) answers(conn transport.Conn) error {
	for {
		f, err := conn.Receive(nil)
		switch {
		case err == io.EOF:
			return errors.New("the receiver hung up")
		case err != nil:
			return err
		}
		switch f.Kind {
		case ack:
			s.acked(f.Seq)
		case ended:
			s.acked(f.Seq)
			if s.isOver() {
				return nil
			}
			return errors.New("it says that all is done, and has not all")
		case bye:
			return errBye
		case refuse:
			return &refusedError{s.name, string(f.Data)}
		default:
			return fmt.Errorf("a frame that makes no sense: %d", f.Kind)
		}
	}
}

// acked forgets the messages up to a number.
func (s *sender) acked(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.queue) && s.queue[n].seq <= seq && s.queue[n].seq < s.next {
		s.bytes -= size(s.queue[n].body)
		n++
	}
	for i := range n {
		s.spent = append(s.spent, s.queue[i].body)
		s.queue[i].body = nil
	}
	s.queue = s.queue[n:]
	s.changed.Broadcast()
}

// abort tells the other side, if there is time, why no more comes.
func (s *sender) abort(ctx context.Context, conn transport.Conn) {
	aborted, ok := errors.AsType[*transport.AbortedError](context.Cause(ctx))
	if !ok {
		return
	}
	stop := time.AfterFunc(time.Second, func() { conn.Close() })
	defer stop.Stop()
	_ = conn.Send(transport.Frame{Kind: abort, Seq: s.last, Data: []byte(aborted.Reason)})
}
