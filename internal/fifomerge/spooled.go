package fifomerge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"pipeworks/internal/fifo"
	"pipeworks/internal/spool"
)

// SpoolConfig says where to keep records until they are delivered.
type SpoolConfig struct {
	Dir    string // made if missing
	Sync   spool.Sync
	Output string // the named pipe to deliver to
}

// The logs of a spool: of each pipe what came from it, and what readers of the
// output have not taken when they went.
const (
	inPrefix  = "in-"
	outPrefix = "out-"
)

// spooled delivers from a spool to a named pipe: each byte once, whoever is
// killed.
type spooled struct {
	*merge
	ctx   context.Context
	path  string // of the output
	dir   string
	spool *spool.Spool

	saidFull time.Time // the state locked

	// All of this belongs to who has the sink locked.
	w          *fifo.CountedWriter // nil: not open, and nothing of ours is in the pipe
	unwatch    func()
	unwatching sync.WaitGroup
	seq        int64
	returned   []leftover // the last one is delivered first
	opened     bool       // at least once

	resumed chan struct{} // closed when no record is half delivered
	resume  func()
}

func (m *merge) openSpool(ctx context.Context, cfg SpoolConfig) error {
	s, err := spool.Open(cfg.Dir, cfg.Sync)
	if err != nil {
		return err
	}
	m.spooled = &spooled{merge: m, ctx: ctx, path: cfg.Output, dir: cfg.Dir, spool: s, resumed: make(chan struct{})}
	m.spooled.resume = sync.OnceFunc(func() { close(m.spooled.resumed) })
	m.put = m.spooled.put
	if err := m.spooled.load(); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// load finds out how far the delivery of each log has come.
func (s *spooled) load() error {
	names, err := s.spool.Names()
	if err != nil {
		return err
	}
	slices.Sort(names)
	half := false
	for _, name := range names {
		l, err := s.spool.Log(name)
		if err != nil {
			return err
		}
		at := l.At()
		s.seq = max(s.seq, at.Seq)
		if at.Pending > 0 && fifo.WasWritten(s.path, at.Seq) {
			at.Skip += at.Pending
		}
		at.Pending = 0
		if strings.HasPrefix(name, outPrefix) {
			at.Offset, at.Skip = at.Offset+at.Skip, 0
			s.returned = append(s.returned, leftover{log: l})
		}
		half = half || at.Skip > 0
		if err := l.Store(at); err != nil {
			return err
		}
	}
	if !half {
		s.resume()
	}
	return nil
}

// deliverLog delivers what is in the log and what comes, until the log is
// finished, and removes it.
func (s *spooled) deliverLog(name string, l *spool.Log) {
	r := &logReader{log: l, offset: l.At().Offset}
	in := s.source(strings.TrimPrefix(name, inPrefix), r)
	in.log, in.skip = r, l.At().Skip
	s.all.Go(func() {
		err := s.deliverFrom(in)
		if err == io.EOF {
			err = l.Remove()
		}
		s.state.Lock()
		delete(s.inUse, name)
		s.state.Unlock()
		if err != nil && s.ctx.Err() == nil {
			s.fail(err)
		}
	})
}

// deliverFrom delivers all that comes. If a record of another source is half
// delivered that is first.
func (s *spooled) deliverFrom(in *source) error {
	if in.skip > 0 {
		var err error
		for in.skip > 0 && err == nil {
			err = in.take()
		}
		s.resume()
		if err != nil {
			return err
		}
	}
	select {
	case <-s.resumed:
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
	for {
		if err := in.take(); err != nil {
			return err
		}
	}
}

// deliverRest delivers the logs of pipes that are there no more.
func (s *spooled) deliverRest() error {
	names, err := s.spool.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, inPrefix) || s.isInUse(name) {
			continue
		}
		in := &intake{s: s}
		if in.log, err = s.spool.Log(name); err == nil {
			err = in.mark()
		}
		if err != nil {
			return err
		}
		in.log.Finish()
		s.deliverLog(name, in.log)
	}
	return nil
}

// isInUse reports whether a log has its pipe, and gives it to the caller if not.
func (s *spooled) isInUse(name string) bool {
	s.state.Lock()
	defer s.state.Unlock()
	was := s.inUse[name]
	s.inUse[name] = true
	return was
}

// logReader reads a log from where its delivery stands.
type logReader struct {
	log    *spool.Log
	offset int64
}

func (r *logReader) Read(p []byte) (int, error) {
	n, err := r.log.ReadAt(p, r.offset)
	r.offset += int64(n)
	return n, err
}

// put delivers what is made of records, which begin at in.offset of the log.
func (s *spooled) put(in *source, records, made []byte) error {
	skip := min(in.skip, int64(len(made)))
	at := spool.Position{Offset: in.offset, Skip: skip}
	for {
		err := s.open()
		if err == nil {
			err = s.putReturned()
		}
		if err == nil {
			err = s.putAll(in.log.log, &at, made)
		}
		if errors.Is(err, fifo.ErrNoReader) && s.w != nil {
			err = s.takeBack()
		} else if err == nil {
			break
		}
		if err != nil {
			return err
		}
	}
	if in.skip -= skip; in.skip > 0 {
		return nil
	}
	return in.log.log.Store(spool.Position{Offset: in.offset + int64(len(records)), Seq: s.seq})
}

