package fifomerge

import (
	"bytes"
	"cmp"
	"container/heap"
	"fmt"
	"math"
	"strconv"

	"pipeworks/internal/record"
)

// ordered merges sources that are each sorted by a field into one that is. The
// next record can only be told when every source has one, or is at its end.
type ordered struct {
	*sink
	field string
	all   []*sorted
	heads heads
	buf   []byte // records that are not written yet
	count int64  // of them
}

// sorted is a source on its way into order.
type sorted struct {
	o       *ordered
	in      *source
	rank    int // of equal records the one of the first source is first
	batches chan []keyed
	batch   []keyed // its first record is the one to compare
	last    key     // of the record before that
}

// keyed is a record and what it is ordered by.
type keyed struct {
	key    key
	record []byte
}

// key is the value of a field. Numbers come before text.
type key struct {
	number bool
	value  float64
	text   string
}

func (k key) compare(other key) int {
	switch {
	case k.number != other.number:
		if k.number {
			return -1
		}
		return 1
	case k.number && k.value != other.value:
		return cmp.Compare(k.value, other.value)
	case k.number && len(k.text) != len(other.text): // digits that a float has no room for
		return cmp.Compare(len(k.text), len(other.text))
	}
	return cmp.Compare(k.text, other.text)
}

// textKey is the key that a text stands for. NaN and Inf are words.
func textKey(text string) key {
	value, err := strconv.ParseFloat(text, 64)
	return key{err == nil && !math.IsNaN(value) && !math.IsInf(value, 0), value, text}
}

// keyOf is the key that a field of a record is.
func keyOf(rec []byte, field string) (key, error) {
	text, quoted, err := record.Field(rec, field)
	if err != nil || quoted {
		return key{text: text}, err
	}
	return textKey(text), nil
}

// source prepares a source to be put into order.
func (o *ordered) source(in *source) {
	in.sorted = &sorted{o: o, in: in, rank: len(o.all), batches: make(chan []keyed, 1)}
	o.all = append(o.all, in.sorted)
}

// send hands over records, which are kept.
func (s *sorted) send(records []byte) error {
	var batch []keyed
	var record []byte
	for rest := bytes.Clone(records); len(rest) > 0; {
		record, rest = s.in.Framing.Next(rest)
		k, err := keyOf(record[:len(record)-1], s.o.field)
		if err != nil {
			if err := s.in.reject(err, record[:len(record)-1]); err != nil {
				return err
			}
			continue
		}
		s.in.count++
		if s.in.count > 1 && k.compare(s.last) < 0 {
			return fmt.Errorf("%s: record %d comes before the one in front of it: the input is not sorted by %s", s.in.name, s.in.count, s.o.field)
		}
		s.last = k
		batch = append(batch, keyed{k, record})
	}
	if len(batch) > 0 {
		s.batches <- batch
	}
	return nil
}

// run writes the records of all sources, until they have ended.
func (o *ordered) run() error {
	for _, s := range o.all {
		if err := o.await(s); err != nil {
			return err
		}
	}
	for len(o.heads) > 0 {
		s := o.heads[0]
		o.add(s)
		if s.batch = s.batch[1:]; len(s.batch) > 0 {
			heap.Fix(&o.heads, 0)
			continue
		}
		heap.Pop(&o.heads)
		if err := o.await(s); err != nil {
			return err
		}
	}
	return o.flush()
}

// drain lets nobody wait to send, after an error.
func (o *ordered) drain() {
	for _, s := range o.all {
		for range s.batches {
		}
	}
}

// await waits for the next records of a source. If there are none yet, what is
// in order goes out.
func (o *ordered) await(s *sorted) error {
	var ok bool
	select {
	case s.batch, ok = <-s.batches:
	default:
		if err := o.flush(); err != nil {
			return err
		}
		s.batch, ok = <-s.batches
	}
	if ok {
		heap.Push(&o.heads, s)
	}
	if len(o.buf) >= blockSize {
		return o.flush()
	}
	return nil
}

// add adds the first record of a source to what is to be written.
func (o *ordered) add(s *sorted) {
	record := s.batch[0].record
	if o.count++; s.in.tag != nil {
		o.buf = s.in.tag.append(o.buf, o.Framing, record)
	} else {
		o.buf = append(o.buf, record...)
	}
}

func (o *ordered) flush() error {
	if len(o.buf) == 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sum.In += o.count
	o.Meter.AddRecords(int(o.count))
	if err := o.put(nil, nil, o.buf); err != nil {
		return err
	}
	o.sum.Out += o.count
	o.buf, o.count = o.buf[:0], 0
	return nil
}

// heads are the sources that have a record, the least first.
type heads []*sorted

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	return cmp.Or(h[i].batch[0].key.compare(h[j].batch[0].key), cmp.Compare(h[i].rank, h[j].rank)) < 0
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *heads) Push(s any) { *h = append(*h, s.(*sorted)) }

// Pop implements heap.Interface.
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
