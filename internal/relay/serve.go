package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"pipeworks/internal/coprocess"
	"pipeworks/internal/framing"
	"pipeworks/internal/transport"
	"pipeworks/internal/transport/rpc"
)

// ServeConfig says what answers calls.
type ServeConfig struct {
	Command   []string      // a program and its arguments
	Jobs      int           // calls that are answered at once; 0 is 16
	Coprocess bool          // Command answers each line with a line, and is kept
	Timeout   time.Duration // of a call; 0: as long as it takes. Of a line of a Coprocess; 0 is 10 s
	MaxRecord int           // bytes of such a line; 0 is 64 MiB
	Stderr    io.Writer     // of coprocesses, which nobody in particular has called

	Warn func(format string, args ...any) // about callers that went wrong; nil: nobody is told
	Done func(peer string, e rpc.Exit)    // is called after each call; nil: nobody is told
}

// ServeSummary is what a server did.
type ServeSummary struct {
	Calls  int64 `json:"calls"`
	Failed int64 `json:"failed"` // those whose status was not 0
}

// errStopped is what callers are told when the server ends.
var errStopped = errors.New("the server was stopped")

// lineTimeout is how long a line may take to be answered, if nothing else is
// said: who keeps answers in a buffer would never give one.
const lineTimeout = 10 * time.Second

// Serve answers the calls that come to a listener, which it closes, until ctx
// ends. It calls ready when it knows that it can.
func Serve(ctx context.Context, cfg ServeConfig, l transport.Listener, ready func()) (ServeSummary, error) {
	if cfg.Jobs == 0 {
		cfg.Jobs = 16
	}
	if cfg.Coprocess && cfg.Timeout == 0 {
		cfg.Timeout = lineTimeout
	}
	if cfg.MaxRecord == 0 {
		cfg.MaxRecord = 64 << 20
	}
	s := &server{
		cfg:    &cfg,
		places: make(chan struct{}, cfg.Jobs),
		pool:   &coprocess.Pool{Args: cfg.Command, Stderr: cfg.Stderr, Keep: cfg.Jobs, Patience: cfg.Timeout},
	}
	defer l.Close()
	defer s.pool.Close()
	if err := s.try(); err != nil {
		return ServeSummary{}, err
	}
	ready()
	calls, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	defer context.AfterFunc(ctx, func() { stop(errStopped) })()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		conn, err := l.Accept(ctx)
		if err != nil {
			stop(errStopped)
			all.Wait()
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return ServeSummary{s.calls.Load(), s.failed.Load()}, err
		}
		all.Go(func() {
			if err := rpc.Serve(calls, conn, s.answer); err != nil && err != io.EOF && calls.Err() == nil && cfg.Warn != nil {
				cfg.Warn("%s: %v", conn.Peer(), err)
			}
		})
	}
}

type server struct {
	cfg    *ServeConfig
	places chan struct{} // taken by the calls that are being answered
	queue  atomic.Int64  // calls that wait for one
	pool   *coprocess.Pool

	calls, failed atomic.Int64
}

// try finds out now, and not at the first call, that there is no such command.
func (s *server) try() error {
	if s.cfg.Coprocess {
		return s.pool.Start()
	}
	_, err := exec.LookPath(s.cfg.Command[0])
	return err
}

// answer is an rpc.Handler.
func (s *server) answer(ctx context.Context, in *rpc.Incoming) (e rpc.Exit) {
	if s.cfg.Timeout > 0 && !s.cfg.Coprocess {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, s.cfg.Timeout, &rpc.LateError{After: s.cfg.Timeout})
		defer stop()
	}
	s.calls.Add(1)
	come := time.Now()
	if !s.enter(ctx, in) {
		return rpc.Exit{Status: 1, Error: context.Cause(ctx).Error()}
	}
	defer func() { <-s.places }()
	if s.cfg.Coprocess {
		e = s.lines(ctx, in)
	} else {
		e = process{s.cfg.Command, []string{"RELAY_PEER=" + in.Peer}, in.Stdin, in.Stdout, in.Stderr}.run(ctx)
	}
	e.Times.Dispatch = time.Since(come) - e.Times.Run
	if ctx.Err() != nil {
		e.Status, e.Error = 1, context.Cause(ctx).Error()
	}
	if e.Status != 0 {
		s.failed.Add(1)
	}
	if s.cfg.Done != nil {
		s.cfg.Done(in.Peer, e)
	}
	return e
}

// enter waits until a place is free.
func (s *server) enter(ctx context.Context, in *rpc.Incoming) bool {
	select {
	case s.places <- struct{}{}:
		return true
	default:
	}
	in.Waiting(s.cfg.Jobs + int(s.queue.Add(1)) - 1)
	defer s.queue.Add(-1)
	select {
	case s.places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// lines answers a call by coprocesses: the lines that have come at once by one.
func (s *server) lines(ctx context.Context, in *rpc.Incoming) (e rpc.Exit) {
	requests := framing.NewReader(in.Stdin, framing.Newline, s.cfg.MaxRecord)
	out := newSoon(in.Stdout)
	for {
		batch, err := requests.Read()
		if err == io.EOF {
			if rest := requests.Rest(); len(rest) > 0 {
				return s.ask(ctx, e, rest, out)
			}
			return e
		}
		if err != nil {
			e.Status, e.Error = 65, fmt.Sprintf("a line of the request %v", err)
			return e
		}
		if len(batch) == 0 {
			continue
		}
		if e = s.ask(ctx, e, batch, out); e.Status != 0 {
			return e
		}
	}
}

// ask lets one coprocess answer lines.
func (s *server) ask(ctx context.Context, e rpc.Exit, lines []byte, out *soon) rpc.Exit {
	start := time.Now()
	err := s.pool.Answer(ctx, lines, out)
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	e.Times.Run += time.Since(start)
	run := e.Times.Run
	e = answered(err)
	e.Times.Run = run
	return e
}

// answered is how a run of a coprocess ended.
func answered(err error) (e rpc.Exit) {
	if err == nil {
		return e
	}
	e.Status, e.Error = 1, err.Error()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		e.Status = coprocess.ExitStatus(exit)
	}
	if hinted, ok := errors.AsType[*coprocess.SilentError](err); ok {
		e.Hint = hinted.Hint()
	}
	return e
}
