package shm

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"
	"unsafe"
)

// Record is what a queue carries.
type Record struct {
	Body []byte
	Key  string
	Kind uint8 // the user's own

	Taken *Extent // of a received one
}

// A record in the ring is a head of 8 bytes, its body and its key, and begins
// at a multiple of 8. A body that is too long for the ring goes in parts, the
// first of them with the length of the whole in front.
const (
	headSize = 8

	firstPart = 1 << 0
	lastPart  = 1 << 1
)

type recordHead struct {
	size  uint32 // of the body
	kind  uint8
	parts uint8
	key   uint16 // length
}

func (h recordHead) put(p []byte) {
	binary.NativeEndian.PutUint32(p, h.size)
	p[4], p[5] = h.kind, h.parts
	binary.NativeEndian.PutUint16(p[6:], h.key)
}

func getHead(p []byte) recordHead {
	return recordHead{binary.NativeEndian.Uint32(p), p[4], p[5], binary.NativeEndian.Uint16(p[6:])}
}

// length is how much of the ring the record takes.
func (h recordHead) length() uint64 { return (headSize + uint64(h.size) + uint64(h.key) + 7) &^ 7 }

// maxWriters is how many can have a queue open at once.
const maxWriters = 64

// queueState is the first page of a queue.
type queueState struct {
	intro

	holder  atomic.Uint64 // the generation of the writer that writes; 0: none
	release event         // holder is 0 again
	_       [52]byte

	head mark          // before it are whole records
	tail mark          // before it is what was acknowledged
	long atomic.Uint64 // the end of the last record in parts that was acknowledged

	stream atomic.Uint32 // what all agree on
	// How many writers have ended well, how many did not, and how many of each
	// readers have been told of.
	left                   atomic.Uint32 // how many readers have closed
	ended, aborted         atomic.Uint32
	endedTold, abortedTold atomic.Uint32
	reason                 [200]byte // why the last did not; zeros behind it

	writers [maxWriters]atomic.Uint64 // the generation of who holds the lock lockWriter+i; 0: none
}

var _ [4096 - unsafe.Sizeof(queueState{})]byte // it fits into a page

type queue struct {
	*segment
	*queueState
	data []byte
	c    Config

	alone      time.Time // since when nobody was seen at the other end
	leftBefore uint32
}

func enterQueue(ctx context.Context, c Config) (*queue, error) {
	s, err := enter(ctx, c, 1)
	if err != nil {
		return nil, err
	}
	q := &queue{segment: s, queueState: (*queueState)(s.base), data: s.rings[0], c: c}
	if err := q.agree(c.Stream); err != nil {
		q.close()
		return nil, q.err(err)
	}
	return q, nil
}

// agree makes sure that what is in the queue is a stream for all or for nobody.
func (q *queue) agree(stream bool) error {
	const records, pieces = 1, 2
	want := uint32(records)
	if stream {
		want = pieces
	}
	switch is := q.stream.Load(); {
	case is == 0 || !q.isWritten() && !q.locked(lockReader) && q.head.pos.Load() == q.tail.pos.Load():
		q.stream.Store(want)
	case is == want:
	case stream:
		return errors.New("records are sent there, and this is a byte stream (--stream)")
	default:
		return errors.New("a byte stream (--stream) is sent there, and these are records")
	}
	return nil
}

// at is the n bytes of the ring that begin at a position.
func (q *queue) at(pos uint64, n int) []byte {
	i := pos & (q.size - 1)
	return q.data[i : i+uint64(n) : i+uint64(n)]
}

// err is an error of the queue.
func (q *queue) err(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return newError(q.path, err)
}

// look is what everybody does at each beat of waiting: is the segment still
// there, and somebody at the other end?
func (q *queue) look(ctx context.Context, somebody bool) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case q.removed():
		return q.err(ErrRemoved)
	case !somebody && q.c.Stream && q.left.Load() != q.leftBefore:
		return q.err(ErrLeft)
	case somebody:
		q.alone = time.Time{}
	case q.alone.IsZero():
		q.alone = time.Now()
	case q.c.Timeout > 0 && time.Since(q.alone) >= q.c.Timeout:
		return q.err(ErrNobody)
	}
	return nil
}

// bury counts the writers that were killed as aborted.
func (q *queue) bury() {
	for i := range q.writers {
		if id := q.writers[i].Load(); id != 0 && !q.locked(lockWriter+int64(i)) && q.writers[i].CompareAndSwap(id, 0) {
			q.aborted.Add(1)
			q.head.wakeAll()
		}
	}
}

// isWritten reports whether there is a writer.
func (q *queueState) isWritten() bool {
	for i := range q.writers {
		if q.writers[i].Load() != 0 {
			return true
		}
	}
	return false
}

// leave removes the segment if nobody is there to use it and nothing is in it,
// or half a stream. The caller has given up its own place. If its memory is still
// looked at, it stays mapped.
func (q *queue) leave(lookedAt bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if q.lock(ctx, lockEnter) == nil {
		q.bury()
		empty := q.c.Stream || q.head.pos.Load() == q.tail.pos.Load()
		if empty && !q.isWritten() && !q.locked(lockReader) && !q.removed() {
			_ = os.Remove(q.path)
		}
		q.unlock(lockEnter)
	}
	if lookedAt { // and keeps the file open, too
		q.base = nil
	}
	q.close()
}

// Status is who uses a segment, and what is in it.
type Status struct {
	Writers, Readers int
	Bytes, Size      int64 // in the ring, and of all rings
}

// Stat looks at a segment without taking part.
func Stat(path string) (Status, error) {
	f, err := os.Open(path)
	if err != nil {
		return Status{}, newError(path, err)
	}
	defer f.Close()
	first, page := readIntro(f)
	if first == nil {
		return Status{}, newError(path, errAlien)
	}
	s := Status{Size: int64(first.rings) * int64(first.size)}
	if locked(f, lockReader) {
		s.Readers = 1
	}
	for i := range int64(maxWriters) {
		if locked(f, lockWriter+i) {
			s.Writers++
		}
	}
	if first.rings == 1 {
		state := (*queueState)(unsafe.Pointer(&page[0]))
		s.Bytes = int64(state.head.pos.Load() - state.tail.pos.Load())
	}
	return s, nil
}
