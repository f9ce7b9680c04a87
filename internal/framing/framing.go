// Package framing cuts a byte stream into records, which end in newline or NUL,
// or have their length before them, by whole blocks of them.
package framing

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// Framing says where a record ends.
type Framing uint8

// The framings. A record's terminator or length is part of it.
const (
	Newline Framing = iota // it ends in a newline
	Null                   // it ends in NUL
	Length                 // its length stands before it: 4 bytes, the highest first
)

// Parse returns the framing called name.
func Parse(name string) (Framing, error) {
	for f, n := range []string{"newline", "null", "length"} {
		if n == name {
			return Framing(f), nil
		}
	}
	return 0, fmt.Errorf("unknown framing %q: it is one of newline, null, length", name)
}

// Terminator ends a record, unless the framing is Length.
func (f Framing) Terminator() byte {
	if f == Null {
		return 0
	}
	return '\n'
}

// LengthSize is that of the length before a record, in bytes.
const LengthSize = 4

// recordLength is the length of the record that buf begins with, its own four
// bytes included; 0 while these are not all there.
func recordLength(buf []byte) int {
	if len(buf) < LengthSize {
		return 0
	}
	return LengthSize + int(binary.BigEndian.Uint32(buf))
}

// Whole is how much of buf, which begins with a record, is whole records. The
// first seen bytes are known to have no terminator.
func (f Framing) Whole(buf []byte, seen int) int {
	if f != Length {
		last := lastIndexByte(buf[seen:], f.Terminator())
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

// Next splits the first record off records, which are whole.
func (f Framing) Next(records []byte) (record, rest []byte) {
	n := recordLength(records)
	if f != Length {
		n = bytes.IndexByte(records, f.Terminator()) + 1
	}
	return records[:n], records[n:]
}

// Bare is a record without its terminator or length.
func (f Framing) Bare(record []byte) []byte {
	if f == Length {
		return record[LengthSize:]
	}
	return record[:len(record)-1]
}

// Append appends a record that is bare, with its terminator or length. A record
// that holds a terminator, or is too long for a length, is an error.
func (f Framing) Append(b, bare []byte) ([]byte, error) {
	if f == Length {
		if len(bare) > math.MaxUint32 {
			return b, fmt.Errorf("%d bytes are too many for a length of 4", len(bare))
		}
		return append(binary.BigEndian.AppendUint32(b, uint32(len(bare))), bare...), nil
	}
	if bytes.IndexByte(bare, f.Terminator()) >= 0 {
		return b, &TerminatorError{f}
	}
	return append(append(b, bare...), f.Terminator()), nil
}

// TerminatorError is a record that would become two.
type TerminatorError struct{ Framing Framing }

func (e *TerminatorError) Error() string {
	if e.Framing == Null {
		return "it holds a NUL, which is to end it"
	}
	return "it holds a newline, which is to end it"
}

// Hint is the cure.
func (e *TerminatorError) Hint() string {
	if e.Framing == Null {
		return "--framing length can hold any bytes"
	}
	return "-0 or --framing length can hold newlines"
}

// Count is how many records there are.
func (f Framing) Count(records []byte) (n int64) {
	if f != Length {
		return int64(bytes.Count(records, []byte{f.Terminator()}))
	}
	for ; len(records) > 0; n++ {
		records = records[recordLength(records):]
	}
	return n
}
