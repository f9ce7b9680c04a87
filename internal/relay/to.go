package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"pipeworks/internal/framing"
	"pipeworks/internal/progress"
	"pipeworks/internal/record"
	"pipeworks/internal/reject"
	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
)

// ToConfig says how the input becomes messages.
type ToConfig struct {
	Framing   framing.Framing
	MaxRecord int    // bytes; 0 is 64 MiB
	Stream    bool   // bytes instead of records
	Batch     int    // most records in a message; 0: as many as there are
	Key       string // the field whose value is a message's key; empty: none
	Dedupe    string // the field whose value is a message's ID; empty: none

	Rejects *reject.Sink
	Meter   *progress.Meter // counts the records; nil: nobody does
}

// ToSummary is what was sent.
type ToSummary struct {
	In       int64 `json:"in"`  // records
	Out      int64 `json:"out"` // of them, those that were confirmed
	Bytes    int64 `json:"bytes"`
	Rejected int   `json:"rejected"`
}

const defaultMaxRecord = 64 << 20

// lastWords is how long the other side has to confirm what was sent when the
// run is to end.
const lastWords = 5 * time.Second

// To sends the input, waits until all of it is confirmed, and closes s.
func To(ctx context.Context, cfg ToConfig, in stream.Inputs, s transport.Sender) (ToSummary, error) {
	t := &to{cfg: &cfg, s: s}
	if cfg.MaxRecord == 0 {
		cfg.MaxRecord = defaultMaxRecord
	}
	in.Widen(stream.WidePipe)
	send := t.records
	if cfg.Stream {
		t.pieces = newPieces()
		send = t.bytes
	}
	err := in.Each(ctx, func(in *stream.Input) error { return send(ctx, in) })
	t.sum.Rejected = cfg.Rejects.Count()
	// What was read before an error, or a signal, is not lost.
	end, cancel := ctx, context.CancelFunc(func() {})
	if err != nil {
		end, cancel = context.WithTimeoutCause(context.WithoutCancel(ctx), lastWords, errors.New("the other side did not confirm all in time"))
	}
	defer cancel()
	if cfg.Stream {
		err = errors.Join(err, s.Send(end, []transport.Message{t.pieces.last(err)}))
	}
	flushErr := s.Flush(end)
	if flushErr == nil {
		t.sum.Out = t.sum.In - int64(t.sum.Rejected)
	}
	if !errors.Is(err, stream.ErrClosed) { // which it would only say again
		err = errors.Join(err, flushErr)
	}
	err = errors.Join(err, s.Close(end, err))
	if err == nil {
		err = cfg.Rejects.Err()
	}
	return t.sum, err
}

type to struct {
	cfg    *ToConfig
	s      transport.Sender
	sum    ToSummary
	line   int // of the input, where the next record begins
	batch  []transport.Message
	pieces *pieces
}

// records sends one input's records.
func (t *to) records(ctx context.Context, in *stream.Input) error {
	r := framing.NewReader(in, t.cfg.Framing, t.cfg.MaxRecord)
	for t.line = 1; ; {
		records, err := r.Read()
		tooLong, isTooLong := errors.AsType[*framing.TooLongError](err)
		switch {
		case err == io.EOF:
			rest := r.Rest()
			if len(rest) == 0 {
				return nil
			}
			if t.cfg.Framing == framing.Length {
				return t.reject(in, errors.New("the input ends in the middle of a record"), rest)
			}
			return t.send(ctx, in, append(rest, t.cfg.Framing.Terminator()))
		case isTooLong:
			err = t.reject(in, fmt.Errorf("record %w", tooLong), tooLong.Head)
		case err == nil && len(records) > 0:
			err = t.send(ctx, in, records)
		}
		if err != nil {
			return err
		}
	}
}

