// Package plain carries relay's messages as the bytes that they are: through
// standard streams, named pipes and files, whose other end may be any program.
package plain

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"pipeworks/internal/framing"
	"pipeworks/internal/transport"
)

// begin stands before a byte stream (--stream), so that it is not taken for
// records. Its pieces have their lengths before them.
var begin = []byte("\x89relay stream\r\n")

// sender writes messages as records.
type sender struct {
	o       transport.Options
	write   func(ctx context.Context, records []byte) error
	flush   func(ctx context.Context) error
	close   func(ctx context.Context, cause error) error
	started bool
	buf     []byte
}

func (s *sender) Limit() int { return 0 }

// Send implements transport.Sender. A Record that holds what is to end it is an
// error.
func (s *sender) Send(ctx context.Context, messages []transport.Message) (err error) {
	if !s.started && s.o.Stream {
		if err := s.write(ctx, begin); err != nil {
			return err
		}
	}
	s.started = true
	s.buf = s.buf[:0]
	for _, m := range messages {
		as, packed := m.Content.Framing()
		switch {
		case packed && as == s.o.Framing && len(messages) == 1:
			return s.write(ctx, m.Body)
		case packed && as == s.o.Framing:
			s.buf = append(s.buf, m.Body...)
		case packed:
			for rest := m.Body; len(rest) > 0 && err == nil; {
				var record []byte
				record, rest = as.Next(rest)
				s.buf, err = s.o.Framing.Append(s.buf, as.Bare(record))
			}
		case m.Content == transport.Piece:
			s.buf, err = framing.Length.Append(s.buf, m.Body)
		default:
			s.buf, err = s.o.Framing.Append(s.buf, m.Body)
		}
		if err != nil {
			return err
		}
	}
	return s.write(ctx, s.buf)
}

func (s *sender) Flush(ctx context.Context) error              { return s.flush(ctx) }
func (s *sender) Close(ctx context.Context, cause error) error { return s.close(ctx, cause) }

// receiver reads records as messages, each a block of them.
type receiver struct {
	o       transport.Options
	records *framing.Reader
	close   func() error            // ends a read that waits
	done    func(bytes int64) error // up to there all is acknowledged; nil: it does not matter

	arrived chan arrival
	closed  chan struct{}
	ended   chan struct{}       // run has returned
	late    []transport.Message // arrived, and more than was asked for

	// Of run.
	started bool
	over    bool  // the last record was read
	read    int64 // bytes handed out

	acks  sync.Mutex // of what follows
	acked int64
	ahead map[int64]int64 // blocks that were acknowledged before those before them: where they begin and end
}

// arrival is what a Receive returns.
type arrival struct {
	messages []transport.Message
	err      error
}

// block is the Handle of a message: where it begins and ends, and the memory
// that nobody else shares.
type block struct {
	begin, end int64
	buf        []byte
}

// newReceiver reads from in, from which begun bytes were read before. io.EOF is
// the end. The function close ends a read that waits.
func newReceiver(in io.Reader, begun int64, o transport.Options, closeIn func() error) *receiver {
	f := o.Framing
	if o.Stream {
		f = framing.Length
		in = &beginning{in: in}
	}
	if o.MaxRecord == 0 {
		o.MaxRecord = 64 << 20
	}
	return &receiver{
		o: o, records: framing.NewReader(in, f, o.MaxRecord), close: closeIn,
		arrived: make(chan arrival), closed: make(chan struct{}), ended: make(chan struct{}),
		read: begun, acked: begun, ahead: map[int64]int64{},
	}
}

// run reads until an error, or Close.
func (r *receiver) run() {
	defer close(r.ended)
	for {
		messages, err := r.next()
		select {
		case r.arrived <- arrival{messages, err}:
		case <-r.closed:
			return
		}
		if err != nil {
			close(r.arrived)
			return
		}
	}
}

