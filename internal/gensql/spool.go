package gensql

import (
	"bufio"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"strings"

	"pipeworks/internal/record"
)

// spool holds records in a temporary file, to be read again once. The file has
// no name: whatever ends the process ends it too.
type spool struct {
	file   *os.File
	w      *bufio.Writer
	enc    *gob.Encoder
	dec    *gob.Decoder
	shapes [][]string     // the different Fields, which stay in memory
	index  map[string]int // of a shape
	last   spooled
}

// spooled is a record as it is in the file.
type spooled struct {
	Source string
	Shape  int
	Typed  bool
	Line   int
	Raw    []byte
	Kinds  []byte
	Values [][]byte
}

func newSpool() (*spool, error) {
	f, err := os.CreateTemp("", "gensql-sample-")
	if err != nil {
		return nil, fmt.Errorf("--sample all: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("--sample all: %w", err)
	}
	w := bufio.NewWriterSize(f, blockSize)
	return &spool{file: f, w: w, enc: gob.NewEncoder(w), index: map[string]int{}}, nil
}

func (s *spool) write(source string, rec *record.Record) error {
	r := &s.last
	if len(s.shapes) == 0 || !sameSlice(rec.Fields, s.shapes[r.Shape]) {
		r.Shape = s.shape(rec.Fields)
	}
	r.Source, r.Typed, r.Line, r.Raw = source, rec.Typed, rec.Line, rec.Raw
	r.Kinds, r.Values = r.Kinds[:0], r.Values[:0]
	for _, v := range rec.Values {
		r.Kinds, r.Values = append(r.Kinds, byte(v.Kind)), append(r.Values, v.Bytes)
	}
	if err := s.enc.Encode(r); err != nil {
		return fmt.Errorf("--sample all: %w", err)
	}
	return nil
}

func (s *spool) shape(fields []string) int {
	key := strings.Join(fields, "\x00")
	i, ok := s.index[key]
	if !ok {
		i = len(s.shapes)
		s.index[key], s.shapes = i, append(s.shapes, fields)
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
		return fmt.Errorf("--sample all: %w", err)
	}
	s.dec = gob.NewDecoder(bufio.NewReaderSize(s.file, blockSize))
	return nil
}

// read returns the next record, io.EOF after the last.
func (s *spool) read() (string, *record.Record, error) {
	var r spooled
	if err := s.dec.Decode(&r); err != nil {
		return "", nil, err
	}
	rec := &record.Record{Fields: s.shapes[r.Shape], Values: make([]record.Value, len(r.Kinds)), Raw: r.Raw, Line: r.Line, Typed: r.Typed}
	for i, kind := range r.Kinds {
		rec.Values[i] = record.Value{Kind: record.Kind(kind), Bytes: r.Values[i]}
	}
	return r.Source, rec, nil
}

func (s *spool) close() { s.file.Close() }
