// Package fifomerge makes named pipes do what people think they do: many
// writers, one stream, whole records (Merge, Slot, Write, Run), and the round trip
// of questions to a database and answers from it (Serve, Call).
package fifomerge

import (
	"context"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"pipeworks/internal/fifo"
)

// MergeConfig says what to merge.
type MergeConfig struct {
	Pipes []string    // paths; one that is missing is made, and removed at the end
	Globs []string    // patterns of paths; pipes are merged as they appear
	Watch string      // a directory, made if missing; so are all pipes in it, and its slots
	Mode  fs.FileMode // of the pipes made; 0 is 0600

	Once   bool          // end when every pipe has had a writer and none is left
	Linger time.Duration // with Once: for so long

	Spool *SpoolConfig // nil: records go straight to the output

	OrderedBy string // a field that each of Pipes is sorted by, and the output then, Once; "": as they come

	Records
}

// MergeSummary is what a merge did.
type MergeSummary struct {
	In       int64 `json:"in"`       // whole records read
	Out      int64 `json:"out"`      // records written
	Rejected int   `json:"rejected"` // records that were not whole, or too long
	Bytes    int64 `json:"bytes"`    // written
}

// lastWords is how long a writer that is in mid-record when the merge is told
// to stop has to end it.
const lastWords = 200 * time.Millisecond

// Merge writes the records that arrive in the pipes to out, each whole and in
// its writer's order, until ctx ends or, with Once, the writers are gone. At
// the end of ctx it takes what is in the pipes before it returns.
func Merge(ctx context.Context, cfg MergeConfig, out io.Writer) (MergeSummary, error) {
	if cfg.Mode == 0 {
		cfg.Mode = 0o600
	}
	cfg.Once = cfg.Once || cfg.OrderedBy != ""
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := &merge{
		cfg:    &cfg,
		sink:   newSink(cfg.Records, out),
		cancel: cancel,
		linger: time.NewTimer(cfg.Linger),
		open:   map[fifo.ID]*fifo.Reader{},
		inUse:  map[string]bool{},
		ended:  make(chan struct{}),
	}
	m.linger.Stop()
	defer m.removePipes()
	if err := m.makePipes(); err != nil {
		return m.sum, err
	}
	defer m.closeWatches()
	if err := m.openWatches(); err != nil {
		return m.sum, err
	}
	if cfg.OrderedBy != "" {
		m.ordered = &ordered{sink: m.sink, field: cfg.OrderedBy}
	}
	if cfg.Spool != nil {
		if err := m.openSpool(ctx, *cfg.Spool); err != nil {
			return m.sum, err
		}
	}
	stop := context.AfterFunc(ctx, func() { m.end(time.Now().Add(lastWords)) })
	defer stop()
	m.all.Go(m.endAfterLinger)
	m.start()
	m.all.Wait()
	if m.spooled != nil {
		m.fail(m.spooled.close())
	}
	m.sum.Rejected = cfg.Rejects.Count()
	switch {
	case m.failure != nil:
		return m.sum, m.failure
	case ctx.Err() != nil:
		return m.sum, context.Cause(ctx)
	}
	return m.sum, cfg.Rejects.Err()
}

type merge struct {
	*sink
	cfg    *MergeConfig
	cancel context.CancelCauseFunc
	all    sync.WaitGroup // of all goroutines

	watches []*watch
	ordered *ordered // nil: records go out as they come
	spooled *spooled // nil: records go straight to the output

	state  sync.Mutex // of what follows
	made   []string   // pipes to remove
	open   map[fifo.ID]*fifo.Reader
	inUse  map[string]bool // logs of the spool
	busy   int             // pipes that have a writer, or have not had one yet, and watches that have not had a pipe
	linger *time.Timer
	ended  chan struct{} // closed when no new writer is waited for any more
	until  time.Time     // then: when no writer is waited for any longer

	failure error // the first one, which ends the others
}

func (m *merge) makePipes() error {
	for _, path := range m.cfg.Pipes {
		made, err := fifo.Make(path, m.cfg.Mode)
		if err != nil {
			return err
		}
		if made {
			m.made = append(m.made, path)
		}
	}
	return nil
}

