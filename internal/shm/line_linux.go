package shm

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Line is a stream of bytes each way between two processes. One goroutine may
// write while another reads.
type Line struct {
	*segment
	in, out *direction
	from    []byte // the ring that in is about
	to      []byte
	other   int64 // the lock of the other end

	using  sync.RWMutex // the memory
	closed atomic.Bool
}

// direction is the state of one of the two rings.
type direction struct {
	head, tail mark
	closed     atomic.Bool // by who writes here
	_          [60]byte
}

// lineState is the first page of a line.
type lineState struct {
	intro
	directions [2]direction
	joined     mark // 1: somebody has
}

var _ [4096 - unsafe.Sizeof(lineState{})]byte // it fits into a page

// MakeLine makes a line and takes its first end.
func MakeLine(ctx context.Context, c Config) (*Line, error) { return openLine(ctx, c, 0) }

// JoinLine takes the second end of a line that somebody has made, and removes
// its name, so that nothing is left of it after a crash.
func JoinLine(ctx context.Context, c Config) (*Line, error) {
	c.mustExist = true
	l, err := openLine(ctx, c, 1)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(c.Path); err != nil {
		l.Close()
		return nil, err
	}
	(*lineState)(l.base).joined.advance(1)
	return l, nil
}

func openLine(ctx context.Context, c Config, end int) (*Line, error) {
	s, err := enter(ctx, c, 2)
	if err != nil {
		return nil, err
	}
	defer s.unlock(lockEnter)
	if err := s.tryLock(lockReader + int64(end)); err != nil {
		s.close()
		return nil, newError(c.Path, err)
	}
	state, other := (*lineState)(s.base), 1-end
	return &Line{
		segment: s, other: lockReader + int64(other),
		in: &state.directions[other], from: s.rings[other],
		out: &state.directions[end], to: s.rings[end],
	}, nil
}

// Joined waits until somebody has the second end, for at most that long; 0 is
// for ever.
func (l *Line) Joined(ctx context.Context, timeout time.Duration) error {
	joined := &(*lineState)(l.base).joined
	for start := time.Now(); joined.pos.Load() == 0; {
		if !joined.await(1) {
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case timeout > 0 && time.Since(start) >= timeout:
				return newError(l.path, ErrNobody)
			}
		}
	}
	return nil
}

// wait waits until the mark is at pos. The other end may close meanwhile or die.
func (l *Line) wait(m *mark, pos uint64, closed error) error {
	for m.pos.Load() < pos {
		gone := l.in.closed.Load()
		died := !gone && !m.await(pos) && !l.locked(l.other) && !l.in.closed.Load()
		switch {
		case l.closed.Load():
			return os.ErrClosed
		case m.pos.Load() >= pos: // its last bytes
		case gone:
			return closed
		case died:
			return newError(l.path, ErrDied)
		}
	}
	return nil
}

var errClosed = errors.New("the other end is closed")

// Write writes the pieces.
func (l *Line) Write(pieces ...[]byte) error {
	l.using.RLock()
	defer l.using.RUnlock()
	if l.closed.Load() {
		return os.ErrClosed
	}
	head := l.out.head.pos.Load()
	free := l.size - (head - l.out.tail.pos.Load())
	for _, p := range pieces {
		for len(p) > 0 {
			if free == 0 {
				l.out.head.advance(head)
				if err := l.wait(&l.out.tail, head-l.size*3/4, errClosed); err != nil {
					return err
				}
				free = l.size - (head - l.out.tail.pos.Load())
			}
			i := head & (l.size - 1)
			n := copy(l.to[i:i+min(free, publishEvery)], p)
			p = p[n:]
			head += uint64(n)
			free -= uint64(n)
			if head-l.out.head.pos.Load() >= publishEvery {
				l.out.head.advance(head)
			}
		}
	}
	l.out.head.advance(head)
	return nil
}

// Read reads what is there, at least a byte. io.EOF: the other end was closed.
func (l *Line) Read(p []byte) (int, error) {
	l.using.RLock()
	defer l.using.RUnlock()
	if l.closed.Load() {
		return 0, os.ErrClosed
	}
	tail := l.in.tail.pos.Load()
	if err := l.wait(&l.in.head, tail+1, io.EOF); err != nil {
		return 0, err
	}
	i := tail & (l.size - 1)
	n := copy(p, l.from[i:i+min(l.in.head.pos.Load()-tail, l.size)])
	l.in.tail.advance(tail + uint64(n))
	return n, nil
}

// Close closes this end. What was written can still be read at the other.
func (l *Line) Close() {
	if l.closed.Swap(true) {
		return
	}
	l.out.closed.Store(true)
	for _, d := range []*direction{l.in, l.out} {
		d.head.wakeAll()
		d.tail.wakeAll()
	}
	l.using.Lock()
	defer l.using.Unlock()
	if l.other == lockWriter && (*lineState)(l.base).joined.pos.Load() == 0 {
		_ = os.Remove(l.path) // nobody else knows it
	}
	l.close()
}
