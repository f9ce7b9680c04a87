// Package fifomerge makes named pipes do what people think they do: many
// writers, one stream, whole records (Merge, Write), and the round trip of
// questions to a database and answers from it (Serve, Call).
package fifomerge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"pipeworks/internal/fifo"
	"pipeworks/internal/reject"
)

// MergeConfig says what to merge.
type MergeConfig struct {
	Pipes      []string    // paths; one that is missing is made, and removed at the end
	Mode       fs.FileMode // of the pipes made; 0 is 0600
	Once       bool        // end when every pipe has had a writer and none is left
	Terminator byte        // of a record: newline or NUL
	MaxRecord  int         // bytes; 0 is 64 MiB

	Rejects *reject.Sink         // of records that are not whole
	Warn    func(message string) // about a reject that is not written; nil: nobody is told
}

// MergeSummary is what a merge did.
type MergeSummary struct {
	In       int64 `json:"in"`       // whole records read
	Out      int64 `json:"out"`      // records written
	Rejected int   `json:"rejected"` // records that were not whole, or too long
	Bytes    int64 `json:"bytes"`    // written
}

const defaultMaxRecord = 64 << 20

// lastWords is how long a writer that is in mid-record when the merge is told
// to stop has to end it.
const lastWords = 200 * time.Millisecond

// Merge writes the records that arrive in the pipes to out, each whole and in
// its writer's order, until ctx ends or, with Once, the writers are gone. At
// the end of ctx it takes what is in the pipes before it returns.
func Merge(ctx context.Context, cfg MergeConfig, out io.Writer) (MergeSummary, error) {
	if cfg.MaxRecord == 0 {
		cfg.MaxRecord = defaultMaxRecord
	}
	if cfg.Mode == 0 {
		cfg.Mode = 0o600
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := &merge{
		cfg:  &cfg,
		out:  out,
		busy: len(cfg.Pipes),
		mark: append([]byte(fifo.TornMark), cfg.Terminator),
	}
	err := m.makePipes()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.removePipes()
	}()
	if err != nil {
		return m.sum, err
	}
	stop := context.AfterFunc(ctx, func() { m.end(time.Now().Add(lastWords)) })
	defer stop()
	var all sync.WaitGroup
	for _, path := range cfg.Pipes {
		all.Go(func() {
			if err := m.pipe(ctx, path); err != nil {
				m.fail(err)
				cancel(err)
			}
		})
	}
	all.Wait()
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
	cfg  *MergeConfig
	mark []byte   // fifo.TornMark, ended
	made []string // pipes to remove

	mu      sync.Mutex // of what follows
	readers []*fifo.Reader
	busy    int // pipes that have a writer, or have not had one yet
	ending  bool
	until   time.Time // when ending: no writer is waited for any longer
	failure error     // the first one, which ends the others

	writing sync.Mutex // of out, sum and the sink of rejects
	out     io.Writer
	sum     MergeSummary
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
	for _, path := range m.made {
		if fifo.Check(path) == nil {
			_ = os.Remove(path)
		}
	}
	m.made = nil
}

// pipe reads one pipe to its end.
func (m *merge) pipe(ctx context.Context, path string) error {
	r, err := m.open(ctx, path)
	if err != nil || r == nil {
		return err
	}
	defer r.Close()
	in := &source{m: m, path: path, busy: true, blocks: newBlocks(r, m.cfg.Terminator, m.cfg.MaxRecord)}
	for {
		records, err := in.blocks.Read()
		if tooLong, ok := errors.AsType[*tooLongError](err); ok {
			err = in.reject(tooLong, tooLong.Head)
		}
		switch {
		case err == nil:
			m.took(in)
			err = in.deliver(records)
		case err == io.EOF:
			if err := in.unfinished(); err != nil {
				return err
			}
			if m.left(in) {
				return nil
			}
			err = nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return in.unfinished()
		case errors.Is(err, fifo.ErrReplaced) && (m.cfg.Once || m.isEnding()):
			return nil // no other writer can come, and none need
		}
		if err != nil {
			return err
		}
	}
}

