package record

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// linesReader reads a record of one field from each line that is not blank.
type linesReader struct {
	w      *window
	source string
	fields []string
	values [1]Value
}

func (r *linesReader) Read(rec *Record) error {
	for {
		number := r.w.line
		line, err := r.w.nextLine()
		if err == errTooLong {
			return r.w.skipLong(r.source)
		}
		if err != nil {
			return err
		}
		text := bytes.TrimSpace(line)
		if len(text) == 0 {
			continue
		}
		r.values[0] = Value{Text, text}
		*rec = Record{Fields: r.fields, Values: r.values[:], Raw: trimCR(line), Line: number}
		return nil
	}
}

// trimCR takes one carriage return off the end of a line.
func trimCR(line []byte) []byte { return bytes.TrimSuffix(line, []byte{'\r'}) }

// appendPlaces appends the offsets of c in line. It looks at eight bytes at
// once: fields are too short for a call of bytes.IndexByte for each to pay.
func appendPlaces(places []int, line []byte, c byte) []int {
	const ones, low = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f
	pattern := uint64(c) * ones
	i := 0
	for ; i+8 <= len(line); i += 8 {
		// A byte of x is zero, and of found has its high bit set, where c is.
		x := binary.LittleEndian.Uint64(line[i:]) ^ pattern
		found := ^((x&low + low) | x | low)
		for ; found != 0; found &= found - 1 {
			places = append(places, i+bits.TrailingZeros64(found)/8)
		}
	}
	for ; i < len(line); i++ {
		if line[i] == c {
			places = append(places, i)
		}
	}
	return places
}