// Receive implements transport.Receiver.
func (r *receiver) Receive(ctx context.Context, n int) ([]transport.Message, error) {
	if len(r.late) == 0 {
		select {
		case a, ok := <-r.arrived:
			if !ok {
				return nil, io.EOF
			}
			if a.err != nil {
				return nil, a.err
			}
			r.late = a.messages
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	n = min(n, len(r.late))
	messages := r.late[:n:n]
	r.late = r.late[n:]
	return messages, nil
}

// beginning reads what stands before a byte stream.
type beginning struct {
	in   io.Reader
	read bool
}

func (b *beginning) Read(p []byte) (int, error) {
	if !b.read {
		head := make([]byte, len(begin))
		if _, err := io.ReadFull(b.in, head); err == io.EOF {
			return 0, err
		} else if err != nil && err != io.ErrUnexpectedEOF {
			return 0, err
		}
		if !bytes.Equal(head, begin) {
			return 0, errors.New("what comes is no byte stream of relay to --stream")
		}
		b.read = true
	}
	return b.in.Read(p)
}

// next reads the next messages.
func (r *receiver) next() ([]transport.Message, error) {
	if r.over {
		return nil, io.EOF
	}
	for {
		records, err := r.records.Read()
		if err == io.EOF {
			r.over = true
			return r.rest()
		}
		if err != nil {
			return nil, err
		}
		if len(records) > 0 {
			return r.messages(records)
		}
	}
}

// rest is what stands at the end without a terminator.
func (r *receiver) rest() ([]transport.Message, error) {
	rest := r.records.Rest()
	switch {
	case len(rest) == 0:
		return nil, io.EOF
	case r.o.Stream || r.o.Framing == framing.Length:
		return nil, &transport.AbortedError{Reason: "it ends in the middle of a record"}
	}
	messages, err := r.messages(append(bytes.Clone(rest), r.o.Framing.Terminator()))
	return messages, err
}

// messages makes of whole records a message of their own memory, or of the
// pieces of a byte stream one each.
func (r *receiver) messages(records []byte) (messages []transport.Message, err error) {
	if !r.started && !r.o.Stream && bytes.HasPrefix(records, begin[:min(len(begin), len(records))]) && len(records) > 1 && records[0] == begin[0] {
		return nil, errors.New("what comes is a byte stream: --stream receives it")
	}
	r.started = true
	if !r.o.Stream {
		body := transport.Buffer(len(records))
		copy(body, records)
		at := &block{r.read, r.read + int64(len(body)), body}
		r.read = at.end
		return []transport.Message{{Body: body, Content: transport.Packed(r.o.Framing), Handle: at}}, nil
	}
	records = bytes.Clone(records)
	for len(records) > 0 {
		var piece []byte
		piece, records = framing.Length.Next(records)
		at := &block{begin: r.read, end: r.read + int64(len(piece))}
		r.read = at.end
		messages = append(messages, transport.Message{Body: framing.Length.Bare(piece), Content: transport.Piece, Handle: at})
	}
	return messages, nil
}

// Ack implements transport.Receiver.
func (r *receiver) Ack(_ context.Context, messages []transport.Message) error {
	r.acks.Lock()
	defer r.acks.Unlock()
	for _, m := range messages {
		at := m.Handle.(*block)
		transport.Recycle(at.buf)
		at.buf = nil
		if r.done != nil {
			r.ahead[at.begin] = at.end
		}
	}
	before := r.acked
	for end, ok := r.ahead[r.acked]; ok; end, ok = r.ahead[r.acked] {
		delete(r.ahead, r.acked)
		r.acked = end
	}
	if r.acked == before {
		return nil
	}
	return r.done(r.acked)
}

// Extend implements transport.Receiver: there is no hurry.
func (r *receiver) Extend(context.Context, []transport.Message) error { return nil }

// Close implements transport.Receiver.
func (r *receiver) Close() error {
	close(r.closed)
	err := r.close()
	<-r.ended
	return err
}
