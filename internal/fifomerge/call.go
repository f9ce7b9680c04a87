package fifomerge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pipeworks/internal/fifo"
	"pipeworks/internal/stream"
)

// CallConfig says whom to ask.
type CallConfig struct {
	Dir     string        // of the server's pipes
	Timeout time.Duration // for the server to take the call; 0 is 10 s
	Format  answerFormat
}

// Call sends the SQL of in to the server of a directory, as one question, and
// writes the rows of the answer to out. An *AnswerError is what the server
// says of it.
func Call(ctx context.Context, cfg CallConfig, in stream.Inputs, out io.Writer) error {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c, err := dial(ctx, &cfg)
	if err != nil {
		return err
	}
	defer c.close()
	// To be gone is what stops the question on the server.
	stop := context.AfterFunc(ctx, func() {
		c.query.Close()
		_ = c.reply.SetReadDeadline(time.Now())
	})
	defer stop()
	var asking sync.WaitGroup
	asking.Go(func() {
		if err := c.ask(ctx, in); err != nil {
			cancel(err)
		}
	})
	w := bufio.NewWriterSize(out, 64<<10)
	err = copyAnswer(w, c.in)
	if err == io.EOF {
		err = fmt.Errorf("call %s: %w", cfg.Dir, errServerGone)
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(nil)
	asking.Wait()
	if flushErr := w.Flush(); err == nil {
		err = flushErr
	}
	return err
}

// client is one session with a server.
type client struct {
	query *os.File // write end
	reply *os.File // read end
	in    *bufio.Reader
}

func (c *client) close() {
	c.query.Close()
	c.reply.Close()
}

// dial begins a session with the server of the directory, which may have to
// start first.
func dial(ctx context.Context, cfg *CallConfig) (*client, error) {
	h := hello{id: newID(), format: cfg.Format}
	line, err := h.line()
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(cfg.Timeout)
	ctx, cancel := context.WithDeadlineCause(ctx, deadline, fmt.Errorf("waited %v for a server", cfg.Timeout))
	defer cancel()
	door, err := fifo.OpenWhenRead(ctx, filepath.Join(cfg.Dir, helloPipe))
	if err != nil {
		return nil, &noServerError{cfg.Dir, err}
	}
	defer door.Close()
	dir, err := fifo.OpenDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()

	// Whoever holds the other ends here keeps the pipes from looking left
	// before the server has come.
	var files [4]*os.File
	defer func() {
		for _, f := range files {
			if f != nil {
				f.Close()
			}
		}
	}()
	for i, end := range []struct {
		name string
		flag int
	}{
		{h.id + querySuffix, os.O_RDONLY},
		{h.id + querySuffix, os.O_WRONLY},
		{h.id + replySuffix, os.O_RDONLY},
		{h.id + replySuffix, os.O_WRONLY},
	} {
		if i%2 == 0 {
			if err := dir.Make(end.name); err != nil {
				return nil, err
			}
			defer dir.Remove(end.name) //nolint:errcheck // the server does it too
		}
		if files[i], err = dir.Open(end.name, end.flag); err != nil {
			return nil, err
		}
	}
	c := &client{query: files[1], reply: files[2]}
	if _, err := door.Write(line); err != nil {
		return nil, &noServerError{cfg.Dir, err}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.reply.SetReadDeadline(time.Now()) })
	defer stop()
	c.in = bufio.NewReaderSize(c.reply, 64<<10)
	if err := copyAnswer(bufio.NewWriter(io.Discard), c.in); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = &noServerError{cfg.Dir, cause}
		}
		return nil, err
	}
	if stop() {
		files[1], files[2] = nil, nil // c's now
		return c, nil
	}
	return nil, context.Cause(ctx)
}

// noServerError is a call that nobody takes.
type noServerError struct {
	dir string
	err error
}

func (e *noServerError) Error() string { return "call " + e.dir + ": " + e.err.Error() }
func (e *noServerError) Unwrap() error { return e.err }
func (e *noServerError) Hint() string  { return "start one: fifomerge serve " + e.dir }

var (
	errServerGone = errors.New("the server is gone; what became of the query is unknown")
	errNUL        = errors.New("the query has a NUL byte, which ends a query here: write x'00' for it in the SQL")
)

// question is a query pipe, open for one question.
type question struct{ pipe *os.File }

// errNotRead is a question that the server does not take. Its answer, or its
// end, tells why.
var errNotRead = errors.New("the server reads no further")

// Write writes a part of the question.
func (q question) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, 0) >= 0 {
		return 0, errNUL
	}
	n, err := q.pipe.Write(p)
	if err != nil {
		return n, errNotRead
	}
	return n, nil
}

// ask sends the input as one question.
func (c *client) ask(ctx context.Context, in stream.Inputs) error {
	err := in.Each(ctx, func(input *stream.Input) error {
		_, err := io.Copy(question{c.query}, input)
		return err
	})
	if err == nil {
		_, _ = c.query.Write([]byte{0})
	}
	if err == errNotRead {
		return nil
	}
	return err
}
