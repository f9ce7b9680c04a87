package fifomerge

import (
	"bytes"
	"fmt"
	"io"
)

// blocks reads whole records from r, as many at a time as have arrived.
type blocks struct {
	r          io.Reader
	terminator byte
	max        int // bytes of a record, terminator included

	buf  []byte
	end  int // of what was read
	next int // where the first record that was not handed out begins
	skip bool
}

// blockSize is room for what a pipe holds by default, behind as much of a
// record that is not whole yet.
const blockSize = 128 << 10

func newBlocks(r io.Reader, terminator byte, maxRecord int) *blocks {
	return &blocks{r: r, terminator: terminator, max: maxRecord, buf: make([]byte, min(blockSize, maxRecord))}
}

// tooLongError is a record that is longer than allowed. What follows it can
// still be read.
type tooLongError struct {
	Max  int
	Head []byte // how it begins; valid until the next Read
}

func (e *tooLongError) Error() string { return fmt.Sprintf("is longer than %d bytes", e.Max) }

// Read reads once and returns the whole records that this completes, none if
// it completes none. They are valid until the next Read. An error of r comes
// alone, after all records before it.
func (b *blocks) Read() ([]byte, error) {
	b.end = copy(b.buf, b.buf[b.next:b.end])
	b.next = 0
	if b.end == len(b.buf) {
		if len(b.buf) == b.max {
			b.skip, b.end = true, 0
			return nil, &tooLongError{b.max, b.buf}
		}
		b.buf = append(b.buf, make([]byte, min(len(b.buf), b.max-len(b.buf)))...)
	}
	n, err := b.r.Read(b.buf[b.end:])
	if n == 0 {
		return nil, err
	}
	arrived := b.buf[b.end : b.end+n]
	b.end += n
	if b.skip {
		i := bytes.IndexByte(arrived, b.terminator)
		if i < 0 {
			b.end = 0
			return nil, nil
		}
		b.skip = false
		b.next = i + 1
		arrived = arrived[i+1:]
	}
	last := bytes.LastIndexByte(arrived, b.terminator)
	if last < 0 {
		return nil, nil
	}
	begin := b.next
	b.next = b.end - len(arrived) + last + 1
	return b.buf[begin:b.next], nil
}

// Rest takes what was read of a record that is not whole. It is valid until
// the next Read.
func (b *blocks) Rest() []byte {
	rest := b.buf[b.next:b.end]
	b.next, b.end, b.skip = 0, 0, false
	return rest
}

func countRecords(records []byte, terminator byte) int64 {
	return int64(bytes.Count(records, []byte{terminator}))
}
