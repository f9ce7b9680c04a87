// Package coprocess keeps processes of a command that answers each line with a
// line, so that not every line needs a process of its own.
package coprocess

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"pipeworks/internal/fifo"
)

// Pool holds processes of a command, as many as there are questions at once.
type Pool struct {
	Args   []string
	Stderr io.Writer // of the command
	Keep   int       // idle ones to hold on to

	// Patience is how long a line may wait for its answer; 0 is for ever.
	Patience time.Duration

	mu   sync.Mutex
	idle []*process
}

// process is one of them, for one question at a time.
type process struct {
	cmd *exec.Cmd
	in  *os.File // write end of its input
	out *os.File // read end of its output
	buf *bufio.Reader
}

func (p *Pool) start() (*process, error) {
	in, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	r, out, err := os.Pipe()
	if err != nil {
		w.Close()
		return nil, err
	}
	defer out.Close()
	c := &process{cmd: exec.Command(p.Args[0], p.Args[1:]...), in: w, out: r, buf: bufio.NewReaderSize(r, 64<<10)}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = in, out, p.Stderr
	c.cmd.SysProcAttr = OwnGroup() // a Ctrl-C is for the server
	if err := c.cmd.Start(); err != nil {
		w.Close()
		r.Close()
		return nil, err
	}
	return c, nil
}

// Start makes sure that there is a process for the first question.
func (p *Pool) Start() error {
	c, err := p.get()
	if err == nil {
		p.put(c)
	}
	return err
}

// get returns a process that has said nothing that nobody has asked for, and
// has not ended.
func (p *Pool) get() (*process, error) {
	for c := p.take(); c != nil; c = p.take() {
		if c.quiet() {
			return c, nil
		}
		_ = c.end() // nobody waits for it
	}
	return p.start()
}

func (p *Pool) take() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	c := p.idle[last]
	p.idle = p.idle[:last]
	return c
}

func (c *process) quiet() bool { return c.buf.Buffered() == 0 && fifo.Quiet(c.out) }

func (p *Pool) put(c *process) {
	p.mu.Lock()
	kept := len(p.idle) < p.Keep
	if kept {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !kept {
		_ = c.end()
	}
}

// Close ends the processes that nobody waits for.
func (p *Pool) Close() {
	for c := p.take(); c != nil; c = p.take() {
		_ = c.end()
	}
}

// lastWords is how long a process whose input has ended may take to end.
const lastWords = 200 * time.Millisecond

// end ends the process, and returns how it had ended before, if it had.
func (c *process) end() error {
	c.in.Close()
	c.out.Close()
	stop := time.AfterFunc(lastWords, func() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) })
	defer stop.Stop()
	return c.cmd.Wait()
}

// Answer asks every line of a question and writes the lines of the answer. The
// end of ctx ends the process that is at it.
func (p *Pool) Answer(ctx context.Context, question []byte, out io.Writer) error {
	if len(question) == 0 {
		return nil
	}
	c, err := p.get()
	if err != nil {
		return err
	}
	for line := range bytes.SplitSeq(bytes.TrimSuffix(question, []byte{'\n'}), []byte{'\n'}) {
		if err := p.ask(ctx, c, append(bytes.Clone(line), '\n'), out); err != nil {
			ended := c.end()
			_, silent := errors.AsType[*SilentError](err)
			switch {
			case silent:
				return err
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case err == io.EOF && ended != nil:
				return fmt.Errorf("%s ended before it answered: %w", p.Args[0], ended)
			case err == io.EOF:
				return fmt.Errorf("%s ended before it answered", p.Args[0])
			}
			return err
		}
	}
	if ctx.Err() != nil { // which may have cut it off from now on
		_ = c.end()
		return context.Cause(ctx)
	}
	p.put(c)
	return nil
}

// SilentError is a command that lives and does not answer a line.
type SilentError struct {
	Command string
	After   time.Duration
}

func (e *SilentError) Error() string {
	return fmt.Sprintf("%s has not answered a line within %v", e.Command, e.After)
}

// Hint is the cure of the usual cause.
func (e *SilentError) Hint() string {
	return "does it keep its answers in a buffer? stdbuf -oL before it helps, or an option of its own such as --line-buffered or --unbuffered, or fflush in its source"
}

// ask lets c answer a line in time.
func (p *Pool) ask(ctx context.Context, c *process, line []byte, out io.Writer) error {
	if p.Patience == 0 {
		return c.ask(ctx, line, out)
	}
	late, cancel := context.WithTimeoutCause(ctx, p.Patience, &SilentError{p.Args[0], p.Patience})
	defer cancel()
	err := c.ask(late, line, out)
	if late.Err() != nil { // in the last moment, even: the process is cut off from now on
		return context.Cause(late)
	}
	return err
}

// ask writes a line and copies the answer, a line, to out. io.EOF says that the
// process has ended.
func (c *process) ask(ctx context.Context, line []byte, out io.Writer) error {
	defer context.AfterFunc(ctx, func() {
		_ = c.in.SetWriteDeadline(time.Now())
		_ = c.out.SetReadDeadline(time.Now())
	})()
	// A process may answer before it has read the whole line.
	written := make(chan error, 1)
	go func() {
		_, err := c.in.Write(line)
		written <- err
	}()
	for {
		piece, err := c.buf.ReadSlice('\n')
		if _, writeErr := out.Write(piece); writeErr != nil {
			return writeErr
		}
		switch err {
		case bufio.ErrBufferFull:
		case nil:
			if err := <-written; !errors.Is(err, syscall.EPIPE) {
				return err
			}
			return nil // the next question will find it
		default:
			return err
		}
	}
}
