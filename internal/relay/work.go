package relay

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"pipeworks/internal/coprocess"
	"pipeworks/internal/fifo"
	"pipeworks/internal/framing"
	"pipeworks/internal/progress"
	"pipeworks/internal/reject"
	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
	"pipeworks/internal/transport/rpc"
)

// WorkConfig says what becomes of the messages.
type WorkConfig struct {
	Command   []string // a program and its arguments
	Source    string   // what rejects call the place that the records come from
	Framing   framing.Framing
	Batch     int           // most records for one run of Command; 0 is 100
	Jobs      int           // runs at once; 0 is 1
	Coprocess bool          // Command answers each line with a line, and is kept
	Timeout   time.Duration // of a run, 0 is for ever; of a line of a Coprocess, 0 is 10 s
	Tries     int           // of a record that fails; 0 is 5
	Backoff   time.Duration // before the second try, twice as long before each after it; 0 is 1 s
	OnFail    OnFail        // what a status says that has no meaning of its own
	Max       int           // records to process; 0: all
	Idle      time.Duration // how long to wait for the next message; 0: for ever

	To      transport.Sender // where the results go; nil: to the output
	Rejects *reject.Sink     // of records that failed
	Stderr  io.Writer        // of Command
	Meter   *progress.Meter  // counts the records; nil: nobody does
	Warn    func(format string, args ...any)
}

// OnFail says what becomes of a record when Command ends with a status that is
// neither 0, 65 nor 75.
type OnFail uint8

// What can become of it.
const (
	Retry  OnFail = iota // try again, as after 75, and reject it in the end
	Reject               // as after 65
	Stop                 // the run ends, and the record stays where it is
)

// ParseOnFail returns what name stands for.
func ParseOnFail(name string) (OnFail, error) {
	for f, n := range []string{"retry", "reject", "stop"} {
		if n == name {
			return OnFail(f), nil
		}
	}
	return 0, fmt.Errorf("%q: it is one of retry, reject, stop", name)
}

// The statuses that mean something, as sysexits.h has them.
const (
	statusData      = 65 // EX_DATAERR: the record is bad, and stays so
	statusTemporary = 75 // EX_TEMPFAIL: try again
)

// WorkSummary is what was done.
type WorkSummary struct {
	In       int64 `json:"in"` // records
	Done     int64 `json:"done"`
	Rejected int   `json:"rejected"`
	Runs     int64 `json:"runs"`  // of the command
	Bytes    int64 `json:"bytes"` // of the results
}

// Work feeds what r receives to runs of a command, passes their results on, and
// acknowledges what came of which the results are safe. It does not close r.
//
// A signal ends the receiving; what is being worked on is finished.
func Work(ctx context.Context, cfg WorkConfig, r transport.Receiver, out *stream.Output) (WorkSummary, error) {
	if cfg.Batch == 0 {
		cfg.Batch = 100
	}
	if cfg.Jobs == 0 {
		cfg.Jobs = 1
	}
	if cfg.Tries == 0 {
		cfg.Tries = 5
	}
	if cfg.Backoff == 0 {
		cfg.Backoff = time.Second
	}
	w := &work{cfg: &cfg, r: r, out: out}
	w.pool = &coprocess.Pool{Args: cfg.Command, Stderr: cfg.Stderr, Keep: cfg.Jobs, Patience: cmp.Or(cfg.Timeout, 10*time.Second)}
	defer w.pool.Close()
	receiving, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if pipe := out.Pipe(); pipe != nil && cfg.To == nil {
		unwatch, err := fifo.WatchReader(pipe, func() { stop(stream.ErrClosed) })
		if err != nil {
			return w.sum, err
		}
		defer unwatch()
		w.taken = newTaken(r, pipe, false)
	}

	batches := make(chan []item)
	var workers sync.WaitGroup
	for range cfg.Jobs {
		workers.Go(func() {
			for batch := range batches {
				// What was begun is finished, unless its results are for nobody.
				working, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
				unwatch := context.AfterFunc(receiving, func() {
					if cause := context.Cause(receiving); ctx.Err() == nil {
						cancel(cause)
					}
				})
				if err := w.batch(working, receiving, batch); err != nil {
					stop(err)
				}
				unwatch()
				cancel(nil)
			}
		})
	}
	err := w.receive(receiving, batches)
	close(batches)
	workers.Wait()
	if cause := context.Cause(receiving); cause != nil {
		err = cause
	}
	if w.taken != nil {
		err = errors.Join(err, w.taken.close(receiving, err))
	}
	w.sum.Rejected = cfg.Rejects.Count()
	if err == nil {
		err = cfg.Rejects.Err()
	}
	return w.sum, err
}

