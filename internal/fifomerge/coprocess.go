package fifomerge

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

// coprocesses are processes of a command that answers each line with a line.
// There are as many as there are questions at once.
type coprocesses struct {
	args   []string
	stderr io.Writer
	keep   int // idle ones to hold on to

	mu   sync.Mutex
	idle []*coprocess
}

// coprocess is one of them, for one question at a time.
type coprocess struct {
	cmd *exec.Cmd
	in  *os.File // write end of its input
	out *os.File // read end of its output
	buf *bufio.Reader
}

func (p *coprocesses) start() (*coprocess, error) {
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
	c := &coprocess{cmd: exec.Command(p.args[0], p.args[1:]...), in: w, out: r, buf: bufio.NewReaderSize(r, 64<<10)}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = in, out, p.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the server
	if err := c.cmd.Start(); err != nil {
		w.Close()
		r.Close()
		return nil, err
	}
	return c, nil
}

// get returns a process that has said nothing that nobody has asked for, and
// has not ended.
func (p *coprocesses) get() (*coprocess, error) {
	for c := p.take(); c != nil; c = p.take() {
		if c.quiet() {
			return c, nil
		}
		_ = c.end() // nobody waits for it
	}
	return p.start()
}

func (p *coprocesses) take() *coprocess {
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

func (c *coprocess) quiet() bool { return c.buf.Buffered() == 0 && fifo.Quiet(c.out) }

func (p *coprocesses) put(c *coprocess) {
	p.mu.Lock()
	kept := len(p.idle) < p.keep
	if kept {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !kept {
		_ = c.end()
	}
}

func (p *coprocesses) close() {
	for c := p.take(); c != nil; c = p.take() {
		_ = c.end()
	}
}

// end ends the process, and returns how it had ended before, if it had.
func (c *coprocess) end() error {
	c.in.Close()
	c.out.Close()
	stop := time.AfterFunc(lastWords, func() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) })
	defer stop.Stop()
	return c.cmd.Wait()
}

// answer asks every line of a question and writes the lines of the answer.
func (p *coprocesses) answer(ctx context.Context, question []byte, out io.Writer) error {
	if len(question) == 0 {
		return nil
	}
	c, err := p.get()
	if err != nil {
		return err
	}
	for line := range bytes.SplitSeq(bytes.TrimSuffix(question, []byte{'\n'}), []byte{'\n'}) {
		if err := c.ask(ctx, append(bytes.Clone(line), '\n'), out); err != nil {
			ended := c.end()
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case err == io.EOF && ended != nil:
				return fmt.Errorf("%s ended before it answered: %w", p.args[0], ended)
			case err == io.EOF:
				return fmt.Errorf("%s ended before it answered", p.args[0])
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

// ask writes a line and copies the answer, a line, to out. io.EOF says that the
// process has ended.
func (c *coprocess) ask(ctx context.Context, line []byte, out io.Writer) error {
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
