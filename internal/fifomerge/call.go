package fifomerge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"pipeworks/internal/framing"
	"pipeworks/internal/stream"
)

// CallConfig says whom to ask, and how.
type CallConfig struct {
	Dir     string        // of the server's pipes
	Wait    time.Duration // for a server to take the call; 0 is for ever
	Format  answerFormat
	Session string        // keep the connection, with all that is left on it, under this name
	Timeout time.Duration // for each question; 0 is the server's

	// Each record of the input is a question, instead of the whole input, and
	// the answers are written as they come: with their last lines.
	Each    bool
	Framing framing.Framing // of such a record: Newline or Null

	// Retry asks again what a server has left unanswered when it went away.
	Retry bool

	status bool // is asked for
}

func (cfg *CallConfig) hello() hello {
	return hello{newID(), options{format: cfg.Format, session: cfg.Session, timeout: cfg.Timeout, status: cfg.status}}
}

// CallSummary is what was asked.
type CallSummary struct {
	In     int `json:"in"` // questions that were answered
	Failed int `json:"failed"`
}

// failedError are questions whose answers said that they failed.
type failedError struct{ failed, asked int }

func (e *failedError) Error() string {
	return fmt.Sprintf("%d of %d questions failed", e.failed, e.asked)
}
func (e *failedError) ExitStatus() int { return 3 }

// Call sends the SQL of in to the server of a directory and writes the rows of
// its answers to out. Of a single question the error is an *AnswerError if the
// server says so.
func Call(ctx context.Context, cfg CallConfig, in stream.Inputs, out io.Writer) (CallSummary, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := dial(ctx, &cfg)
	if err != nil {
		return CallSummary{}, err
	}
	a := &asker{cfg: &cfg, client: c}
	a.answered.L = &a.mu
	stop := context.AfterFunc(ctx, a.stop)
	defer stop()
	a.all.Go(func() { a.end(a.ask(ctx, in)) })
	w := bufio.NewWriterSize(out, 64<<10)
	err = a.answers(ctx, w)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if flushErr := w.Flush(); err == nil {
		err = flushErr
	}
	cancel()
	a.all.Wait()
	a.client.close()
	return a.sum, err
}

var (
	errServerGone = errors.New("the server is gone; what became of the query is unknown")
	errNUL        = errors.New("the query has a NUL byte, which ends a query here: write x'00' for it in the SQL")
	errUnended    = errors.New("the input ends in the middle of a question, which is not asked")
)

// asker asks one server after another.
type asker struct {
	cfg *CallConfig
	all sync.WaitGroup // who sends

	sending sync.Mutex // is held by who writes questions

	mu         sync.Mutex
	client     *client // changed by who holds both
	asked      int
	sum        CallSummary
	unanswered []byte    // questions, with Retry
	answered   sync.Cond // some of them
	ended      bool      // no more will be asked
	endErr     error     // the input's
	stopped    bool
}

// maxUnanswered is how many bytes of questions are kept to be asked again
// before the next has to wait.
const maxUnanswered = 1 << 20

// ask sends the input.
func (a *asker) ask(ctx context.Context, in stream.Inputs) error {
	nul := a.cfg.Each && a.cfg.Framing == framing.Null
	open := false // a question
	err := in.Each(ctx, func(input *stream.Input) error {
		buf := make([]byte, 64<<10)
		for {
			n, err := input.Read(buf)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if !nul && bytes.IndexByte(buf[:n], 0) >= 0 {
				return errNUL
			}
			if a.cfg.Each {
				endInNUL(buf[:n], a.cfg.Framing.Terminator())
			}
			open = buf[n-1] != 0
			a.send(buf[:n])
		}
	})
	if err == nil && !a.cfg.Each {
		a.send([]byte{0})
	} else if err == nil && open {
		err = errUnended
	}
	return err
}

// endInNUL puts NUL in the place of each terminator.
func endInNUL(p []byte, terminator byte) {
	for i := range p {
		if p[i] == terminator {
			p[i] = 0
		}
	}
}

// send sends a part of the questions. That the server does not take it, its
// answer or its end will tell.
func (a *asker) send(p []byte) {
	a.awaitRoom()
	a.sending.Lock()
	defer a.sending.Unlock()
	a.mu.Lock()
	if a.cfg.Retry {
		a.unanswered = append(a.unanswered, p...)
	}
	a.asked += bytes.Count(p, []byte{0})
	c := a.client
	a.mu.Unlock()
	_, _ = c.query.Write(p)
}

// awaitRoom waits until enough of what was asked is answered.
func (a *asker) awaitRoom() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.unanswered) > maxUnanswered && a.asked > a.sum.In && !a.stopped {
		a.answered.Wait()
	}
}

// end says that nothing more is asked. Who waits for an answer that will not
// come is woken.
func (a *asker) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended, a.endErr = true, err
	if a.asked == a.sum.In {
		a.client.stopReading()
	}
}

// stop ends all waiting. To be gone is what stops the question on the server.
func (a *asker) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	a.client.abandon()
	a.answered.Broadcast()
}

// answers copies the answers to out until there are no more.
func (a *asker) answers(ctx context.Context, out *bufio.Writer) error {
	attempts := 1
	for !a.done() {
		begun, err := copyAnswer(out, a.client.in, a.cfg.Each)
		answer, failed := errors.AsType[*AnswerError](err)
		switch {
		case err == nil, failed && a.cfg.Each:
			a.count(failed)
			attempts = 1
		case failed:
			return answer
		case a.done():
		case err != errServerGone:
			return err
		case !a.cfg.Retry, begun && !a.cfg.Each, !begun && attempts == maxAttempts:
			return fmt.Errorf("call %s: %w", a.cfg.Dir, err)
		default:
			attempts++
			if begun { // what was written cannot be taken back
				_, _ = fmt.Fprintf(out, "\n. 1\t%v\n", err) // an error stays until Flush
				a.count(true)
				attempts = 1
			}
			if err := a.again(ctx); err != nil {
				return err
			}
		}
	}
	if a.endErr == nil && a.sum.Failed > 0 {
		return &failedError{a.sum.Failed, a.sum.In}
	}
	return a.endErr
}

// maxAttempts is how many servers may go away over one question, which may be
// what they die of.
const maxAttempts = 3

// done reports whether all is asked and answered.
func (a *asker) done() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended && a.asked == a.sum.In
}

// count counts an answer.
func (a *asker) count(failed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sum.In++
	if failed {
		a.sum.Failed++
	}
	if a.cfg.Retry {
		a.unanswered = a.unanswered[bytes.IndexByte(a.unanswered, 0)+1:]
		a.answered.Broadcast()
	}
}

// again asks another server what the last one has left unanswered.
func (a *asker) again(ctx context.Context) error {
	c, err := dial(ctx, a.cfg)
	if err != nil {
		return err
	}
	a.sending.Lock()
	a.mu.Lock()
	a.client.close()
	a.client = c
	if a.stopped { // meanwhile
		c.abandon()
	}
	unanswered := bytes.Clone(a.unanswered)
	a.mu.Unlock()
	// The answers must be read meanwhile, or a full pipe would stop both sides.
	a.all.Go(func() {
		defer a.sending.Unlock()
		_, _ = c.query.Write(unanswered)
	})
	return nil
}
