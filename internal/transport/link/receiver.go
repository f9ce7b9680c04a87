package link

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"pipeworks/internal/transport"
)

// receiver is a transport.Receiver of all senders that a listener lets in.
type receiver struct {
	listener transport.Listener
	o        transport.Options
	cancel   context.CancelFunc
	work     sync.WaitGroup // accepting, and one for each line

	mu       sync.Mutex
	changed  sync.Cond
	queue    []transport.Message // received, and not asked for
	bytes    int                 // of it
	sessions map[session]*incoming
	started  int   // sessions so far
	open     int   // sessions that have not ended
	cut      error // of a sender that did not come to its end
	err      error // nobody is let in any more
	closed   bool
}

// incoming is one sender's session.
type incoming struct {
	session  session
	lines    sync.Mutex     // who sends over the line
	conn     transport.Conn // nil while there is none
	received uint64
	done     uint64          // all up to this number are acknowledged
	ahead    map[uint64]bool // those beyond it that are
	last     uint64          // number of the last message, once over
	over     bool            // the sender has come to its end
	lost     *time.Timer     // runs while there is no line
}

// delivery is the Handle of a received message.
type delivery struct {
	from *incoming
	seq  uint64
	buf  []byte
}

func newReceiver(ctx context.Context, listener transport.Listener, o transport.Options) *receiver {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &receiver{listener: listener, o: o, cancel: cancel, sessions: map[session]*incoming{}}
	r.changed.L = &r.mu
	r.work.Go(func() { r.accept(ctx) })
	return r
}

// accept lets senders in.
func (r *receiver) accept(ctx context.Context) {
	for {
		conn, err := r.listener.Accept(ctx)
		if err != nil {
			r.mu.Lock()
			r.err = err
			r.changed.Broadcast()
			r.mu.Unlock()
			return
		}
		r.work.Go(func() {
			unwatch := context.AfterFunc(ctx, func() { conn.Close() })
			defer unwatch()
			defer conn.Close()
			if err := r.serve(ctx, conn); err != nil && !r.isClosed() {
				r.o.Warnf("%s: %v", conn.Peer(), err)
			}
		})
	}
}

// serve takes the messages that come over one line.
func (r *receiver) serve(ctx context.Context, conn transport.Conn) error {
	in, err := r.greeted(ctx, conn)
	if in != nil {
		defer r.lose(in, conn)
	}
	if err != nil {
		return err
	}
	var buf []byte
	for {
		f, err := conn.Receive(buf)
		switch {
		case err == io.EOF && r.isOver(in):
			return nil
		case err == io.EOF:
			return errors.New("the sender hung up before its end")
		case err != nil:
			return err
		}
		switch {
		case f.Kind >= message && f.Kind <= message+transport.FrameKind(transport.Piece):
			if cap(f.Data) > 2*len(f.Data) { // many that are small may have to wait
				f.Data = bytes.Clone(f.Data)
			} else {
				buf = transport.Buffer(len(f.Data))[:0] // the next one is as long, most often
			}
			if err := r.take(in, conn, f); err != nil {
				return err
			}
		case f.Kind == end:
			if err := r.end(in, f.Seq); err != nil {
				return err
			}
		case f.Kind == abort:
			r.abort(in, string(f.Data))
			return nil
		default:
			return fmt.Errorf("a frame that makes no sense: %d", f.Kind)
		}
	}
}

// greeted reads the greeting, answers it, and makes the line that of the
// sender's session.
func (r *receiver) greeted(ctx context.Context, conn transport.Conn) (*incoming, error) {
	defer closeAfter(ctx, conn)()
	f, err := conn.Receive(nil)
	if err != nil {
		return nil, err
	}
	if f.Kind != hello {
		reason := "this end receives messages"
		if f.Kind >= 32 {
			reason += ", and that was a call"
		}
		_ = conn.Send(transport.Frame{Kind: refuse, Data: []byte(reason)})
		return nil, fmt.Errorf("it does not greet as a sender of messages: frame %d", f.Kind)
	}
	g, err := parseGreeting(f.Data)
	if err == nil {
		err = r.admissible(g, f.Seq)
	}
	if err != nil {
		_ = conn.Send(transport.Frame{Kind: refuse, Data: []byte(err.Error())})
		return nil, err
	}
	in := r.admit(g.session, f.Seq)
	// From the welcome on nothing else may be said before the acks that were lost.
	in.lines.Lock()
	defer in.lines.Unlock()
	r.mu.Lock()
	before := in.conn
	in.conn = conn
	r.changed.Broadcast() // what waits to take from the line before
	answer := []transport.Frame{{Kind: welcome, Seq: in.received}, {Kind: ack, Seq: in.done}}
	r.mu.Unlock()
	if before != nil { // the sender knows that it is dead
		before.Close()
	}
	return in, conn.Send(answer...)
}

