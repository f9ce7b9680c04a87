package fifomerge

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"sync"

	"pipeworks/internal/coprocess"
)

// RunConfig says which commands to run.
type RunConfig struct {
	Commands []string  // lines for sh
	Jobs     int       // how many run at once; 0 is all
	Stderr   io.Writer // of the commands

	Records
}

// RunSummary is what the commands did.
type RunSummary struct {
	Commands int `json:"commands"` // that were started
	Failed   int `json:"failed"`
	MergeSummary
}

// Run runs commands and writes the records of their outputs to out, each in one
// piece. The end of ctx, or of the output, is that of all commands. The error
// has the status of the command that ended worst.
func Run(ctx context.Context, cfg RunConfig, out io.Writer) (RunSummary, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{cfg: &cfg, sink: newSink(cfg.Records, out)}
	if cfg.Jobs == 0 {
		cfg.Jobs = len(cfg.Commands)
	}
	places := make(chan struct{}, cfg.Jobs)
	var all sync.WaitGroup
	for _, command := range cfg.Commands {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-places }()
			if err := r.command(ctx, command); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	sum := RunSummary{r.started, r.failed, r.sum}
	sum.Rejected = cfg.Rejects.Count()
	switch {
	case ctx.Err() != nil:
		return sum, context.Cause(ctx)
	case r.worst != nil:
		return sum, r.worst
	}
	return sum, cfg.Rejects.Err()
}

type run struct {
	*sink
	cfg *RunConfig

	state   sync.Mutex // of what follows
	started int
	failed  int
	worst   *commandError
}

// commandError is a command that failed.
type commandError struct {
	command string
	status  int
	err     error
}

func (e *commandError) Error() string   { return e.command + ": " + e.err.Error() }
func (e *commandError) Unwrap() error   { return e.err }
func (e *commandError) ExitStatus() int { return e.status }

// command runs a command to its end. Its error is one that ends the others,
// too.
func (r *run) command(ctx context.Context, line string) error {
	cmd := exec.Command("sh", "-c", line)
	cmd.Stderr = r.cfg.Stderr
	cmd.SysProcAttr = coprocess.OwnGroup()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	in := r.source(line, out)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := coprocess.EndWith(ctx, cmd, out)
	for err == nil {
		err = in.take()
	}
	if err == io.EOF {
		err = nil
	} else {
		out.Close() // it writes for nobody
	}
	failure := cmd.Wait()
	ended()
	r.ended(ctx, line, failure)
	if err == nil && failure == nil {
		err = in.complete()
	} else if err == nil {
		err = in.unfinished()
	}
	return err
}

// complete delivers a last record that lacks its terminator.
func (in *source) complete() error {
	rest := in.blocks.Rest()
	if len(rest) == 0 {
		return nil
	}
	return in.deliver(append(rest, in.Framing.Terminator()))
}

// ended notes how a command ended.
func (r *run) ended(ctx context.Context, line string, err error) {
	r.state.Lock()
	defer r.state.Unlock()
	r.started++
	if err == nil {
		return
	}
	r.failed++
	failure := &commandError{command: line, status: 1, err: err}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		failure.status = coprocess.ExitStatus(exit)
	}
	if r.worst == nil || failure.status > r.worst.status {
		failure, r.worst = r.worst, failure
	}
	if failure != nil && r.Warn != nil && ctx.Err() == nil {
		r.Warn(failure.Error())
	}
}
