package crawl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"pipeworks/internal/contentcoding"
)

const (
	maxEncodings = 3                // around one body
	minRate      = 100              // bytes a second that an answer has to come with
	rateAfter    = 20 * time.Second // when it begins to be measured
)

// The ends of a request whose answer comes too slowly.
var (
	errIdle    = errors.New("nothing came for too long")
	errTimeout = errors.New("no whole answer in time")
	errSlow    = fmt.Errorf("the answer comes with less than %d bytes a second", minRate)
)

var errTooLong = errors.New("too long")

// watch ends a request that takes too long, in all or between two bytes: one timer
// for both.
type watch struct {
	cancel   context.CancelCauseFunc
	idle     time.Duration
	start    time.Time
	deadline time.Time
	timer    *time.Timer
}

// newWatch returns a context for the request. stop is to be called in the end.
func newWatch(ctx context.Context, total, idle time.Duration) (context.Context, *watch) {
	w := &watch{idle: idle, start: time.Now()}
	w.deadline = w.start.Add(total)
	ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(min(idle, total), func() {
		if time.Now().Before(w.deadline) {
			w.cancel(errIdle)
		} else {
			w.cancel(errTimeout)
		}
	})
	return ctx, w
}

// tick says that bytes came.
func (w *watch) tick() { w.timer.Reset(min(w.idle, time.Until(w.deadline))) }

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// wire is the body as it is sent: no longer than limit and not too slow.
type wire struct {
	body  io.Reader
	watch *watch
	ctx   context.Context
	left  int
	read  int
	err   error // that ended it, but for io.EOF
}

func (w *wire) Read(p []byte) (int, error) {
	if w.left == 0 {
		w.err = errTooLong
		return 0, w.err
	}
	n, err := w.body.Read(p[:min(len(p), w.left)])
	w.left -= n
	w.read += n
	took := time.Since(w.watch.start)
	switch {
	case err == io.EOF:
		return n, err
	case err != nil && w.ctx.Err() != nil:
		err = context.Cause(w.ctx)
	case err == nil && took > rateAfter && float64(w.read) < minRate*took.Seconds():
		err = errSlow
	case err == nil:
		w.watch.tick()
	}
	w.err = err
	return n, err
}

// capped is a decoded body, which ends with errTooLong if it is longer than
// that.
type capped struct {
	r    io.Reader
	left int
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errTooLong
	}
	n, err := c.r.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// readBody reads a body into buf, without its encodings (RFC 9110, section 8.4),
// each of which may make no more than limit bytes of it: a few bytes can decode
// to any number, and to any number of bytes that decode to nothing. What
// was read before an error is in buf.
func readBody(w *wire, encodings string, limit int, buf *bytes.Buffer) *pageError {
	names := strings.FieldsFunc(strings.ToLower(encodings), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	if len(names) > maxEncodings {
		return newError(kindBody, false, "encoded %d times: %s", len(names), encodings)
	}
	w.left = limit + 1
	r := io.Reader(w)
	for _, name := range slices.Backward(names) {
		decoder, err := contentcoding.Decode(name, r)
		if err != nil {
			return bodyError(w, err, limit)
		}
		defer decoder.Close()
		r = &capped{decoder, limit + 1}
	}
	_, err := buf.ReadFrom(r)
	if buf.Len() > limit {
		buf.Truncate(limit)
		err = errTooLong
	}
	return bodyError(w, err, limit)
}

// bodyError tells what is wrong with a body: the connection, its length, or
// what it was decoded from.
func bodyError(w *wire, err error, limit int) *pageError {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTooLong):
		return newError(kindBody, false, "longer than %s", byteSize(limit))
	case w.err != nil:
		return requestError(w.err, true)
	}
	return newError(kindBody, false, "%v", err)
}