// open opens the output as soon as somebody reads it.
func (s *spooled) open() (err error) {
	if s.w != nil {
		return nil
	}
	w, err := fifo.OpenCounted(s.ctx, s.path)
	if err != nil {
		return err
	}
	s.unwatch, err = w.Watch(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.w == w && !w.IsRead() {
			if err := s.takeBack(); err != nil {
				s.fail(err)
			}
		}
	})
	if err != nil {
		return errors.Join(err, w.Close())
	}
	s.w, s.opened = w, true
	return nil
}

// putAll writes what of made at has not skipped.
func (s *spooled) putAll(l *spool.Log, at *spool.Position, made []byte) error {
	for at.Skip < int64(len(made)) {
		piece := made[at.Skip:min(at.Skip+fifo.AtomicSize, int64(len(made)))]
		s.seq++
		at.Pending, at.Seq = int64(len(piece)), s.seq
		if err := errors.Join(s.w.Announce(s.seq), l.Store(*at)); err != nil {
			return err
		}
		if err := s.w.Write(piece); err != nil {
			at.Pending = 0
			return errors.Join(err, l.Store(*at))
		}
		s.sum.Bytes += at.Pending
		at.Skip += at.Pending
	}
	at.Pending = 0
	return nil
}

// leftover is what a reader has left: in a log, and behind that in memory what
// a full disk had no room for.
type leftover struct {
	log  *spool.Log
	rest []byte
}

// putReturned delivers what earlier readers have left.
func (s *spooled) putReturned() error {
	for len(s.returned) > 0 {
		last := &s.returned[len(s.returned)-1]
		if last.log != nil {
			if err := s.putLog(last.log); err != nil {
				return err
			}
			last.log = nil
		}
		for len(last.rest) > 0 {
			n := min(fifo.AtomicSize, len(last.rest))
			if err := s.w.Write(last.rest[:n]); err != nil {
				return err
			}
			last.rest = last.rest[n:]
		}
		s.returned = s.returned[:len(s.returned)-1]
	}
	return nil
}

// putLog delivers a log as it is, and removes it.
func (s *spooled) putLog(l *spool.Log) error {
	buf := make([]byte, blockSize)
	for {
		at := spool.Position{Offset: l.At().Offset + l.At().Skip, Seq: s.seq}
		if at.Offset == l.End() {
			return l.Remove()
		}
		n, err := l.ReadAt(buf, at.Offset)
		if err == nil {
			err = s.putAll(l, &at, buf[:n])
		}
		if err != nil {
			return err
		}
		if err := l.Store(at); err != nil {
			return err
		}
	}
}

// takeBack takes back what the reader that went has not taken.
func (s *spooled) takeBack() error {
	w := s.w
	left := leftover{}
	var err error
	if left.log, err = s.spool.Log(fmt.Sprintf("%s%08d", outPrefix, len(s.returned)+1)); err == nil {
		for n := 1; n > 0 && err == nil; {
			n, err = left.log.Fill(w.TakeBack)
		}
	}
	if full(err) {
		left.rest, err = w.ReadBack()
	}
	if left.log != nil && left.log.End() == 0 {
		err = errors.Join(err, left.log.Remove())
		left.log = nil
	}
	if left.log != nil || len(left.rest) > 0 {
		s.returned = append(s.returned, left)
	}
	s.w = nil
	s.unwatching.Go(s.unwatch) // it may be the watch itself that calls
	return errors.Join(err, w.Close())
}

// close waits until a reader has taken all, or leaves the rest on disk. A reader
// that has nothing to read gets its end of file, too.
func (s *spooled) close() error {
	done, err := s.settle()
	for !done && err == nil {
		select {
		case <-s.ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
		done, err = s.settle()
	}
	s.mu.Lock()
	w := s.w
	s.w = nil // for the watch
	s.mu.Unlock()
	if w != nil {
		s.unwatch()
		err = errors.Join(err, w.Close())
	}
	s.unwatching.Wait()
	return errors.Join(err, s.spool.Close())
}

// settle reports whether a reader has taken all, or is not waited for.
func (s *spooled) settle() (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w != nil && !s.w.IsRead() {
		if err := s.takeBack(); err != nil {
			return false, err
		}
	}
	if s.ctx.Err() != nil {
		return true, nil
	}
	if len(s.returned) > 0 || !s.opened {
		if err = s.open(); err == nil {
			err = s.putReturned()
		}
		if errors.Is(err, fifo.ErrNoReader) { // it has left already, or is not waited for
			err = nil
		}
	}
	return len(s.returned) == 0 && (s.w == nil || !s.w.Unread()), err
}
