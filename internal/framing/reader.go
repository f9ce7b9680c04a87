package framing

import (
	"bytes"
	"fmt"
	"io"
)

// Reader reads whole records from r, as many at a time as have arrived.
type Reader struct {
	r       io.Reader
	framing Framing
	max     int // bytes of a record, terminator or length included

	buf  []byte
	end  int  // of what was read
	next int  // where the first record that was not handed out begins
	skip bool // what comes is the rest of a record that was too long
	left int  // of it, with the framing Length
}

// blockSize is room for what a pipe holds by default, behind as much of a
// record that is not whole yet.
const blockSize = 128 << 10

// NewReader reads from r records of at most maxRecord bytes, the terminator or
// length included.
func NewReader(r io.Reader, framing Framing, maxRecord int) *Reader {
	size := min(blockSize, maxRecord)
	if framing == Length {
		size = max(size, LengthSize)
	}
	return &Reader{r: r, framing: framing, max: maxRecord, buf: make([]byte, size)}
}

// TooLongError is a record that is longer than allowed. What follows it can
// still be read.
type TooLongError struct {
	Max  int
	Head []byte // how it begins; valid until the next Read
}

func (e *TooLongError) Error() string { return fmt.Sprintf("is longer than %d bytes", e.Max) }

// Read reads once and returns the whole records that this completes, none if
// it completes none. They are valid until the next Read. An error of r comes
// alone, after all records before it.
func (b *Reader) Read() ([]byte, error) {
	if b.next > 0 {
		b.end = copy(b.buf, b.buf[b.next:b.end])
		b.next = 0
	}
	if err := b.refuse(); err != nil {
		return nil, err
	}
	if b.end == len(b.buf) {
		b.buf = append(b.buf, make([]byte, min(len(b.buf), b.max-len(b.buf)))...)
	}
	seen := b.end
	n, err := b.r.Read(b.buf[seen:])
	if n == 0 {
		return nil, err
	}
	b.end += n
	if b.skip {
		seen = b.skipped(b.buf[:b.end])
		b.next = seen
	}
	begin := b.next
	b.next += b.framing.Whole(b.buf[begin:b.end], seen-begin)
	return b.buf[begin:b.next], nil
}

// refuse returns an error if the record at hand is longer than allowed, and
// sees to it that its rest is passed over.
func (b *Reader) refuse() error {
	length := b.end
	if b.framing == Length {
		length = recordLength(b.buf[:b.end])
	}
	if length < b.max || b.framing == Length && length == b.max {
		return nil
	}
	b.left = length - b.end
	head := b.buf[:b.end]
	b.skip, b.end = true, 0
	return &TooLongError{b.max, head}
}

// skipped is how much of what has arrived belongs to the record that is passed
// over.
func (b *Reader) skipped(arrived []byte) int {
	n := len(arrived)
	if b.framing == Length {
		n = min(n, b.left)
		b.left -= n
		b.skip = b.left > 0
	} else if i := bytes.IndexByte(arrived, b.framing.Terminator()); i >= 0 {
		n = i + 1
		b.skip = false
	}
	return n
}

// Held is how much was read of a record that is not whole yet.
func (b *Reader) Held() int { return b.end - b.next }

// Rest takes what was read of a record that is not whole. It is valid until
// the next Read.
func (b *Reader) Rest() []byte {
	rest := b.buf[b.next:b.end]
	b.next, b.end, b.skip = 0, 0, false
	return rest
}