// admissible reports whether a sender may begin now.
func (r *receiver) admissible(g greeting, done uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.sessions[g.session]
	switch {
	case g.stream && !r.o.Stream:
		return errors.New("it sends a byte stream (--stream), and records are received here")
	case !g.stream && r.o.Stream:
		return errors.New("it sends records, and a byte stream (--stream) is received here")
	case g.stream && !known && done > 0:
		return errors.New("the beginning of the byte stream went to another receiver")
	case g.stream && !known && r.started > 0 && !r.o.Follow:
		return errors.New("a byte stream has one sender, and there was one")
	}
	return nil
}

// admit returns the sender's session, a new one if it is not known.
func (r *receiver) admit(id session, done uint64) *incoming {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := r.sessions[id]
	if in == nil {
		in = &incoming{session: id, received: done, done: done, ahead: map[uint64]bool{}}
		r.sessions[id] = in
		r.started++
		r.open++
	}
	if in.lost != nil {
		in.lost.Stop()
		in.lost = nil
	}
	return in
}

// lose notes that a session's line is gone, and waits for another for a while.
func (r *receiver) lose(in *incoming, conn transport.Conn) {
	in.lines.Lock()
	defer in.lines.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if in.conn != conn {
		return
	}
	in.conn = nil
	if in.over {
		r.forget(in)
		return
	}
	if r.closed {
		return
	}
	patience := r.o.Timeout
	if patience == 0 {
		patience = 30 * time.Second
	}
	in.lost = time.AfterFunc(patience, func() {
		r.abort(in, fmt.Sprintf("the sender is gone and did not come back within %v", patience))
	})
}

// forget drops a session that is over and acknowledged, or that was cut off.
func (r *receiver) forget(in *incoming) {
	if in.over && in.done < in.last {
		return
	}
	delete(r.sessions, in.session)
}

// take queues a message, once there is room. What was there before comes again
// when a line broke before it was acknowledged.
func (r *receiver) take(in *incoming, conn transport.Conn, f transport.Frame) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.bytes > 0 && r.bytes+size(f.Data) > window && !r.closed && in.conn == conn {
		r.changed.Wait()
	}
	switch {
	case r.closed || in.conn != conn || f.Seq <= in.received:
		transport.Recycle(f.Data)
		return nil
	case f.Seq != in.received+1 || in.over:
		return fmt.Errorf("message %d follows %d", f.Seq, in.received)
	}
	in.received = f.Seq
	r.bytes += size(f.Data)
	r.queue = append(r.queue, transport.Message{
		Body: f.Data, Content: transport.Content(f.Kind - message),
		Handle: &delivery{in, f.Seq, f.Data},
	})
	r.changed.Broadcast()
	return nil
}

// end notes that a sender has sent its last message.
func (r *receiver) end(in *incoming, last uint64) error {
	in.lines.Lock()
	defer in.lines.Unlock()
	r.mu.Lock()
	if last != in.received {
		r.mu.Unlock()
		return fmt.Errorf("the end is behind message %d, and %d have come", last, in.received)
	}
	if !in.over {
		in.over, in.last = true, last
		r.open--
		r.changed.Broadcast()
	}
	conn, answer := r.answer(in)
	r.mu.Unlock()
	tell(conn, answer)
	return nil
}

