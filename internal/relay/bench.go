package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"pipeworks/internal/coprocess"
	"pipeworks/internal/framing"
	"pipeworks/internal/transport"
)

// BenchConfig says how long ways to talk are tried.
type BenchConfig struct {
	Time time.Duration // of each measurement; 0 is 300 ms
	Self string        // the path of this program: the other side is a process of its own
}

// Measured is what a way to talk can do. A rate of 0 was not measured.
type Measured struct {
	Way       string
	Rates     []Rate
	RoundTrip time.Duration // the median; 0: it has no way back
	Slowest   time.Duration // of a hundred
}

// Rate is how many records of a size arrive, one in a message or many.
type Rate struct {
	Size    int
	Batched bool
	PerSec  float64 // records
}

// benchSizes are those of the records, in bytes.
var benchSizes = []int{64, 4 << 10, 64 << 10}

// Bench measures one way to talk: the time from the first record until the
// other side has confirmed the last.
func Bench(ctx context.Context, cfg BenchConfig, u transport.URL, tr transport.Transport, o transport.Options) (m Measured, err error) {
	if cfg.Time == 0 {
		cfg.Time = 300 * time.Millisecond
	}
	o.Framing = framing.Length
	b := &bench{cfg: &cfg, u: u, tr: tr, o: o}
	m.Way = u.String()
	for _, size := range benchSizes {
		for _, batched := range []bool{false, true} {
			rate, err := b.rate(ctx, size, batched)
			if err != nil {
				return m, fmt.Errorf("%s: records of %d bytes: %w", u, size, err)
			}
			m.Rates = append(m.Rates, Rate{size, batched, rate})
		}
	}
	if m.RoundTrip, m.Slowest, err = b.roundTrip(ctx); err != nil {
		return m, fmt.Errorf("%s: round trip: %w", u, err)
	}
	return m, nil
}

type bench struct {
	cfg *BenchConfig
	u   transport.URL
	tr  transport.Transport
	o   transport.Options
}

// batchBytes is how much one message of many records holds.
const batchBytes = 128 << 10

// rate sends records for a while.
func (b *bench) rate(ctx context.Context, size int, batched bool) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	far, err := b.receiver(ctx)
	if err != nil {
		return 0, err
	}
	s, err := b.tr.Sender(ctx, far.u, b.o)
	if err != nil {
		return 0, errors.Join(err, far.end())
	}
	record, err := framing.Length.Append(nil, make([]byte, size))
	if err != nil {
		return 0, err
	}
	perMessage := 1
	m := transport.Message{Body: make([]byte, size)}
	if batched {
		limit := batchBytes
		if s.Limit() > 0 {
			limit = min(limit, s.Limit())
		}
		perMessage = max(1, limit/len(record))
	}
	if batched || b.tr.Blocks {
		m = transport.Message{Content: transport.Lengths}
		for range perMessage {
			m.Body = append(m.Body, record...)
		}
	}
	messages := []transport.Message{m}
	begun := time.Now()
	sent := 0
	for time.Since(begun) < b.cfg.Time && err == nil {
		err = s.Send(ctx, messages)
		sent += perMessage
	}
	if err == nil {
		err = s.Flush(ctx)
	}
	elapsed := time.Since(begun)
	err = errors.Join(err, s.Close(ctx, err), far.end())
	return float64(sent) / elapsed.Seconds(), err
}

// far is the other side of a measurement.
type far struct {
	u   transport.URL // to reach it
	end func() error  // waits for its end
}

// receiver starts what throws away what comes: a process, or with a broker,
// which is a process by itself, a part of this one.
func (b *bench) receiver(ctx context.Context) (far, error) {
	if isLocal := slices.ContainsFunc(local, func(tr transport.Transport) bool { return tr.Scheme == b.u.Scheme }); isLocal {
		return b.start(ctx, "from", "--quiet", "--framing", "length", "--output", "/dev/null", b.text())
	}
	r, err := b.tr.Receiver(ctx, b.u, b.o)
	if err != nil {
		return far{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan error, 1)
	go func() {
		for {
			messages, err := r.Receive(ctx, batchSize)
			if err == nil {
				err = r.Ack(ctx, messages)
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	return far{b.u, func() error {
		cancel(errIdle)
		err := <-done
		if errors.Is(err, errIdle) {
			err = nil
		}
		return errors.Join(err, r.Close())
	}}, nil
}

// text is the URL with its options.
func (b *bench) text() string {
	if len(b.u.Query) == 0 {
		return b.u.String()
	}
	return b.u.String() + "?" + b.u.Query.Encode()
}

// start starts this program with arguments. For pipe: the way to it is a pipe
// to its standard input, and the way back one from its standard output.
func (b *bench) start(ctx context.Context, args ...string) (f far, err error) {
	cmd := exec.CommandContext(ctx, b.cfg.Self, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it cleans up
	cmd.WaitDelay = coprocess.Grace
	said := &lastLine{w: io.Discard}
	cmd.Stderr = said
	f.u = b.u
	if b.u.Scheme == "pipe" {
		in, to, err := duplicates(os.Pipe())
		if err != nil {
			return f, err
		}
		defer in.Close()
		cmd.Stdin = in
		f.u.Path = to
	}
	if err := cmd.Start(); err != nil {
		return f, err
	}
	f.end = func() error {
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("the other side: %w: %s", err, said.line)
		}
		return nil
	}
	return f, nil
}

// duplicates is a pipe whose write end is known by its number alone, so that who
// opens pipe:NUMBER has it.
func duplicates(r, w *os.File, err error) (*os.File, string, error) {
	if err != nil {
		return nil, "", err
	}
	defer w.Close()
	n, err := syscall.Dup(int(w.Fd()))
	if err != nil {
		r.Close()
		return nil, "", err
	}
	syscall.CloseOnExec(n)
	return r, strconv.Itoa(n), nil
}

// roundTripSize is that of a question and of its answer, in bytes.
const roundTripSize = 64

// roundTrip sends a record there and back, one at a time.
func (b *bench) roundTrip(ctx context.Context) (median, slowest time.Duration, err error) {
	if b.tr.Listen == nil {
		return 0, 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	echo, stop := context.WithCancel(ctx)
	defer stop()
	f, err := b.start(echo, "bench", "--echo", b.text())
	if err != nil {
		return 0, 0, err
	}
	c, err := b.tr.Dial(ctx, f.u, b.o)
	if err != nil {
		return 0, 0, errors.Join(err, f.end())
	}
	defer f.end() //nolint:errcheck // it was told to end
	defer stop()
	defer c.Close()
	question := transport.Frame{Kind: echoFrame, Data: make([]byte, roundTripSize)}
	var buf []byte
	var times []time.Duration
	for begun := time.Now(); time.Since(begun) < b.cfg.Time || len(times) < 100; {
		asked := time.Now()
		if err := c.Send(question); err != nil {
			return 0, 0, err
		}
		answer, err := c.Receive(buf)
		if err != nil {
			return 0, 0, err
		}
		buf = answer.Data[:0]
		times = append(times, time.Since(asked))
	}
	slices.Sort(times)
	return times[len(times)/2], times[len(times)*99/100], nil
}

// echoFrame is the kind of frames that are sent back.
const echoFrame transport.FrameKind = 255

// Echo sends back what comes to a listener, which it closes, until ctx ends: it
// is the other side of a measurement.
func Echo(ctx context.Context, l transport.Listener) error {
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
