package mqueue

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"pipeworks/internal/transport"
)

// What relay puts into a queue begins with these bytes: a mark, what it is, the
// content, its place in a message, and who sent it. Anything else is a record of
// another program's.
const (
	headSize = 14
	mark     = "\xf5\x01R" // no text begins so

	part  = 'p' // of a message
	end   = 'e' // of a sender
	abort = 'a' // of a sender, with the reason
	back  = 'b' // the end of what a receiver has put back: the sender may go on

	first = 1 << 0 // part of a message
	last  = 1 << 1
)

// sender is a transport.Sender.
type sender struct {
	q        *queue
	o        transport.Options
	priority int
	buf      []byte
}

// highest is the highest priority that POSIX promises.
const highest = 32767

func supported(u transport.URL, o transport.Options) error {
	switch {
	case o.Group != "":
		return fmt.Errorf("%s: there are no groups of receivers: one takes all", u)
	case o.Dedupe:
		return fmt.Errorf("%s: it does not know which messages it had before", u)
	}
	return nil
}

func newSender(ctx context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	priority, err := u.Int("priority", 0, 0)
	if err == nil && priority > highest {
		err = fmt.Errorf("%s: option priority=%d: it is at most %d", u, priority, highest)
	}
	if err = errors.Join(err, supported(u, o)); err != nil {
		return nil, err
	}
	for {
		q, err := open(u, unix.O_RDWR|unix.O_CREAT)
		if err != nil {
			return nil, err
		}
		err = q.lock(unix.F_RDLCK, lockSenders)
		if err == nil && !q.removed() {
			return &sender{q: q, o: o, priority: priority, buf: newHead(q)}, nil
		}
		q.f.Close()
		if err != nil && !errors.Is(err, errInUse) {
			return nil, &Error{u.String(), err, ""}
		}
		select { // it is being removed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

// newHead is the beginning of what one sender puts into the queue.
func newHead(q *queue) []byte {
	buf := make([]byte, headSize, q.msgsize)
	copy(buf, mark)
	binary.NativeEndian.PutUint64(buf[6:], rand.Uint64())
	return buf
}

// Limit implements transport.Sender: longer messages go in parts.
func (s *sender) Limit() int { return 0 }

// Send implements transport.Sender.
func (s *sender) Send(ctx context.Context, messages []transport.Message) error {
	for _, m := range messages {
		for p := range s.parts(m) {
			if err := s.put(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// parts are what a message is in the queue. Each is overwritten by the next.
func (s *sender) parts(m transport.Message) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for rest, place := m.Body, byte(first); place&last == 0; place &^= first {
			n := min(len(rest), s.room())
			if n == len(rest) {
				place |= last
			}
			if !yield(s.pack(part, byte(m.Content), place, rest[:n])) {
				return
			}
			rest = rest[n:]
		}
	}
}

// room is for how many bytes there is room behind a head.
func (s *sender) room() int { return cap(s.buf) - headSize }

func (s *sender) pack(what, content, place byte, body []byte) []byte {
	s.buf[3], s.buf[4], s.buf[5] = what, content, place
	return append(s.buf, body...)
}

// put waits until the queue takes a part.
func (s *sender) put(ctx context.Context, p []byte) error {
	for start := time.Now(); ; {
		err := s.q.send(p, s.priority)
		switch {
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return wrap(s.q, err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.q.removed():
			return &Error{s.q.u.String(), errors.New("it was removed"), ""}
		case s.o.Timeout > 0 && time.Since(start) >= s.o.Timeout && !s.q.locked(lockReceiver, 1):
			return &Error{s.q.u.String(), errors.New("it is full, and nobody receives"), ""}
		}
	}
}

func wrap(q *queue, err error) error {
	if err == nil {
		return nil
	}
	return &Error{q.u.String(), err, ""}
}

// Flush implements transport.Sender: what the kernel has is confirmed.
func (s *sender) Flush(context.Context) error { return nil }

// Close implements transport.Sender.
func (s *sender) Close(ctx context.Context, cause error) error {
	defer s.q.f.Close()
	if cause == nil {
		return s.put(ctx, s.pack(end, 0, 0, nil))
	}
	reason := cause.Error()
	s.o.Timeout = time.Second
	return s.put(ctx, s.pack(abort, 0, 0, []byte(reason[:min(len(reason), s.room())])))
}

// receiver is a transport.Receiver. What it has taken out of the queue and
// nobody has acknowledged is in its memory only.
type receiver struct {
	q       *queue
	o       transport.Options
	longest int
	buf     []byte

	parts   map[uint64][]byte // of each sender that has not come to its end; nil between its messages
	started bool              // somebody has come
	ended   int               // how many of them have come to their end
	aborted string            // why one of them broke off
	over    bool
	alone   time.Time // since when nobody sends

	number int // of messages so far

	mu   sync.Mutex
	held map[*held]bool
}

// held is the Handle of a message: what is put back if it is not acknowledged.
type held struct {
	number   int // in the order of their coming
	m        transport.Message
	priority uint32
}

func newReceiver(_ context.Context, u transport.URL, o transport.Options) (transport.Receiver, error) {
	if err := supported(u, o); err != nil {
		return nil, err
	}
	q, err := open(u, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return nil, err
	}
	if err := q.lock(unix.F_WRLCK, lockReceiver); err != nil {
		q.f.Close()
		return nil, &Error{u.String(), err, "a queue has one receiver at a time"}
	}
	longest := o.MaxRecord
	if longest == 0 {
		longest = 64 << 20
	}
	return &receiver{q: q, o: o, longest: longest, buf: make([]byte, q.msgsize), parts: map[uint64][]byte{}, held: map[*held]bool{}}, nil
}

// Receive implements transport.Receiver.
func (r *receiver) Receive(ctx context.Context, n int) (got []transport.Message, err error) {
	for len(got) < n {
		size, priority, err := r.q.receive(r.buf, len(got) == 0)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && len(got) > 0:
			return got, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			if err := r.look(ctx); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return got, wrap(r.q, err)
		}
		m, whole, err := r.join(r.buf[:size])
		if err != nil {
			return got, wrap(r.q, err)
		}
		if whole {
			r.number++
			h := &held{r.number, m, priority}
			m.Handle = h
			r.mu.Lock()
			r.held[h] = true
			r.mu.Unlock()
			got = append(got, m)
		}
	}
	return got, nil
}

// join takes what came, and returns the message that it ends, if it does. Of a
// message that begins with a receiver that was killed the rest is nothing.
func (r *receiver) join(p []byte) (m transport.Message, whole bool, err error) {
	if len(p) < headSize || string(p[:len(mark)]) != mark {
		return transport.Message{Body: append([]byte(nil), p...)}, true, nil
	}
	what, content, place, from := p[3], p[4], p[5], binary.NativeEndian.Uint64(p[6:])
	r.started = true
	switch what {
	case part:
		body := r.parts[from]
		r.parts[from] = nil
		switch {
		case place&first != 0:
			body = nil
		case body == nil:
			return m, false, nil
		}
		if body = append(body, p[headSize:]...); len(body) > r.longest {
			return m, false, fmt.Errorf("a message of more than %d bytes: it is longer than is taken", r.longest)
		}
		if content > byte(transport.Piece) {
			return m, false, errUnknown
		}
		if place&last == 0 {
			r.parts[from] = body
			return m, false, nil
		}
		return transport.Message{Body: body, Content: transport.Content(content)}, true, nil
	case end:
		r.ended++
	case abort:
		r.aborted = string(p[headSize:])
	case back:
	default:
		return m, false, errUnknown
	}
	delete(r.parts, from)
	return m, false, nil
}

var errUnknown = errors.New("a message of a kind that is unknown: is it from a newer relay?")

// look returns the end of the stream, if the queue is empty and this is it.
func (r *receiver) look(ctx context.Context) error {
	sent := r.q.locked(lockSenders, 1)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case r.q.removed():
		return wrap(r.q, errors.New("it was removed"))
	case sent:
		r.started, r.alone = true, time.Time{}
		return nil
	case r.started && r.pending(): // its last words came before it left
		return nil
	case r.started:
		return r.end()
	case r.alone.IsZero():
		r.alone = time.Now()
	case r.o.Timeout > 0 && time.Since(r.alone) >= r.o.Timeout:
		return wrap(r.q, fmt.Errorf("nobody came within %v", r.o.Timeout))
	}
	return nil
}

// pending reports whether there is something in the queue.
func (r *receiver) pending() bool {
	n, err := r.q.messages()
	return err == nil && n > 0
}

// end is the end of all senders, told once.
func (r *receiver) end() error {
	if r.aborted == "" && (len(r.parts) > 0 || r.ended == 0) {
		r.aborted = "a sender was killed"
	}
	reason := r.aborted
	r.started, r.ended, r.aborted = false, 0, ""
	clear(r.parts)
	switch {
	case r.o.Follow && reason != "":
		r.o.Warnf("a sender's stream was cut off: %s", reason)
		return nil
	case r.o.Follow:
		return nil
	}
	r.over = true
	if reason != "" {
		return &transport.AbortedError{Reason: reason}
	}
	return io.EOF
}

// Ack implements transport.Receiver.
func (r *receiver) Ack(_ context.Context, messages []transport.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range messages {
		delete(r.held, m.Handle.(*held))
	}
	return nil
}

// Extend implements transport.Receiver: there is no hurry.
func (r *receiver) Extend(context.Context, []transport.Message) error { return nil }

// Close implements transport.Receiver. What was not acknowledged goes back into
// the queue while there is room.
func (r *receiver) Close() error {
	defer r.q.f.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.putBack(); err != nil {
		return wrap(r.q, err)
	}
	// With this lock nobody begins to send.
	if r.over && r.q.lock(unix.F_WRLCK, lockSenders) == nil && !r.pending() && !r.q.removed() {
		return unlink(r.q.u)
	}
	return nil
}

// putBack puts what is held into the queue again, in its order.
func (r *receiver) putBack() error {
	if len(r.held) == 0 {
		return nil
	}
	ctx, what := context.Background(), byte(back)
	if len(r.parts) == 0 && r.ended > 0 {
		what = end // which was taken out, too
	}
	for i, h := range slices.SortedFunc(maps.Keys(r.held), func(a, b *held) int { return cmp.Compare(a.number, b.number) }) {
		s := sender{q: r.q, o: transport.Options{Timeout: 1}, priority: int(h.priority), buf: newHead(r.q)}
		if errors.Join(s.Send(ctx, []transport.Message{h.m}), s.put(ctx, s.pack(what, 0, 0, nil))) != nil {
			return fmt.Errorf("it is full: %d messages that were not acknowledged are lost", len(r.held)-i)
		}
	}
	return nil
}