// abort notes that a sender will not come to its end.
func (r *receiver) abort(in *incoming, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if in.over || r.sessions[in.session] != in {
		return
	}
	in.over = true
	r.open--
	delete(r.sessions, in.session)
	if r.o.Follow {
		r.o.Warnf("a sender's stream was cut off: %s", reason)
	} else {
		r.cut = &transport.AbortedError{Reason: reason}
	}
	r.changed.Broadcast()
}

func (r *receiver) isOver(in *incoming) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return in.over
}

func (r *receiver) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// Receive implements transport.Receiver.
func (r *receiver) Receive(ctx context.Context, n int) ([]transport.Message, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.wait(ctx); err != nil {
		return nil, err
	}
	got := r.queue[:min(n, len(r.queue))]
	r.queue = r.queue[len(got):]
	for _, m := range got {
		r.bytes -= size(m.Body)
	}
	r.changed.Broadcast()
	return got, nil
}

// wait waits for a message. The error is that there will be none.
func (r *receiver) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changed.Broadcast()
	})
	defer stop()
	if r.started == 0 && r.o.Timeout > 0 {
		late, cancel := context.WithTimeoutCause(ctx, r.o.Timeout, fmt.Errorf("%s: nobody came within %v", r.listener.Addr(), r.o.Timeout))
		defer cancel()
		defer context.AfterFunc(late, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.started == 0 && r.err == nil && ctx.Err() == nil {
				r.err = context.Cause(late)
			}
			r.changed.Broadcast()
		})()
	}
	for {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case len(r.queue) > 0:
			return nil
		case r.err != nil:
			return r.err
		case r.started > 0 && r.open == 0 && !r.o.Follow && r.cut != nil:
			return r.cut
		case r.started > 0 && r.open == 0 && !r.o.Follow:
			return io.EOF
		}
		r.changed.Wait()
	}
}

// Ack implements transport.Receiver.
func (r *receiver) Ack(_ context.Context, messages []transport.Message) error {
	for len(messages) > 0 {
		in := messages[0].Handle.(*delivery).from
		in.lines.Lock()
		r.mu.Lock()
		for len(messages) > 0 && messages[0].Handle.(*delivery).from == in {
			d := messages[0].Handle.(*delivery)
			if d.buf != nil && d.seq > in.done {
				in.ahead[d.seq] = true
				transport.Recycle(d.buf)
				d.buf = nil
			}
			messages = messages[1:]
		}
		before := in.done
		for in.ahead[in.done+1] {
			in.done++
			delete(in.ahead, in.done)
		}
		var conn transport.Conn
		var answer transport.Frame
		if in.done > before {
			conn, answer = r.answer(in)
		}
		r.mu.Unlock()
		tell(conn, answer)
		in.lines.Unlock()
	}
	return nil
}

// answer is what the sender is to know, and over which line.
func (r *receiver) answer(in *incoming) (transport.Conn, transport.Frame) {
	f := transport.Frame{Kind: ack, Seq: in.done}
	if in.over && in.done >= in.last {
		f.Kind = ended
		if in.conn == nil {
			r.forget(in)
		}
	}
	return in.conn, f
}

// tell sends a frame if there is a line. If it breaks, the sender will ask
// again.
func tell(conn transport.Conn, f transport.Frame) {
	if conn != nil {
		_ = conn.Send(f)
	}
}

// Extend implements transport.Receiver: there is no hurry.
func (r *receiver) Extend(context.Context, []transport.Message) error { return nil }

// Close implements transport.Receiver.
func (r *receiver) Close() error {
	r.mu.Lock()
	r.closed = true
	var lines []*incoming
	for _, in := range r.sessions {
		if in.lost != nil {
			in.lost.Stop()
		}
		lines = append(lines, in)
	}
	r.changed.Broadcast()
	r.mu.Unlock()
	for _, in := range lines {
		in.lines.Lock()
		if in.conn != nil && !in.over {
			tell(in.conn, transport.Frame{Kind: bye})
		}
		in.lines.Unlock()
	}
	err := r.listener.Close()
	// A line that is closed with something unread would take the last words with
	// it: the senders hang up.
	late := time.AfterFunc(time.Second, r.cancel)
	r.work.Wait()
	late.Stop()
	r.cancel()
	return err
}
