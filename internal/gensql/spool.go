package gensql

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"

	"pipeworks/internal/record"
)

// spool holds records in a temporary file, to be read again once. The file has
// no name: whatever ends the process ends it too.
//
// A record is its length and then, each number a varint and each text behind
// its length: source, shape, line, whether it is typed, Raw, and the kind and
// bytes of every value.
type spool struct {
	file *os.File
	w    *bufio.Writer
	r    *bufio.Reader
	buf  []byte

	sources []string   // the different inputs
	shapes  [][]string // the different Fields
	shape   map[string]int
	values  []record.Value
}

func newSpool() (*spool, error) {
	f, err := os.CreateTemp("", "gensql-sample-")
	if err == nil {
		err = os.Remove(f.Name())
	}
	if err != nil {
		return nil, spoolError(err)
	}
	return &spool{file: f, w: bufio.NewWriterSize(f, blockSize), shape: map[string]int{}}, nil
}

func spoolError(err error) error { return fmt.Errorf("--sample all: %w", err) }

func (s *spool) write(source string, rec *record.Record) error {
	if n := len(s.sources); n == 0 || s.sources[n-1] != source {
		s.sources = append(s.sources, source)
	}
	b := binary.AppendUvarint(s.buf[:0], uint64(len(s.sources)-1))
	b = binary.AppendUvarint(b, uint64(s.shapeOf(rec.Fields)))
	b = binary.AppendUvarint(b, uint64(rec.Line))
	typed := byte(0)
	if rec.Typed {
		typed = 1
	}
	b = append(b, typed)
	b = appendSized(b, rec.Raw)
	for _, v := range rec.Values {
		b = appendSized(append(b, byte(v.Kind)), v.Bytes)
	}
	s.buf = b
	var size [binary.MaxVarintLen64]byte
	_, err := s.w.Write(binary.AppendUvarint(size[:0], uint64(len(b))))
	if err == nil {
		_, err = s.w.Write(b)
	}
	if err != nil {
		return spoolError(err)
	}
	return nil
}

func appendSized(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// shapeOf is the number of a record's Fields.
func (s *spool) shapeOf(fields []string) int {
	if n := len(s.shapes); n > 0 && sameSlice(fields, s.shapes[n-1]) {
		return n - 1
	}
	key := strings.Join(fields, "\x00")
	i, ok := s.shape[key]
	if !ok {
		i = len(s.shapes)
		s.shape[key], s.shapes = i, append(s.shapes, fields)
	}
	return i
}

// rewind ends the writing.
func (s *spool) rewind() error {
	err := s.w.Flush()
	if err == nil {
		_, err = s.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return spoolError(err)
	}
	s.r = bufio.NewReaderSize(s.file, blockSize)
	return nil
}

// read returns the next record, which is valid until the next read, and io.EOF
// after the last.
func (s *spool) read() (source string, rec record.Record, err error) {
	size, err := binary.ReadUvarint(s.r)
	if err == io.EOF {
		return "", rec, err
	}
	if err == nil {
		if uint64(cap(s.buf)) < size {
			s.buf = make([]byte, size)
		}
		s.buf = s.buf[:size]
		_, err = io.ReadFull(s.r, s.buf)
	}
	if err != nil {
		return "", rec, spoolError(err)
	}
	b := s.buf
	number := func() int {
		n, size := binary.Uvarint(b)
		b = b[size:]
		return int(n)
	}
	sized := func() []byte {
		n := number()
		text := b[:n:n]
		b = b[n:]
		return text
	}
	source = s.sources[number()]
	rec.Fields = s.shapes[number()]
	rec.Line = number()
	rec.Typed = b[0] == 1
	b = b[1:]
	rec.Raw = sized()
	s.values = s.values[:0]
	for len(b) > 0 {
		kind := record.Kind(b[0])
		b = b[1:]
		s.values = append(s.values, record.Value{Kind: kind, Bytes: sized()})
	}
	rec.Values = s.values
	return source, rec, nil
}

func (s *spool) close() { s.file.Close() }
