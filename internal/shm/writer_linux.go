package shm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	publishEvery = 64 << 10 // bytes of a batch after which the reader may have them
	maxKey       = 1<<16 - 1
)

// Writer writes records to a queue. It is used by one goroutine at a time.
type Writer struct {
	*queue
	id   uint64 // its generation
	slot int
	pos  uint64 // where the next record goes, while the writer is the holder
	free uint64 // the tail, as it was last seen
	last uint64 // the end of the last record
}

// OpenWriter makes the queue unless it is there, and takes a writer's place.
func OpenWriter(ctx context.Context, c Config) (*Writer, error) {
	q, err := enterQueue(ctx, c)
	if err != nil {
		return nil, err
	}
	defer q.unlock(lockEnter)
	q.bury()
	if c.Stream && (q.isWritten() || q.ended.Load() != q.endedTold.Load() || q.aborted.Load() != q.abortedTold.Load()) {
		q.close()
		return nil, q.err(errors.New("a byte stream has one sender, and there is or was one"))
	}
	q.leftBefore = q.left.Load()
	for i := range q.writers {
		if q.writers[i].Load() == 0 && q.tryLock(lockWriter+int64(i)) == nil {
			w := &Writer{queue: q, id: q.generation.Add(1), slot: i, last: q.tail.pos.Load()}
			q.writers[i].Store(w.id)
			q.head.wakeAll() // the reader may have waited for somebody
			return w, nil
		}
	}
	err = q.err(errors.New("it has as many senders as it can"))
	q.close()
	return nil, err
}

// Begin makes this writer the one that writes. It waits for the one that does.
func (w *Writer) Begin(ctx context.Context) error {
	for !w.holder.CompareAndSwap(0, w.id) {
		w.release.waiting.Store(1)
		holder := w.holder.Load()
		if holder == 0 || w.release.sleep() {
			continue
		}
		if err := w.look(ctx, true); err != nil {
			return err
		}
		// A dead one has written to the ring behind the head, where nobody looks.
		if !w.lives(holder) && w.holder.CompareAndSwap(holder, w.id) {
			break
		}
	}
	w.pos = w.head.pos.Load()
	return nil
}

// lives reports whether the writer of a generation does.
func (w *Writer) lives(id uint64) bool {
	for i := range w.writers {
		if w.writers[i].Load() == id {
			return w.locked(lockWriter + int64(i))
		}
	}
	return false
}

// End lets the reader have what was put, and the next writer write.
func (w *Writer) End() {
	w.publish()
	w.holder.Store(0)
	w.release.wake()
}

func (w *Writer) publish() {
	if w.pos != w.head.pos.Load() {
		w.last = w.pos
		w.head.advance(w.pos)
	}
}

// Put puts a record into the queue, between Begin and End. While there is no
// room it waits. A record that is longer than half of the ring is in the queue
// only for as long as Put waits for its acknowledgement.
func (w *Writer) Put(ctx context.Context, r Record) error {
	if longest := min(maxKey, int(w.size)/8); len(r.Key) > longest {
		return w.err(fmt.Errorf("a key of %d bytes: at most %d are taken", len(r.Key), longest))
	}
	head := recordHead{uint32(len(r.Body)), r.Kind, firstPart | lastPart, uint16(len(r.Key))}
	if len(r.Body) > int(w.size)/2 || head.length() > w.size/2 {
		return w.putParts(ctx, r)
	}
	return w.put(ctx, head, nil, r.Body, r.Key)
}

// put writes a record, or a part of one, whose body is in two pieces.
func (w *Writer) put(ctx context.Context, head recordHead, before, body []byte, key string) error {
	n := head.length()
	if w.pos+n-w.free > w.size {
		if err := w.room(ctx, n); err != nil {
			return err
		}
	}
	p := w.at(w.pos, int(n))
	head.put(p)
	p = p[headSize:]
	p = p[copy(p, before):]
	p = p[copy(p, body):]
	copy(p, key)
	w.pos += n
	if w.pos-w.head.pos.Load() >= publishEvery {
		w.publish()
	}
	return nil
}

// room waits until n bytes of the ring are free, and for more if they soon are:
// a wake-up costs more than a short record.
func (w *Writer) room(ctx context.Context, n uint64) error {
	if w.free = w.tail.pos.Load(); w.pos+n-w.free <= w.size {
		return nil
	}
	w.publish()
	for w.free = w.tail.pos.Load(); w.pos+n-w.free > w.size; w.free = w.tail.pos.Load() {
		if !w.tail.await(w.pos + max(n, w.size/4) - w.size) {
			if err := w.look(ctx, w.locked(lockReader)); err != nil {
				return err
			}
		}
	}
	return nil
}

// putParts writes a record that the ring cannot hold. Of the parts that the
// reader has taken out nothing is left in the ring, so that the whole is written
// again if the reader dies before it has acknowledged it.
func (w *Writer) putParts(ctx context.Context, r Record) error {
	var total [8]byte
	binary.NativeEndian.PutUint64(total[:], uint64(len(r.Body)))
	for {
		before, rest, key := total[:], r.Body, r.Key
		for parts := uint8(firstPart); parts&lastPart == 0; parts &^= firstPart {
			n := min(len(rest), int(w.size)/4-headSize-len(before)-len(key))
			if n == len(rest) {
				parts |= lastPart
			}
			head := recordHead{uint32(len(before) + n), r.Kind, parts, uint16(len(key))}
			if err := w.put(ctx, head, before, rest[:n], key); err != nil {
				return err
			}
			before, rest, key = nil, rest[n:], ""
		}
		w.publish()
		if err := w.Flush(ctx); err != nil || w.long.Load() == w.pos {
			return err
		}
	}
}

// Flush waits until the reader has acknowledged all that this writer has put.
func (w *Writer) Flush(ctx context.Context) error {
	for w.tail.pos.Load() < w.last {
		if !w.tail.await(w.last) {
			if err := w.look(ctx, w.locked(lockReader)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close gives up the writer's place. A reason is why it has not come to its
// end.
func (w *Writer) Close(reason string) {
	if w.base == nil {
		return // it was called before
	}
	if reason == "" {
		w.ended.Add(1)
	} else {
		clear(w.reason[copy(w.reason[:], reason):])
		w.aborted.Add(1)
	}
	w.writers[w.slot].Store(0)
	w.unlock(lockWriter + int64(w.slot))
	w.head.wakeAll()
	w.leave(false)
}