type work struct {
	cfg   *WorkConfig
	r     transport.Receiver
	out   *stream.Output
	pool  *coprocess.Pool
	taken *taken // nil: the results are safe once they are written

	mu  sync.Mutex // of the results, the rejects and the summary
	sum WorkSummary
}

// item is a record, and the message it came in.
type item struct {
	record []byte // bare
	of     *received
}

// received is a message of which some records are not done yet.
type received struct {
	message transport.Message
	left    int
}

// receive hands out batches until the end. A batch is not waited for: it has
// what is there.
func (w *work) receive(ctx context.Context, batches chan<- []item) error {
	seen := 0
	for w.cfg.Max == 0 || seen < w.cfg.Max {
		n := w.cfg.Batch
		if w.cfg.Max > 0 {
			n = min(n, w.cfg.Max-seen)
		}
		messages, err := receivePatiently(ctx, w.r, n, w.cfg.Idle)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var items []item
		for _, m := range messages {
			if m.Content == transport.Piece {
				return errors.New("what comes is a byte stream: relay from --stream receives it")
			}
			of := &received{message: m}
			for record := range records(m) {
				items = append(items, item{record, of})
				of.left++
			}
			if of.left == 0 { // a block of nothing
				if err := w.r.Ack(ctx, []transport.Message{m}); err != nil {
					return err
				}
			}
		}
		seen += len(items)
		for len(items) > 0 {
			n := min(w.cfg.Batch, len(items))
			select {
			case batches <- items[:n]:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			items = items[n:]
		}
	}
	return nil
}

// extendEvery is how often more time is asked for what is being worked on. The
// shortest deadline of a broker is several times as long.
const extendEvery = 5 * time.Second

// batch works on records until each is done or rejected. The end of waiting
// ends the pauses between tries.
func (w *work) batch(ctx, waiting context.Context, batch []item) error {
	var extending sync.WaitGroup
	defer extending.Wait()
	done := make(chan struct{})
	defer close(done)
	extending.Go(func() {
		tick := time.NewTicker(extendEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if err := w.r.Extend(ctx, messages(batch)); err != nil && w.cfg.Warn != nil {
					w.cfg.Warn("ask for more time: %v", err)
				}
			}
		}
	})
	w.mu.Lock()
	w.sum.In += int64(len(batch))
	w.mu.Unlock()
	return w.work(ctx, waiting, batch)
}

