package fifomerge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"pipeworks/internal/fifo"
)

// client is one session with a server.
type client struct {
	query *os.File // write end
	reply *os.File // read end
	in    *bufio.Reader
}

// stopReading ends a read of the reply, now and later.
func (c *client) stopReading() { _ = c.reply.SetReadDeadline(time.Now()) }

// abandon ends what waits for the server.
func (c *client) abandon() {
	c.query.Close()
	c.stopReading()
}

func (c *client) close() {
	c.query.Close()
	c.reply.Close()
}

// dial begins a session with the server of the directory, which may have to
// start first.
func dial(ctx context.Context, cfg *CallConfig) (*client, error) {
	ctx, cancel := cfg.within(ctx)
	defer cancel()
	for {
		c, err := meet(ctx, cfg)
		if err == nil {
			return c, nil
		}
		if cause := context.Cause(ctx); cause != nil {
			if !errors.Is(err, cause) {
				err = cause
			}
			return nil, &noServerError{cfg.Dir, err}
		}
		// One that goes just now has made room for the next.
		if !errors.Is(err, errServerGone) && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// within is a context for the wait for a server.
func (cfg *CallConfig) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return fifo.Within(ctx, cfg.Wait, fmt.Errorf("waited %v for a server", cfg.Wait))
}

// meet says hello to the server that is there, or will be, and waits for its
// answer.
func meet(ctx context.Context, cfg *CallConfig) (*client, error) {
	h := cfg.hello()
	line, err := h.line()
	if err != nil {
		return nil, err
	}
	door, err := fifo.OpenWhenRead(ctx, filepath.Join(cfg.Dir, helloPipe))
	if err != nil {
		return nil, err
	}
	defer door.Close()
	dir, err := fifo.OpenDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	// Until the server has come, its ends are held here: else the pipes would
	// look left.
	query, queryEnd, err := newPipe(dir, h.id+querySuffix)
	if err != nil {
		return nil, err
	}
	defer dir.Remove(h.id + querySuffix) //nolint:errcheck // the server does it too
	defer queryEnd.Close()
	replyEnd, reply, err := newPipe(dir, h.id+replySuffix)
	if err != nil {
		query.Close()
		return nil, err
	}
	defer dir.Remove(h.id + replySuffix) //nolint:errcheck // the server does it too
	defer replyEnd.Close()

	c := &client{query: query, reply: reply, in: bufio.NewReaderSize(reply, 64<<10)}
	stop := context.AfterFunc(ctx, c.stopReading)
	defer stop()
	unwatch, err := fifo.WatchReader(door, c.stopReading)
	if err == nil {
		if _, err = door.Write(line); err == nil {
			_, err = copyAnswer(bufio.NewWriter(io.Discard), c.in, false)
		}
		unwatch()
	}
	switch {
	case err == nil && stop():
		_ = reply.SetReadDeadline(time.Time{}) // the server may have gone since
		return c, nil
	case err == nil:
		err = context.Cause(ctx)
	case errors.Is(err, syscall.EPIPE), errors.Is(err, os.ErrDeadlineExceeded):
		err = errServerGone
	}
	c.close()
	return nil, err
}

// newPipe makes a pipe and opens both its ends.
func newPipe(dir *fifo.Dir, name string) (w, r *os.File, err error) {
	if err := dir.Make(name); err != nil {
		return nil, nil, err
	}
	if r, err = dir.Open(name, os.O_RDONLY); err == nil {
		if w, err = dir.Open(name, os.O_WRONLY); err == nil {
			return w, r, nil
		}
		r.Close()
	}
	return nil, nil, errors.Join(err, dir.Remove(name))
}

// noServerError is a call that nobody takes.
type noServerError struct {
	dir string
	err error
}

func (e *noServerError) Error() string { return "call " + e.dir + ": " + e.err.Error() }
func (e *noServerError) Unwrap() error { return e.err }
func (e *noServerError) Hint() string  { return "start one: fifomerge serve " + e.dir }
