package fifomerge

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Framing says where a record ends.
type Framing uint8

// The framings. A record's terminator or length is part of it.
const (
	Newline Framing = iota // it ends in a newline
	Null                   // it ends in NUL
	Length                 // its length stands before it: 4 bytes, the highest first
)

// ParseFraming returns the framing called name.
func ParseFraming(name string) (Framing, error) {
	for f, n := range []string{"newline", "null", "length"} {
		if n == name {
			return Framing(f), nil
		}
	}
	return 0, fmt.Errorf("unknown framing %q: it is one of newline, null, length", name)
}

// terminator ends a record, unless the framing is Length.
func (f Framing) terminator() byte {
	if f == Null {
		return 0
	}
	return '\n'
}

const lengthSize = 4

// recordLength is the length of the record that buf begins with, its own four
// bytes included; 0 while these are not all there.
func recordLength(buf []byte) int {
	if len(buf) < lengthSize {
		return 0
	}
	return lengthSize + int(binary.BigEndian.Uint32(buf))
}

// whole is how much of buf, which begins with a record, is whole records. The
// first seen bytes are known to have no terminator.
func (f Framing) whole(buf []byte, seen int) int {
	if f != Length {
		last := lastIndexByte(buf[seen:], f.terminator())
		if last < 0 {
			return 0
		}
		return seen + last + 1
	}
	end := 0
	for {
		n := recordLength(buf[end:])
		if n == 0 || n > len(buf)-end {
			return end
		}
		end += n
	}
}

// lastIndexByte is bytes.LastIndexByte, faster where c is far from the end:
// looking forward is what processors do many bytes at a time.
func lastIndexByte(s []byte, c byte) int {
	const chunk = 1024
	for begin := len(s) - chunk; begin > 0 && bytes.IndexByte(s[begin:], c) < 0; begin -= chunk {
		s = s[:begin]
	}
	return bytes.LastIndexByte(s, c)
}

// next splits the first record off records, which are whole.
func (f Framing) next(records []byte) (record, rest []byte) {
	n := recordLength(records)
	if f != Length {
		n = bytes.IndexByte(records, f.terminator()) + 1
	}
	return records[:n], records[n:]
}

// count is how many records there are.
func (f Framing) count(records []byte) (n int64) {
	if f != Length {
		return int64(bytes.Count(records, []byte{f.terminator()}))
	}
	for ; len(records) > 0; n++ {
		records = records[recordLength(records):]
	}
	return n
}
