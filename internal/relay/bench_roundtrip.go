package relay

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"pipeworks/internal/transport"
)

// roundTripSize is that of a question and of its answer, in bytes.
const roundTripSize = 64

// roundTrip sends a record there and back, one at a time.
func (b *bench) roundTrip(ctx context.Context) (median, slowest time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	open := b.call
	if b.tr.Listen == nil {
		open = b.thereAndBack
	}
	ask, end, err := open(ctx)
	if err != nil {
		return 0, 0, err
	}
	var times []time.Duration
	for begun := time.Now(); err == nil && (time.Since(begun) < b.cfg.Time || len(times) < 100); {
		asked := time.Now()
		err = ask()
		times = append(times, time.Since(asked))
	}
	if err = errors.Join(err, end()); err != nil {
		return 0, 0, err
	}
	slices.Sort(times)
	return times[len(times)/2], times[len(times)*99/100], nil
}

// call opens a line for calls. A question is asked by ask, which returns when
// the answer is there.
func (b *bench) call(ctx context.Context) (ask, end func() error, err error) {
	echo, stop := context.WithCancel(ctx)
	f, err := b.start(echo, true, "bench", "--echo", text(b.u))
	if err != nil {
		stop()
		return nil, nil, err
	}
	c, err := b.tr.Dial(ctx, f.u, b.o)
	if err != nil {
		stop()
		return nil, nil, f.close(err)
	}
	question := transport.Frame{Kind: echoFrame, Data: make([]byte, roundTripSize)}
	var buf []byte
	ask = func() error {
		if err := c.Send(question); err != nil {
			return err
		}
		answer, err := c.Receive(buf)
		buf = answer.Data[:0]
		return err
	}
	return ask, func() error {
		err := c.Close()
		stop()
		_ = f.end() // it was told to end
		return err
	}, nil
}

// back is where the answers come from, of a transport that has no calls.
func (b *bench) back() transport.URL {
	u := b.u
	if u.Path != "" { // of pipe: it is the other standard stream
		u.Path += "-bench-back"
	}
	return u
}

// thereAndBack opens a line each way.
func (b *bench) thereAndBack(ctx context.Context) (ask, end func() error, err error) {
	question, err := b.messages(roundTripSize, 1)
	if err != nil {
		return nil, nil, err
	}
	f, err := b.start(ctx, true, "bench", "--echo", text(b.u), text(b.back()))
	if err != nil {
		return nil, nil, err
	}
	r, err := b.tr.Receiver(ctx, f.back, b.o)
	if err != nil {
		return nil, nil, f.close(err)
	}
	s, err := b.tr.Sender(ctx, f.u, b.o)
	if err != nil {
		return nil, nil, f.close(errors.Join(err, r.Close()))
	}
	ask = func() error {
		if err := s.Send(ctx, question); err != nil {
			return err
		}
		answer, err := r.Receive(ctx, 1)
		if err != nil {
			return err
		}
		return r.Ack(ctx, answer)
	}
	return ask, func() error {
		err := errors.Join(s.Flush(ctx), s.Close(ctx, nil))
		if _, after := r.Receive(ctx, 1); after != io.EOF {
			err = errors.Join(err, after)
		}
		err = f.close(errors.Join(err, r.Close()))
		if b.tr.Remove != nil {
			_ = b.tr.Remove(ctx, f.back, b.o) // unless it went with its users
		}
		return err
	}, nil
}

// echoFrame is the kind of frames that are sent back.
const echoFrame transport.FrameKind = 255

// EchoCalls sends back what comes to a listener, which it closes, until ctx
// ends: it is the other side of a measurement.
func EchoCalls(ctx context.Context, l transport.Listener) error {
	var lines sync.WaitGroup
	defer lines.Wait()
	defer l.Close()
	for {
		c, err := l.Accept(ctx)
		if err != nil {
			return err
		}
		lines.Go(func() {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { c.Close() })()
			var buf []byte
			for {
				f, err := c.Receive(buf)
				if err != nil {
					return
				}
				if err := c.Send(f); err != nil {
					return
				}
				buf = f.Data[:0]
			}
		})
	}
}

// Echo sends what comes from r to s, until the end, and closes both.
func Echo(ctx context.Context, r transport.Receiver, s transport.Sender) error {
	for {
		messages, err := r.Receive(ctx, batchSize)
		if err == io.EOF {
			return errors.Join(s.Flush(ctx), s.Close(ctx, nil), r.Close())
		}
		if err == nil {
			err = s.Send(ctx, messages)
		}
		if err == nil {
			err = r.Ack(ctx, messages)
		}
		if err != nil {
			return errors.Join(err, s.Close(ctx, err), r.Close())
		}
	}
}
