package shm

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

// AbortedError is a writer that did not come to its end.
type AbortedError struct{ Reason string }

func (e *AbortedError) Error() string { return e.Reason }

// Reader reads a queue. One goroutine may Ack while another reads.
type Reader struct {
	*queue
	next uint64 // where the record after the last one begins
	head uint64 // as it was last seen

	whole    []byte // the parts of a record that have come
	total    int    // its length
	longest  int    // that is taken
	wholeKey string

	using  sync.RWMutex // the memory
	closed atomic.Bool

	mu          sync.Mutex
	first, last *Extent // what is in the ring and was taken, in order
}

// Extent is where in the ring a record is that was taken.
type Extent struct {
	end  uint64
	long bool // the last part of a record
	done bool
	next *Extent
}

// OpenReader makes the queue unless it is there, and takes the reader's place.
// If there is another reader, the error is ErrInUse. It reads records of up to
// longest bytes, beginning with the first that is not acknowledged.
func OpenReader(ctx context.Context, c Config, longest int) (*Reader, error) {
	q, err := enterQueue(ctx, c)
	if err != nil {
		return nil, err
	}
	defer q.unlock(lockEnter)
	if err := q.tryLock(lockReader); err != nil {
		q.close()
		return nil, newError(c.Path, err)
	}
	tail := q.tail.pos.Load()
	return &Reader{queue: q, next: tail, head: tail, longest: longest}, nil
}

// Receive waits for a record, and calls take with it and others that are there,
// at most n. Their bodies are in the ring until they are acknowledged, or in
// memory of their own. The error is io.EOF when all writers have come to their
// ends, and an *AbortedError when there are none and one of them did not. Each
// is told once.
func (r *Reader) Receive(ctx context.Context, n int, take func(Record)) error {
	r.using.RLock()
	defer r.using.RUnlock()
	for taken := 0; taken == 0; {
		if err := r.wait(ctx); err != nil {
			return err
		}
		for taken < n && r.seen() > 0 {
			record, ok, err := r.take()
			if err != nil && taken > 0 {
				return nil // it comes again
			}
			if err != nil {
				return r.err(err)
			}
			if ok {
				take(record)
				taken++
			}
		}
	}
	return nil
}

// wait waits for a record, or a part of one.
func (r *Reader) wait(ctx context.Context) error {
	for r.closed.Load() || r.seen() == 0 {
		if r.closed.Load() {
			return os.ErrClosed
		}
		if err := r.over(); err != nil {
			return r.err(err)
		}
		if !r.queueState.head.await(r.next + 1) {
			r.bury()
			if err := r.look(ctx, r.isWritten()); err != nil {
				return err
			}
		}
	}
	return nil
}

// seen is how many bytes are there to be read.
func (r *Reader) seen() uint64 {
	if r.head == r.next {
		r.head = r.queueState.head.pos.Load()
	}
	return r.head - r.next
}

// over returns the end of the stream, if this is it.
func (r *Reader) over() error {
	if r.ended.Load() == r.endedTold.Load() && r.aborted.Load() == r.abortedTold.Load() || r.isWritten() {
		return nil
	}
	ended, aborted := r.ended.Load(), r.aborted.Load()
	if r.seen() > 0 {
		return nil // the last words of who has left by now
	}
	r.endedTold.Store(ended)
	if aborted != r.abortedTold.Load() {
		r.abortedTold.Store(aborted)
		reason, _, _ := strings.Cut(string(r.reason[:]), "\x00")
		clear(r.reason[:])
		if reason == "" {
			reason = "a sender was killed"
		}
		return &AbortedError{reason}
	}
	return io.EOF
}

// take takes the next record, or a part of one that is not the last.
func (r *Reader) take() (record Record, ok bool, err error) {
	if r.seen() < headSize {
		return record, false, errCorrupt
	}
	head := getHead(r.at(r.next, headSize))
	n := head.length()
	if n > r.seen() {
		return record, false, errCorrupt
	}
	body := r.at(r.next+headSize, int(head.size))
	key := string(r.at(r.next+headSize+uint64(head.size), int(head.key)))
	record = Record{Body: body, Key: key, Kind: head.kind}
	ok = head.parts&lastPart != 0
	switch {
	case head.parts != firstPart|lastPart:
		ok, err = r.join(&record, head)
	case len(body) > r.longest:
		err = r.tooLong(len(body))
	default:
		r.whole = nil
	}
	if err != nil {
		return record, false, err
	}
	r.next += n
	record.Taken = &Extent{end: r.next, long: ok && head.parts == lastPart}
	r.taken(record.Taken)
	if !ok {
		r.Ack(record.Taken)
	}
	return record, ok, nil
}

func (r *Reader) tooLong(n int) error {
	return fmt.Errorf("a record of %d bytes: at most %d are taken", n, r.longest)
}

// join adds a part to those before it, and reports whether the record is whole.
// Parts whose first ones another reader has taken are nothing; they come again.
// So are first ones whose writer died.
func (r *Reader) join(record *Record, head recordHead) (whole bool, err error) {
	body := record.Body
	if head.parts&firstPart != 0 {
		if len(body) < 8 {
			return false, errCorrupt
		}
		total := binary.NativeEndian.Uint64(body)
		if total > uint64(r.longest) {
			return false, r.tooLong(int(total))
		}
		body = body[8:]
		r.whole, r.total, r.wholeKey = make([]byte, 0, total), int(total), record.Key
	}
	if r.whole == nil {
		return false, nil
	}
	if len(r.whole)+len(body) > r.total {
		return false, errCorrupt
	}
	r.whole = append(r.whole, body...)
	if head.parts&lastPart == 0 {
		return false, nil
	}
	if len(r.whole) != r.total {
		return false, errCorrupt
	}
	record.Body, record.Key = r.whole, r.wholeKey
	r.whole = nil
	return true, nil
}

// taken remembers an extent until it is acknowledged.
func (r *Reader) taken(e *Extent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = e
	} else {
		r.last.next = e
	}
	r.last = e
}

// Ack says that records need not come again. Their place in the ring is free
// when all before them are acknowledged, too.
func (r *Reader) Ack(taken ...*Extent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return
	}
	for _, e := range taken {
		e.done = true
	}
	var end uint64
	for ; r.first != nil && r.first.done; r.first = r.first.next {
		end = r.first.end
		if r.first.long {
			r.long.Store(end)
		}
	}
	if end != 0 {
		r.tail.advance(end)
	}
}

// Close gives up the reader's place, and ends a Receive that waits. What was
// not acknowledged stays in the ring.
func (r *Reader) Close() {
	if r.closed.Swap(true) {
		return
	}
	r.queueState.head.wakeAll()
	r.using.Lock()
	defer r.using.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left.Add(1)
	r.unlock(lockReader)
	r.tail.wakeAll()
	r.leave(r.first != nil)
}
