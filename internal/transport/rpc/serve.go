package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"pipeworks/internal/transport"
)

// Incoming is a call that has come.
type Incoming struct {
	Peer           string
	Stdin          io.Reader // io.EOF: the request is whole; another error: it will never be
	Stdout, Stderr io.Writer

	line *line
}

// Waiting tells the caller that so many calls are answered before.
func (in *Incoming) Waiting(before int) {
	_ = in.line.send(transport.Frame{Kind: waiting, Seq: uint64(before)})
}

// Handler answers a call. When ctx ends nobody wants the answer any more. It
// fills in the Times Dispatch and Run.
type Handler func(ctx context.Context, in *Incoming) Exit

// Why the ctx of a Handler ends, beside a LateError and its parent's end.
var (
	errCancelled = errors.New("the caller has cancelled the call")
	errHungUp    = errors.New("the caller is gone")
)

// Serve lets a handler answer the call that comes over a line, which it closes.
// The error is that of a line over which no call came to its end.
func Serve(ctx context.Context, conn transport.Conn, handle Handler) error {
	defer conn.Close()
	s := &server{line: &line{conn: conn}}
	o, err := s.greet(ctx)
	if err != nil {
		return err
	}
	if o.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, o.Timeout, &LateError{o.Timeout})
		defer stop()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.input, s.output, s.errput = newInflow(s.line, input), newOutflow(s.line, output), newOutflow(s.line, errput)
	s.begun = time.Now()
	hungUp := make(chan error, 1)
	go func() {
		err := s.listen(cancel)
		cancel(errHungUp)
		hungUp <- err
	}()
	answered := make(chan struct{})
	defer context.AfterFunc(ctx, func() { s.giveUp(context.Cause(ctx), answered) })()

	e := handle(ctx, &Incoming{conn.Peer(), s.input, s.output, s.errput, s.line})
	close(answered)
	s.input.finish(io.ErrClosedPipe) // should somebody still use them
	s.output.fail(io.ErrClosedPipe)
	s.errput.fail(io.ErrClosedPipe)
	if ctx.Err() != nil {
		e.Status, e.Error = 1, context.Cause(ctx).Error()
	}
	if context.Cause(ctx) == errHungUp {
		if err := <-hungUp; err != io.EOF {
			return fmt.Errorf("%w: %w", errHungUp, err)
		}
		return errHungUp
	}
	// A line that is closed with something unread would take the exit with it: the
	// caller hangs up, if it is still able to.
	late := time.AfterFunc(goodbyeTime, func() { conn.Close() })
	defer late.Stop()
	if err := s.exit(e); err != nil {
		return err
	}
	<-hungUp
	return nil
}

type server struct {
	line           *line
	input          *inflow
	output, errput *outflow

	begun    time.Time
	received atomic.Int64 // nanoseconds until the request was whole
}

// giveUp ends what a call waits for. Nobody reads its answer, or writes its
// request; but what the command says at its end may be worth reading. A caller
// that is stuck is left.
func (s *server) giveUp(cause error, answered <-chan struct{}) {
	s.input.finish(cause)
	s.output.fail(cause)
	for _, end := range []func(){func() { s.errput.fail(cause) }, func() { s.line.conn.Close() }} {
		select {
		case <-answered:
			return
		case <-time.After(goodbyeTime / 2):
			end()
		}
	}
}

// greet learns what the caller wants.
func (s *server) greet(ctx context.Context) (o opening, err error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	defer context.AfterFunc(ctx, func() { s.line.conn.Close() })()
	f, err := s.line.conn.Receive(nil)
	if err != nil {
		return o, err
	}
	switch {
	case f.Kind == begin:
		o, err = parseOpening(f.Data)
	case f.Kind < begin:
		err = errors.New("this end answers calls, and that was a message")
	default:
		err = errSense
	}
	if err != nil {
		_ = s.line.send(transport.Frame{Kind: refuse, Data: []byte(err.Error())})
		return o, err
	}
	return o, s.line.send(transport.Frame{Kind: welcome})
}

// listen takes what the caller says until it hangs up.
func (s *server) listen(stop context.CancelCauseFunc) error {
	buf := make([]byte, piece)
	for {
		f, err := s.line.conn.Receive(buf)
		if err != nil {
			return err
		}
		switch f.Kind {
		case input:
			err = s.input.add(f.Data)
		case end:
			s.received.Store(int64(time.Since(s.begun)))
			s.input.finish(io.EOF)
		case taken:
			err = s.taken(f)
		case cancel:
			stop(errCancelled)
		default:
			err = fmt.Errorf("%w: %d", errSense, f.Kind)
		}
		if err != nil {
			return err
		}
	}
}

func (s *server) taken(f transport.Frame) error {
	switch {
	case len(f.Data) != 1:
	case f.Data[0] == byte(output):
		return s.output.grant(int(f.Seq))
	case f.Data[0] == byte(errput):
		return s.errput.grant(int(f.Seq))
	}
	return errSense
}

// exit tells the caller that all is said.
func (s *server) exit(e Exit) error {
	if e.Times.Send == 0 { // else they are those of the server that a bridge has asked
		e.Times.Receive = time.Duration(s.received.Load())
		e.Times.Send = s.line.busyFor()
		start := time.Now()
		_, _ = json.Marshal(e) // how long it takes goes with it
		e.Times.Marshal = time.Since(start)
	}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return s.line.send(transport.Frame{Kind: exit, Data: data})
}
