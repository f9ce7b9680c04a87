package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
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
	RoundTrip time.Duration // the median
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
	o.Framing = benchFraming
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
		return 0, far.close(err)
	}
	perMessage := 1
	if batched {
		limit := batchBytes
		if s.Limit() > 0 {
			limit = min(limit, s.Limit())
		}
		perMessage = max(1, limit/(size+framing.LengthSize))
	}
	messages, err := b.messages(size, perMessage)
	if err != nil {
		return 0, err
	}
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
	err = far.close(errors.Join(err, s.Close(ctx, err)))
	return float64(sent) / elapsed.Seconds(), err
}

// benchFraming is that of the records: it takes no looking for their ends.
const benchFraming = framing.Length

// messages is a message of so many records, all of a size.
func (b *bench) messages(size, records int) ([]transport.Message, error) {
	if records == 1 && !b.tr.Blocks {
		return []transport.Message{{Body: make([]byte, size)}}, nil
	}
	record, err := benchFraming.Append(nil, make([]byte, size))
	return []transport.Message{{Content: transport.Packed(benchFraming), Body: bytes.Repeat(record, records)}}, err
}

// far is the other side of a measurement.
type far struct {
	u    transport.URL // to reach it
	back transport.URL // and its way back, if it has one
	end  func() error  // waits for its end
}

// close is the end of a measurement that came to an error, or nil: if the other
// side failed, that was why.
func (f far) close(err error) error {
	if failure := f.end(); failure != nil {
		return failure
	}
	return err
}

// receiver starts what throws away what comes: a process, or with a broker,
// which is a process by itself, a part of this one.
func (b *bench) receiver(ctx context.Context) (far, error) {
	if isLocal := slices.ContainsFunc(local, func(tr transport.Transport) bool { return tr.Scheme == b.u.Scheme }); isLocal {
		return b.start(ctx, false, "from", "--quiet", "--framing", "length", "--output", "/dev/null", text(b.u))
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
	return far{u: b.u, end: func() error {
		cancel(errIdle)
		err := <-done
		if errors.Is(err, errIdle) {
			err = nil
		}
		return errors.Join(err, r.Close())
	}}, nil
}

// text is a URL with its options.
func text(u transport.URL) string {
	if len(u.Query) == 0 {
		return u.String()
	}
	return u.String() + "?" + u.Query.Encode()
}

// start starts this program with arguments, which answers or does not.
func (b *bench) start(ctx context.Context, answers bool, args ...string) (far, error) {
	f := far{u: b.u, back: b.back()}
	cmd := exec.CommandContext(ctx, b.cfg.Self, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it cleans up
	cmd.WaitDelay = coprocess.Grace
	said := &lastLine{w: io.Discard}
	cmd.Stderr = said
	if b.u.Scheme == "pipe" {
		if err := f.throughPipes(cmd, answers); err != nil {
			return f, err
		}
	}
	err := cmd.Start()
	for _, end := range []any{cmd.Stdin, cmd.Stdout} {
		if file, ok := end.(*os.File); ok {
			file.Close() // it is the other side's
		}
	}
	if err != nil {
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

// throughPipes gives a process a pipe to its standard input, and one from its
// standard output if it answers.
func (f *far) throughPipes(cmd *exec.Cmd, answers bool) (err error) {
	in, to, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdin = in
	if f.u.Path, err = number(to); err != nil || !answers {
		return err
	}
	from, out, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdout = out
	f.back.Path, err = number(from)
	return err
}

// number makes a file known by a number alone, so that who opens pipe:NUMBER has
// it.
func number(f *os.File) (string, error) {
	defer f.Close()
	n, err := syscall.Dup(int(f.Fd()))
	if err == nil {
		syscall.CloseOnExec(n)
	}
	return strconv.Itoa(n), err
}
