package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"pipeworks/internal/fifo"
	"pipeworks/internal/framing"
	"pipeworks/internal/progress"
	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
)

// FromConfig says what becomes of the messages.
type FromConfig struct {
	Framing    framing.Framing // of the records that are written
	Stream     bool            // bytes instead of records
	Endless    bool            // the messages have no end, only the bytes
	Max        int             // records to write; 0: all
	Idle       time.Duration   // how long to wait for the next message; 0: for ever
	AckWritten bool            // acknowledge what was written, be it taken or not

	Meter *progress.Meter // counts the records; nil: nobody does
}

// FromSummary is what was received.
type FromSummary struct {
	Out   int64 `json:"out"` // records
	Bytes int64 `json:"bytes"`
}

// batchSize is how many messages are taken at once, if they are there.
const batchSize = 256

// errIdle ends a wait.
var errIdle = errors.New("nothing has come for a while")

// From writes what r receives to out until it ends. It does not close r.
func From(ctx context.Context, cfg FromConfig, r transport.Receiver, out *stream.Output) (sum FromSummary, err error) {
	f := &from{cfg: &cfg, r: r, out: out}
	out.Widen(stream.WidePipe)
	read, cancel := context.WithCancelCause(ctx) // while the output is read
	defer cancel(nil)
	pipe := out.Pipe()
	if pipe != nil {
		unwatch, err := fifo.WatchReader(pipe, func() {
			// Who had all bytes so far may have had all that there are.
			if !cfg.Stream || fifo.Unread(pipe) > 0 {
				cancel(stream.ErrClosed)
			}
		})
		if err != nil {
			return sum, err
		}
		defer unwatch()
	}
	if pipe != nil && !cfg.AckWritten {
		f.taken = newTaken(r, pipe, cfg.Stream)
	}
	for !f.enough() && err == nil {
		err = f.batch(read)
	}
	switch {
	case err == io.EOF && cfg.Stream && !f.pieces.ended:
		err = &transport.AbortedError{Reason: "the sender came to its end, but not its stream"}
	case err == io.EOF:
		err = nil
	}
	if f.taken != nil {
		err = errors.Join(err, f.taken.close(read, err))
	}
	if err == nil && f.pieces.ended && !cfg.Endless {
		// All is there. The sender is about to say so.
		_, _ = receivePatiently(ctx, r, 1, lastWords)
	}
	return f.sum, err
}

type from struct {
	cfg    *FromConfig
	r      transport.Receiver
	out    *stream.Output
	sum    FromSummary
	pieces pieceReader
	taken  *taken // nil: what is written is acknowledged
	buf    []byte
}

// enough reports whether no more is to be received.
func (f *from) enough() bool {
	return f.pieces.ended || f.cfg.Max > 0 && f.sum.Out >= int64(f.cfg.Max)
}

// batch receives some messages, and writes and acknowledges them.
func (f *from) batch(ctx context.Context) error {
	n := batchSize
	if f.cfg.Max > 0 {
		n = min(n, f.cfg.Max-int(f.sum.Out))
	}
	messages, err := receivePatiently(ctx, f.r, n, f.cfg.Idle)
	if err != nil {
		return err
	}
	f.buf = f.buf[:0]
	ends := make([]int64, 0, len(messages)) // of each message, in the output
	for i, m := range messages {
		whole := false
		if f.buf, whole, err = f.content(f.buf, m); err != nil {
			return err
		}
		if !whole {
			messages = messages[:i] // the others come again
			break
		}
		ends = append(ends, f.sum.Bytes+int64(len(f.buf)))
		if f.taken != nil && len(f.buf) == 0 { // it is written, and so are those before it
			f.taken.add(ends, messages[i+1-len(ends):i+1])
			ends = ends[len(ends):]
		}
	}
	if err := f.write(f.buf); err != nil {
		return err
	}
	if f.taken != nil {
		f.taken.add(ends, messages[len(messages)-len(ends):])
		return nil
	}
	return f.r.Ack(ctx, messages)
}

// receivePatiently is Receive, with a limit to its patience: io.EOF when nothing
// has come for so long, if that is not 0, and as far as is known nothing is about to.
func receivePatiently(ctx context.Context, r transport.Receiver, n int, idle time.Duration) ([]transport.Message, error) {
	if idle == 0 {
		return r.Receive(ctx, n)
	}
	for patience := idle; ; {
		waiting, cancel := context.WithTimeoutCause(ctx, patience, errIdle)
		messages, err := r.Receive(waiting, n)
		cancel()
		if !errors.Is(err, errIdle) {
			return messages, err
		}
		asked, ok := r.(transport.Pending)
		if !ok || patience < idle {
			return nil, io.EOF
		}
		pending, err := asked.Pending(ctx)
		if err != nil {
			return nil, err
		}
		if !pending {
			patience = min(idle-1, lastArrivals)
		}
	}
}

// lastArrivals is how long what was on its way may take when the broker has said
// that it has no more.
const lastArrivals = 100 * time.Millisecond

// content appends to b what a message holds, or writes it at once where that is
// cheaper. It may hold more than is wanted.
func (f *from) content(b []byte, m transport.Message) (_ []byte, whole bool, err error) {
	if f.cfg.Stream {
		data, err := f.pieces.next(m)
		if err == nil {
			err = f.write(data)
		}
		return b, true, err
	}
	if m.Content == transport.Piece {
		return b, false, errors.New("what comes is a byte stream: --stream receives it")
	}
	as, packed := m.Content.Framing()
	if packed && as == f.cfg.Framing && f.cfg.Max == 0 {
		f.count(int(as.Count(m.Body)))
		if len(b) == 0 {
			return b, true, f.write(m.Body)
		}
		return append(b, m.Body...), true, nil
	}
	for record := range records(m) {
		if f.enough() {
			return b, false, nil
		}
		if b, err = f.cfg.Framing.Append(b, record); err != nil {
			return b, false, fmt.Errorf("a record cannot be written: %w", err)
		}
		f.count(1)
	}
	return b, true, nil
}

func (f *from) count(records int) {
	f.sum.Out += int64(records)
	f.cfg.Meter.AddRecords(records)
}

func (f *from) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	n, err := f.out.Write(b)
	f.sum.Bytes += int64(n)
	return err
}