// work tries a batch. One that fails is tried again one by one, to find the
// record that is to blame.
func (w *work) work(ctx, waiting context.Context, batch []item) error {
	for try := 1; ; try++ {
		result, e := w.run(ctx, batch, try)
		if e.Status == 0 {
			return w.deliver(ctx, result, batch)
		}
		result.Close()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		failure := &failedError{w.cfg.Command[0], e}
		onFail := w.cfg.OnFail
		switch e.Status {
		case statusData:
			onFail = Reject
		case statusTemporary:
			onFail = Retry
		case 126, 127: // it cannot be run, and what is rejected now is not to blame
			onFail = Stop
		}
		switch {
		case onFail == Stop:
			return failure
		case onFail == Retry && try < w.cfg.Tries && (len(batch) == 1 || e.Status == statusTemporary):
			if err := w.pause(waiting, try, failure); err != nil {
				return err
			}
		case len(batch) > 1:
			for i := range batch {
				if err := w.work(ctx, waiting, batch[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		default:
			return w.reject(batch[0], failure, onFail == Retry)
		}
	}
}

// pause waits before the next try.
func (w *work) pause(ctx context.Context, try int, failure error) error {
	pause := w.cfg.Backoff << min(try-1, 10)
	pause = min(pause, time.Minute) * time.Duration(75+rand.N(50)) / 100
	if w.cfg.Warn != nil {
		w.cfg.Warn("%v; try %d in %v", failure, try+1, pause.Round(time.Millisecond))
	}
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// failedError is a run that failed.
type failedError struct {
	command string
	exit    rpc.Exit
}

func (e *failedError) Error() string {
	if e.exit.Error != "" {
		return e.exit.Error
	}
	return fmt.Sprintf("%s: exit status %d", e.command, e.exit.Status)
}

func (e *failedError) Hint() string { return e.exit.Hint }

// reject is the end of a record that failed.
func (w *work) reject(it item, failure *failedError, retryable bool) error {
	w.mu.Lock()
	err := w.cfg.Rejects.Add(reject.Record{
		Source: w.cfg.Source, Line: int(w.sum.Done) + w.cfg.Rejects.Count() + 1,
		Err: failure, Code: strconv.Itoa(failure.exit.Status), Retryable: retryable, Input: it.record,
	})
	w.mu.Unlock()
	if err != nil {
		return err
	}
	return w.ack(context.Background(), []item{it})
}

// run runs the command on a batch.
func (w *work) run(ctx context.Context, batch []item, try int) (*results, rpc.Exit) {
	w.mu.Lock()
	w.sum.Runs++
	w.mu.Unlock()
	if w.cfg.Timeout > 0 && !w.cfg.Coprocess {
		late, cancel := context.WithTimeoutCause(ctx, w.cfg.Timeout, fmt.Errorf("%s: it took longer than %v", w.cfg.Command[0], w.cfg.Timeout))
		defer cancel()
		result, e := w.runInTime(late, batch, try)
		if ctx.Err() == nil && late.Err() != nil {
			e.Status, e.Error = 1, context.Cause(late).Error()
		}
		return result, e
	}
	return w.runInTime(ctx, batch, try)
}

func (w *work) runInTime(ctx context.Context, batch []item, try int) (*results, rpc.Exit) {
	result := &results{}
	var input []byte
	var err error
	for _, it := range batch {
		if input, err = w.cfg.Framing.Append(input, it.record); err != nil {
			return result, rpc.Exit{Status: statusData, Error: err.Error()}
		}
	}
	if w.cfg.Coprocess {
		e := answered(w.pool.Answer(ctx, input, result))
		return result, e
	}
	said := &lastLine{w: w.cfg.Stderr}
	e := process{
		args: w.cfg.Command, env: []string{"RELAY_TRY=" + strconv.Itoa(try)},
		in: bytes.NewReader(input), out: result, stderr: said,
	}.run(ctx)
	if e.Status != 0 && e.Error == "" && len(said.line) > 0 {
		e.Error = fmt.Sprintf("%s: exit status %d: %s", w.cfg.Command[0], e.Status, said.line)
	}
	if result.err != nil {
		e.Status, e.Error = statusTemporary, result.err.Error()
	}
	return result, e
}

// deliver passes the results of a batch on, and acknowledges it when they are
// safe.
func (w *work) deliver(ctx context.Context, result *results, batch []item) error {
	defer result.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cfg.To != nil {
		sum, err := w.send(ctx, result)
		w.sum.Bytes += sum
		if err != nil {
			return fmt.Errorf("send the results: %w", err)
		}
	} else if err := result.copyTo(w.out); err != nil {
		return err
	} else {
		w.sum.Bytes += result.size
	}
	w.sum.Done += int64(len(batch))
	w.cfg.Meter.AddRecords(len(batch))
	if w.taken != nil {
		done := finished(batch)
		w.taken.add(slices.Repeat([]int64{w.sum.Bytes}, len(done)), done)
		return nil
	}
	return w.acknowledge(ctx, batch)
}

// send sends results as records, and waits until they are confirmed.
func (w *work) send(ctx context.Context, result *results) (int64, error) {
	to := &to{cfg: &ToConfig{Framing: w.cfg.Framing, MaxRecord: defaultMaxRecord, Batch: 1, Rejects: &reject.Sink{}}, s: w.cfg.To}
	in := stream.NewInput(ctx, "the results", result.reader())
	defer in.Close()
	err := to.records(ctx, in)
	return to.sum.Bytes, errors.Join(err, w.cfg.To.Flush(ctx))
}

func (w *work) ack(ctx context.Context, batch []item) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acknowledge(ctx, batch)
}

func (w *work) acknowledge(ctx context.Context, batch []item) error {
	if done := finished(batch); len(done) > 0 {
		return w.r.Ack(ctx, done)
	}
	return nil
}

// finished are the messages of which the last records are among these.
func finished(batch []item) (done []transport.Message) {
	for _, it := range batch {
		if it.of.left--; it.of.left == 0 {
			done = append(done, it.of.message)
		}
	}
	return done
}

// messages are those that a batch came in.
func messages(batch []item) (all []transport.Message) {
	var last *received
	for _, it := range batch {
		if it.of != last {
			last = it.of
			all = append(all, last.message)
		}
	}
	return all
}