// reject is for a record that cannot be sent.
func (t *to) reject(in *stream.Input, err error, input []byte) error {
	err = t.cfg.Rejects.Add(reject.Record{Source: in.Name(), Line: t.line, Err: fmt.Errorf("%s, line %d: %w", in.Name(), t.line, err), Input: input})
	t.line++
	t.sum.In++
	return err
}

// send sends whole records, in as few messages as the limits allow.
func (t *to) send(ctx context.Context, in *stream.Input, records []byte) error {
	limit := t.s.Limit()
	if t.cfg.Batch == 0 && (limit == 0 || len(records) <= limit) {
		n := int(t.cfg.Framing.Count(records))
		t.line += n
		t.count(n, len(records))
		t.batch = append(t.batch[:0], transport.Message{Body: records, Content: transport.Packed(t.cfg.Framing)})
		return t.s.Send(ctx, t.batch)
	}
	t.batch = t.batch[:0]
	for len(records) > 0 {
		var m transport.Message
		var n int
		var err error
		m, n, records, err = t.next(records, limit)
		if err != nil {
			if err := t.flush(ctx); err != nil { // what stands before it is sent before anything stops
				return err
			}
			if tooLong, ok := errors.AsType[*transport.TooLongError](err); ok {
				_ = errors.As(t.s.Send(ctx, []transport.Message{m}), &tooLong) // it knows who sets the limit
				err = tooLong
			}
			if err := t.reject(in, err, m.Body); err != nil {
				return err
			}
			continue
		}
		t.line += n
		t.count(n, len(m.Body))
		t.batch = append(t.batch, m)
	}
	return t.flush(ctx)
}

func (t *to) flush(ctx context.Context) error {
	if len(t.batch) == 0 {
		return nil
	}
	err := t.s.Send(ctx, t.batch)
	t.batch = t.batch[:0]
	return err
}

func (t *to) count(records, bytes int) {
	t.sum.In += int64(records)
	t.sum.Bytes += int64(bytes)
	t.cfg.Meter.AddRecords(records)
}

// next takes the next message off records: n of them. With an error it is one
// record that cannot be a message.
func (t *to) next(records []byte, limit int) (m transport.Message, n int, rest []byte, err error) {
	first, rest := t.cfg.Framing.Next(records)
	m.Body = t.cfg.Framing.Bare(first)
	if limit > 0 && len(m.Body) > limit {
		return m, 1, rest, &transport.TooLongError{Size: len(m.Body), Limit: limit}
	}
	if m.Key, err = field(m.Body, t.cfg.Key); err == nil {
		m.ID, err = field(m.Body, t.cfg.Dedupe)
	}
	if err != nil || t.cfg.Batch == 1 {
		return m, 1, rest, err
	}
	size := len(first)
	for n = 1; len(rest) > 0 && (t.cfg.Batch == 0 || n < t.cfg.Batch); n++ {
		more, after := t.cfg.Framing.Next(rest)
		if limit > 0 && size+len(more) > limit {
			break
		}
		if t.cfg.Key != "" {
			if key, err := field(t.cfg.Framing.Bare(more), t.cfg.Key); err != nil || key != m.Key {
				break
			}
		}
		size += len(more)
		rest = after
	}
	if n > 1 {
		m.Body, m.Content = records[:size], transport.Packed(t.cfg.Framing)
	}
	return m, n, rest, nil
}

// field is the text of a record's field; empty if name is.
func field(rec []byte, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	text, _, err := record.Field(rec, name)
	return text, err
}

// bytes sends one input as it comes.
func (t *to) bytes(ctx context.Context, in *stream.Input) error {
	size := pieceSize
	if limit := t.s.Limit(); limit > 0 {
		size = min(size, limit)
	}
	buf := make([]byte, size)
	for {
		n, err := in.Read(buf[pieceHead:])
		if n > 0 {
			t.sum.Bytes += int64(n)
			if err := t.s.Send(ctx, []transport.Message{t.pieces.next(buf[:pieceHead+n])}); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
