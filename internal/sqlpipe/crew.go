package sqlpipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
	"pipeworks/internal/stream"
)

// crew is sessions that work at the same time: on one database, where each
// takes the statement that comes next, or on several, which are all given every
// statement. What each gives is in its own order, and comes as it happens.
type crew struct {
	cfg     *Config
	jobs    bool // on one database
	workers []*worker
	working atomic.Int64  // workers that have not failed
	failed  chan struct{} // closed when no more statements are wanted
	once    sync.Once     // for closing it
	batch   batch         // that is being filled
	input   error         // why the input has ended, set before the batches end
}

// worker is a session that gets its statements through a channel.
type worker struct {
	db      dburl.URL
	session *session
	batches chan batch
	err     error
}

// batch is statements on their way to a worker.
type batch struct {
	text       []byte
	statements []batched
}

type batched struct {
	end int // of its text
	at  place
}

// batchBytes is when a batch is handed over while the input has more at hand.
const batchBytes = 64 << 10

// runCrew executes the statements of in by several sessions.
func runCrew(ctx context.Context, cfg *Config, in stream.Inputs, out io.Writer) (sum Summary, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &crew{cfg: cfg, jobs: cfg.Jobs > 1, failed: make(chan struct{})}
	if err := c.open(ctx, &lockedWriter{w: out, failed: cancel}); err != nil {
		return sum, err
	}
	cfg.Scan.Modes = c.modes(ctx)
	cfg.modes = func(sql []byte) (sqltext.Modes, error) { // each session has its own
		if m, ok := sqltext.LiteralModes(sql); ok {
			return m, nil
		}
		return cfg.Scan.Modes, nil
	}
	var all sync.WaitGroup
	for _, w := range c.workers {
		all.Go(func() { c.work(ctx, w) })
	}
	c.input = each(ctx, cfg, in, func() error { return c.handOver(ctx) }, func(st sqltext.Statement) error {
		sum.In++
		sum.Bytes += int64(len(st.Text))
		return c.take(ctx, st)
	})
	if c.input == nil {
		c.input = c.handOver(ctx)
	}
	c.end()
	all.Wait()
	for _, w := range c.workers {
		if w.session != nil {
			sum.Out += w.session.sum.Out
			sum.Skipped += w.session.sum.Skipped
		}
	}
	return sum, c.err()
}

// open opens the sessions. A database that cannot be had is one that failed.
func (c *crew) open(ctx context.Context, out io.Writer) error {
	shared := make(chan batch)
	dbs := append([]dburl.URL{c.cfg.DB}, c.cfg.Also...)
	for len(dbs) < c.cfg.Jobs {
		dbs = append(dbs, c.cfg.DB)
	}
	c.working.Store(int64(len(dbs)))
	for _, db := range dbs {
		rows, err := record.NewWriter(out, c.cfg.Format, c.cfg.Rows)
		if err != nil {
			return err
		}
		w := &worker{db: db, batches: shared}
		if !c.jobs {
			w.batches = make(chan batch, 2)
			rows = &named{Writer: rows, name: record.String(db.String())}
		}
		c.workers = append(c.workers, w)
		if w.session, w.err = openSession(ctx, c.cfg, db, rows); w.err != nil {
			w.session = nil
			c.fail()
		}
	}
	return nil
}

// modes are those that the first session begins with: the others' are taken to
// be the same.
func (c *crew) modes(ctx context.Context) (m sqltext.Modes) {
	for _, w := range c.workers {
		if w.session == nil {
			continue
		}
		if m, w.err = w.session.modes(ctx); w.err == nil {
			break
		}
		c.fail()
	}
	return m
}

// fail is called when a worker has failed: of jobs none may go on then, of
// several databases all others do.
func (c *crew) fail() {
	if c.working.Add(-1) == 0 || c.jobs {
		c.once.Do(func() { close(c.failed) })
	}
}

// errFailed ends the reading of the input. The workers say why.
var errFailed = errors.New("no worker is left")

func (c *crew) take(ctx context.Context, st sqltext.Statement) error {
	b := &c.batch
	b.text = append(b.text, st.Text...)
	b.statements = append(b.statements, batched{len(b.text), place{st.Source, st.Line}})
	if c.jobs || len(b.text) >= batchBytes {
		return c.handOver(ctx)
	}
	return nil
}

// handOver gives the batch in hand to the next worker, or to all.
func (c *crew) handOver(ctx context.Context) error {
	if len(c.batch.statements) == 0 {
		return nil
	}
	b := c.batch
	c.batch = batch{}
	for _, w := range c.workers {
		select {
		case w.batches <- b:
		case <-c.failed:
			return errFailed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if c.jobs {
			break
		}
	}
	return nil
}

// end tells the workers that nothing more comes.
func (c *crew) end() {
	for _, w := range c.workers {
		close(w.batches)
		if c.jobs {
			break
		}
	}
}

// work is a worker's goroutine. One that has failed takes what it is given and
// drops it, so that nobody waits.
func (c *crew) work(ctx context.Context, w *worker) {
	for b := range w.batches {
		if w.err == nil {
			if w.err = w.run(ctx, b); w.err != nil {
				c.fail()
			}
		}
	}
	if w.session == nil {
		return
	}
	if w.err == nil && c.input != nil {
		_ = w.session.close(ctx, c.input) // which is told once, not by each
		return
	}
	w.err = w.session.close(ctx, w.err)
}

func (w *worker) run(ctx context.Context, b batch) error {
	from := 0
	for _, st := range b.statements {
		if err := w.session.take(ctx, sqltext.Statement{Text: b.text[from:st.end], Source: st.at.source, Line: st.at.line}); err != nil {
			return err
		}
		from = st.end
	}
	return w.session.idle(ctx)
}

// err is what the run has failed by. A database that failed while others did
// not makes a run with rejects.
func (c *crew) err() error {
	var errs []error
	if c.input != errFailed {
		errs = append(errs, c.input)
	}
	partly := c.working.Load() > 0
	for _, w := range c.workers {
		if w.err != nil && !errors.Is(c.input, w.err) {
			if !c.jobs {
				w.err = &databaseError{w.db, w.err, partly}
			}
			errs = append(errs, w.err)
		}
	}
	return errors.Join(errs...)
}

// databaseError is one of several databases that failed.
type databaseError struct {
	db     dburl.URL
	err    error
	partly bool // others did not
}

func (e *databaseError) Error() string { return fmt.Sprintf("%v: %v", e.db, e.err) }
func (e *databaseError) Unwrap() error { return e.err }

// ExitStatus is that of a run with rejects while another database is fine.
func (e *databaseError) ExitStatus() int {
	if e.partly {
		return 3
	}
	return 1
}

// lockedWriter is an output of several writers. The first failure ends all.
type lockedWriter struct {
	mu     sync.Mutex
	w      io.Writer
	failed context.CancelCauseFunc
}

// Write implements io.Writer.
func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.w.Write(p)
	if err != nil {
		w.failed(err)
	}
	return n, err
}

// named puts the database's name before each row.
type named struct {
	record.Writer
	name record.Value
	row  []record.Value
}

// Begin implements record.Writer.
func (w *named) Begin(fields []string) error {
	return w.Writer.Begin(append([]string{"_db"}, fields...))
}

// Write implements record.Writer.
func (w *named) Write(values []record.Value) error {
	w.row = append(append(w.row[:0], w.name), values...)
	return w.Writer.Write(w.row)
}