// removePipes removes the pipes that were made, unless somebody else has put a
// file there since: a redirection does, where the pipe was removed.
func (m *merge) removePipes() {
	m.state.Lock()
	defer m.state.Unlock()
	for _, path := range m.made {
		if fifo.Check(path) == nil {
			_ = os.Remove(path)
		}
	}
	m.made = nil
}

// start begins to read the pipes. Until it has all of them, the first are not
// the last.
func (m *merge) start() {
	starting := false
	m.locked(func() { m.setBusy(&starting, true) })
	for _, path := range m.cfg.Pipes {
		if _, err := m.add(&pipe{path: path}); !m.isEnding() {
			m.fail(err)
		}
	}
	for _, w := range m.watches {
		m.fail(w.scan())
		m.all.Go(func() { m.fail(w.run()) })
	}
	if m.spooled != nil {
		m.fail(m.spooled.deliverRest())
	}
	if m.ordered != nil {
		m.all.Go(func() {
			m.fail(m.ordered.run())
			m.ordered.drain()
		})
	}
	m.locked(func() { m.setBusy(&starting, false) })
}

func (m *merge) locked(do func()) {
	m.state.Lock()
	defer m.state.Unlock()
	do()
}

// add begins to read a pipe, unless it is read already.
func (m *merge) add(p *pipe) (fifo.ID, error) {
	r, err := fifo.OpenReader(p.path)
	if err != nil {
		return fifo.ID{}, err
	}
	id := r.ID()
	m.state.Lock()
	defer m.state.Unlock()
	if m.open[id] != nil {
		return id, r.Close()
	}
	if p.slot {
		m.made = append(m.made, p.path)
	}
	m.open[id] = r
	m.busy++
	if m.isEnding() {
		m.release(r)
	}
	in := m.source(p.path, p)
	p.merge, p.r, p.in, p.busy = m, r, in, true
	log := ""
	if m.spooled != nil {
		log = m.spooled.reserve(p.path)
	}
	if m.ordered != nil {
		m.ordered.source(in)
	}
	m.all.Go(func() {
		defer p.close()
		if m.spooled != nil {
			in, err := m.spooled.intake(p, log)
			if err != nil {
				m.fail(err)
				return
			}
			p.in = in
		}
		m.fail(p.run())
	})
	return id, nil
}

// setBusy notes whether something holds up the end that Once asks for. The
// state is locked.
func (m *merge) setBusy(busy *bool, is bool) {
	if *busy == is {
		return
	}
	if *busy = is; is {
		m.busy++
		m.linger.Stop()
		return
	}
	m.busy--
	if !m.cfg.Once || m.busy > 0 || m.isEnding() {
		return
	}
	m.linger.Reset(m.cfg.Linger)
}

// endAfterLinger ends the merge when it has had no writer for the time of Linger.
func (m *merge) endAfterLinger() {
	for !m.isEnding() {
		select {
		case <-m.ended:
		case <-m.linger.C:
			for _, w := range m.watches { // a slot may have been given away just now
				m.fail(w.scan())
			}
			still := false
			m.locked(func() { still = m.busy == 0 })
			if still {
				m.end(time.Time{})
			}
		}
	}
}

// isOpen reports whether the pipe is read already. While it is open no other
// has its ID.
func (m *merge) isOpen(id fifo.ID) bool {
	m.state.Lock()
	defer m.state.Unlock()
	return m.open[id] != nil
}

// fail ends the merge for an error, if it is one.
func (m *merge) fail(err error) {
	m.state.Lock()
	defer m.state.Unlock()
	if err != nil && m.failure == nil {
		m.failure = err
		m.cancel(err)
	}
}

func (m *merge) isEnding() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

// end ends the waiting for new writers. The door is closed first: nobody can
// write to a pipe any more that was not open before, and who has it open is
// read to the end, or until the time given.
func (m *merge) end(until time.Time) {
	m.locked(func() {
		if m.until = until; !m.isEnding() {
			close(m.ended)
		}
	})
	m.removePipes()
	m.locked(func() {
		for _, r := range m.open {
			m.release(r)
		}
	})
}

func (m *merge) release(r *fifo.Reader) {
	r.SetDeadline(m.until)
	r.Release()
}
