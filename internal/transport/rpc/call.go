package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"pipeworks/internal/transport"
)

// Request is what a caller asks, and where the answer goes.
type Request struct {
	Stdin          io.Reader // its end is that of the request
	Stdout, Stderr io.Writer
	Timeout        time.Duration    // for the whole answer; 0: as long as it takes
	Waiting        func(before int) // is called when other calls are answered first; nil: nobody is told
}

// Trace is how long a caller was at the parts of a call.
type Trace struct {
	Handshake time.Duration // until the server had answered
	Marshal   time.Duration // the request into frames
	Send      time.Duration // and them into the line
	Receive   time.Duration // writing the answer
}

// StoppedError is a call whose answer is not whole.
type StoppedError struct {
	Exit
}

func (e *StoppedError) Error() string { return e.Exit.Error }

// ExitStatus is that of the command, if that is what went wrong.
func (e *StoppedError) ExitStatus() int { return max(1, e.Status) }

// Hint is the server's.
func (e *StoppedError) Hint() string { return e.Exit.Hint }

// ErrGone is a server that is not there any more, and has not said how the call
// ended.
var ErrGone = errors.New("the server is gone; how far the command came is unknown")

// Call asks the server at the other end of a line, which it closes. It returns
// when the answer is complete. The end of ctx, and an output that takes no more,
// cancel the call; then it returns when the server has ended the command.
//
// A Read of the request that is under way when the call ends is left behind.
func Call(ctx context.Context, conn transport.Conn, r Request) (Exit, Trace, error) {
	if r.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, r.Timeout, &LateError{r.Timeout})
		defer stop()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer conn.Close()
	l := &line{conn: conn}
	c := &caller{
		Request: r, line: l, cancel: cancel,
		input: newOutflow(l, input), output: newInflow(l, output), errput: newInflow(l, errput),
	}
	e, err := c.call(ctx)
	c.trace.Send = l.busyFor()
	return e, c.trace, err
}

type caller struct {
	Request
	line           *line
	cancel         context.CancelCauseFunc
	input          *outflow
	output, errput *inflow
	mute           *time.Timer // until the server has answered
	trace          Trace
}

func (c *caller) call(ctx context.Context) (Exit, error) {
	begun := time.Now()
	opening := transport.Frame{Kind: begin, Data: marshal(opening{version, c.Timeout})}
	c.trace.Marshal = time.Since(begun)
	c.mute = time.AfterFunc(handshakeTime, func() {
		c.cancel(errMute)
		c.line.conn.Close()
	})
	defer c.mute.Stop()
	if err := c.line.send(opening); err != nil {
		return Exit{}, err
	}
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(goodbyeTime, func() { c.line.conn.Close() })
		_ = c.line.send(transport.Frame{Kind: cancel})
	})()
	go c.ask()
	written := make(chan error, 1)
	go func() { written <- c.write() }()

	e, err := c.answer(begun)
	c.input.fail(ErrGone) // or done: nobody takes it any more
	c.output.finish(io.EOF)
	c.errput.finish(io.EOF)
	outErr := errUnwritten
	select {
	case outErr = <-written:
	case <-ctx.Done(): // a write may wait for somebody who never reads
		select {
		case outErr = <-written:
		case <-time.After(lastWords):
		}
	}
	switch {
	case outErr != nil && outErr != errUnwritten:
		return e, outErr
	case err == nil && e.Error == "" && outErr == nil:
		return e, nil
	case ctx.Err() != nil:
		return e, context.Cause(ctx)
	case err == nil:
		return e, &StoppedError{e}
	}
	return e, err
}

// lastWords is how long what came before a cancelled call ended may take to be
// written.
const lastWords = 200 * time.Millisecond

var (
	errUnwritten = errors.New("the answer was not written")
	errMute      = fmt.Errorf("the server has not answered within %v", handshakeTime)
)

// ask sends the input. One that cannot be read to its end is no request.
func (c *caller) ask() {
	_, err := c.input.ReadFrom(c.Stdin)
	switch {
	case err == nil:
		_ = c.line.send(transport.Frame{Kind: end})
	case !c.input.failed():
		c.cancel(err)
	}
}

// write writes the answer. One that nobody takes is cancelled.
func (c *caller) write() error {
	var both sync.WaitGroup
	var outErr error
	out := &timed{Writer: c.Stdout}
	both.Go(func() {
		if _, outErr = c.output.WriteTo(out); outErr != nil {
			c.cancel(outErr)
		}
	})
	both.Go(func() {
		if _, err := c.errput.WriteTo(c.Stderr); err != nil {
			_, _ = c.errput.WriteTo(io.Discard) // it cannot be told anywhere
		}
	})
	both.Wait()
	c.trace.Receive = out.busy
	return outErr
}

// timed is a Writer that knows how long it took.
type timed struct {
	io.Writer
	busy time.Duration
}

func (t *timed) Write(p []byte) (int, error) {
	start := time.Now()
	defer func() { t.busy += time.Since(start) }()
	return t.Writer.Write(p)
}

// answer takes what the server says, up to the exit.
func (c *caller) answer(begun time.Time) (e Exit, err error) {
	buf := make([]byte, piece)
	for err == nil {
		var f transport.Frame
		if f, err = c.line.conn.Receive(buf); err != nil {
			break
		}
		switch f.Kind {
		case welcome:
			c.mute.Stop()
			c.trace.Handshake = time.Since(begun)
		case waiting:
			if c.Waiting != nil {
				c.Waiting(int(f.Seq))
			}
		case output:
			err = c.output.add(f.Data)
		case errput:
			err = c.errput.add(f.Data)
		case taken:
			err = c.input.grant(int(f.Seq))
		case exit:
			if err = json.Unmarshal(f.Data, &e); err != nil {
				err = fmt.Errorf("an exit that cannot be read: %w", err)
			}
			return e, err
		case refuse:
			return e, &StoppedError{Exit{Error: string(f.Data)}}
		default:
			err = fmt.Errorf("%w: %d", errSense, f.Kind)
		}
	}
	if err == io.EOF {
		return e, ErrGone
	}
	return e, fmt.Errorf("%w: %w", ErrGone, err)
}