// open opens a pipe. It is nil if the merge ends before there is a writer.
func (m *merge) open(ctx context.Context, path string) (*fifo.Reader, error) {
	var r *fifo.Reader
	var err error
	if m.cfg.Once {
		r, err = fifo.AwaitWriter(ctx, path)
	} else {
		r, err = fifo.OpenReader(path)
	}
	if err != nil && ctx.Err() != nil {
		return nil, nil // the pipe may be removed already
	}
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readers = append(m.readers, r)
	if m.ending {
		m.release(r)
	}
	return r, nil
}

// took notes that a pipe has a writer.
func (m *merge) took(in *source) {
	if in.busy {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	in.busy = true
	m.busy++
}

// left notes that the last writer has left a pipe, and reports whether none is
// waited for any more.
func (m *merge) left(in *source) bool {
	m.mu.Lock()
	if in.busy {
		in.busy = false
		m.busy--
	}
	done := m.cfg.Once && m.busy == 0 && !m.ending
	m.mu.Unlock()
	if done {
		m.end(time.Time{})
	}
	return m.isEnding()
}

func (m *merge) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure == nil {
		m.failure = err
	}
}

func (m *merge) isEnding() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ending
}

// end ends the waiting for new writers. The door is closed first: nobody can
// write to a pipe any more that was not open before, and who has it open is
// read to the end, or until the time given.
func (m *merge) end(until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ending, m.until = true, until
	m.removePipes()
	for _, r := range m.readers {
		m.release(r)
	}
}

func (m *merge) release(r *fifo.Reader) {
	r.SetDeadline(m.until)
	r.Release()
}

// source is one pipe being read.
type source struct {
	m      *merge
	path   string
	busy   bool // it has a writer, or is waiting for its first
	blocks *blocks
	count  int
}

// deliver writes whole records.
func (in *source) deliver(records []byte) error {
	m := in.m
	if bytes.Contains(records, m.mark) {
		return in.deliverTorn(records)
	}
	return in.write(records)
}

// write writes whole records that no mark is among.
func (in *source) write(records []byte) error {
	if len(records) == 0 {
		return nil
	}
	m := in.m
	n := countRecords(records, m.cfg.Terminator)
	m.writing.Lock()
	defer m.writing.Unlock()
	in.count += int(n)
	m.sum.In += n
	written, err := m.out.Write(records)
	m.sum.Bytes += int64(written)
	if err != nil {
		return err
	}
	m.sum.Out += n
	return nil
}

// deliverTorn is deliver where a record ends in the mark that the rest of it
// will never come.
func (in *source) deliverTorn(records []byte) error {
	for {
		end := bytes.Index(records, in.m.mark)
		if end < 0 {
			return in.write(records)
		}
		begin := bytes.LastIndexByte(records[:end], in.m.cfg.Terminator) + 1
		if err := in.write(records[:begin]); err != nil {
			return err
		}
		if begin < end { // else the mark came alone: the end was seen before
			if err := in.reject(errUnfinished, records[begin:end]); err != nil {
				return err
			}
		}
		records = records[end+len(in.m.mark):]
	}
}

var errUnfinished = errors.New("was not finished")

// unfinished rejects what the last writer left of a record.
func (in *source) unfinished() error {
	if rest := in.blocks.Rest(); len(rest) > 0 {
		return in.reject(errUnfinished, rest)
	}
	return nil
}

func (in *source) reject(err error, input []byte) error {
	m := in.m
	m.writing.Lock()
	defer m.writing.Unlock()
	in.count++
	err = fmt.Errorf("%s: record %d %w", in.path, in.count, err)
	if m.cfg.Rejects.Out == nil && m.cfg.Warn != nil {
		m.cfg.Warn(err.Error() + " and is dropped")
	}
	return m.cfg.Rejects.Add(reject.Record{Source: in.path, Line: in.count, Err: err, Input: input})
}
