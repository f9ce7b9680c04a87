package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// csvReader reads RFC 4180 with a header line. Lines may end in LF or CRLF; a
// quoted field keeps every byte between its quotes, line ends included. A
// quote inside an unquoted field is text (6" pipe). An unquoted empty field
// is NULL and a quoted one is the empty text, as in PostgreSQL's COPY.
type csvReader struct {
	w      *window
	source string
	nullAs *string
	fields []string
	values []Value
	arena  []byte // fields with doubled quotes, undoubled
	spans  []span // of the record in hand, where it has quotes
}

var (
	errQuoteEnd  = errors.New("quoted field without a closing quote")
	errQuoteText = errors.New("text behind a closing quote")
)

func (r *csvReader) Read(rec *Record) error {
	if r.fields == nil {
		if err := r.header(); err != nil {
			return err
		}
	}
	for {
		number := r.w.line
		raw, err := r.record(number)
		if err != nil {
			return err
		}
		if len(raw) == 0 && len(r.fields) > 1 {
			continue // a blank line; of a single column it is a NULL
		}
		if len(r.values) != len(r.fields) {
			return &SyntaxError{Source: r.source, Line: number, Raw: raw, Err: countError{len(r.values), len(r.fields)}}
		}
		for i, v := range r.values {
			r.values[i] = r.null(v)
		}
		*rec = Record{Fields: r.fields, Values: r.values, Raw: raw, Line: number}
		return nil
	}
}

// countError is a row with more or fewer fields than the header.
type countError struct{ row, header int }

func (e countError) Error() string {
	return fmt.Sprintf("the header has %s, this record has %d", plural(e.header, "field"), e.row)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// csvQuoted marks, between record and null, a field that was quoted.
const csvQuoted = Text + 100

// null takes the mark off and makes a field NULL if it was unquoted and says so.
func (r *csvReader) null(v Value) Value {
	switch {
	case v.Kind == csvQuoted:
		return Value{Text, v.Bytes}
	case r.nullAs != nil && string(v.Bytes) == *r.nullAs, r.nullAs == nil && len(v.Bytes) == 0:
		return Value{}
	}
	return v
}

func (r *csvReader) header() error {
	for {
		raw, err := r.record(r.w.line)
		if err != nil {
			return err
		}
		if len(raw) == 0 {
			continue
		}
		r.fields = make([]string, len(r.values))
		for i, v := range r.values {
			r.fields[i] = string(v.Bytes)
		}
		return nil
	}
}

// record takes the next record off the window and splits it into values. The
// record returned is without its line end.
func (r *csvReader) record(number int) ([]byte, error) {
	n, newline, err := r.w.lineEnd(0)
	if err == errTooLong {
		return nil, r.w.skipLong(r.source)
	}
	if err != nil {
		return nil, err
	}
	if !newline && n == 0 {
		return nil, io.EOF
	}
	r.values, r.arena = r.values[:0], r.arena[:0]
	if bytes.IndexByte(r.w.buf[r.w.pos:r.w.pos+n], '"') >= 0 {
		return r.quotedRecord(number)
	}
	line := r.w.take(n, newline)
	r.w.line++
	line = trimCR(line)
	for rest := line; ; {
		i := bytes.IndexByte(rest, ',')
		if i < 0 {
			r.values = append(r.values, Value{Text, rest})
			return line, nil
		}
		r.values = append(r.values, Value{Text, rest[:i]})
		rest = rest[i+1:]
	}
}

// span is a field in the window or in the arena.
type span struct {
	from, to int
	kind     Kind
	arena    bool
}

// quotedRecord takes a record that has quotes, and so perhaps line ends, in
// it. Offsets count from the start of the record, since the window moves.
func (r *csvReader) quotedRecord(number int) ([]byte, error) {
	r.spans = r.spans[:0]
	pos, lines := 0, 1
	fail := func(err error, at int) ([]byte, error) {
		return nil, r.fail(number, at, err)
	}
	for {
		s := span{from: pos, kind: Text}
		c, ok, err := r.at(pos)
		if err != nil {
			return fail(err, pos)
		}
		if ok && c == '"' {
			s, pos, err = r.quotedField(pos+1, &lines)
			if err != nil {
				return fail(err, pos)
			}
		} else {
			n, _, err := r.w.lineEnd(pos)
			if err != nil {
				return fail(err, pos)
			}
			line := r.w.buf[r.w.pos+pos : r.w.pos+pos+n]
			if i := bytes.IndexByte(line, ','); i >= 0 {
				n = i
			} else {
				n = len(trimCR(line))
			}
			pos += n
			s.to = pos
		}
		r.spans = append(r.spans, s)
		c, ok, err = r.at(pos)
		if err != nil {
			return fail(err, pos)
		}
		if ok && c == ',' {
			pos++
			continue
		}
		end := pos
		if ok && c == '\r' {
			end++
			if c, ok, err = r.at(end); err != nil {
				return fail(err, pos)
			}
		}
		if ok && c != '\n' {
			return fail(errQuoteText, pos)
		}
		raw := r.w.take(end, ok)[:pos]
		r.w.line += lines
		for _, s := range r.spans {
			from := raw
			if s.arena {
				from = r.arena
			}
			r.values = append(r.values, Value{s.kind, from[s.from:s.to]})
		}
		return raw, nil
	}
}

// quotedField reads the field whose text begins at pos, behind its quote, and
// returns the position behind the closing quote.
func (r *csvReader) quotedField(pos int, lines *int) (span, int, error) {
	s := span{from: pos, kind: csvQuoted}
	for {
		rest := r.w.buf[r.w.pos+pos:]
		i := bytes.IndexByte(rest, '"')
		if i < 0 {
			i = len(rest)
		}
		*lines += bytes.Count(rest[:i], []byte{'\n'})
		if s.arena {
			r.arena = append(r.arena, rest[:i]...)
		}
		pos += i
		c, ok, err := r.at(pos)
		if err != nil {
			return s, pos, err
		}
		if !ok {
			return s, pos, errQuoteEnd
		}
		if c != '"' {
			continue // the window has more now
		}
		pos++
		c, ok, err = r.at(pos)
		if err != nil {
			return s, pos, err
		}
		if !ok || c != '"' {
			s.to = pos - 1
			if s.arena {
				s.to = len(r.arena)
			}
			return s, pos, nil
		}
		if !s.arena { // the first doubled quote
			text := r.w.buf[r.w.pos+s.from : r.w.pos+pos-1]
			s.from, s.arena = len(r.arena), true
			r.arena = append(r.arena, text...)
		}
		r.arena = append(r.arena, '"')
		pos++
	}
}

// at returns the byte at an offset in the window; ok is false at the end of
// the input.
func (r *csvReader) at(offset int) (c byte, ok bool, err error) {
	if offset > r.w.max {
		return 0, false, errTooLong
	}
	for r.w.pos+offset >= len(r.w.buf) {
		if err := r.w.fill(); err == io.EOF {
			return 0, false, nil
		} else if err != nil {
			return 0, false, err
		}
	}
	return r.w.buf[r.w.pos+offset], true, nil
}

// fail turns err, found at an offset in a quoted record, into a syntax error
// and goes to the next line: where a quote went wrong nobody knows the end of
// the record. Errors of the input itself stay as they are.
func (r *csvReader) fail(number, offset int, err error) error {
	switch err {
	case errTooLong:
		return r.w.skipLong(r.source)
	case errQuoteEnd, errQuoteText:
	default:
		return err
	}
	start := r.w.buf[r.w.pos:]
	behind := start[:min(offset, len(start))]
	line := number + bytes.Count(behind, []byte{'\n'})
	column := len(behind) - bytes.LastIndexByte(behind, '\n')
	if err == errQuoteEnd { // say where it began: it ends nowhere
		line, column = number, 0
	}
	n, newline, readErr := r.w.lineEnd(0)
	if readErr != nil {
		return readErr
	}
	raw := trimCR(r.w.take(n, newline))
	r.w.line++
	return &SyntaxError{Source: r.source, Line: line, Column: column, Raw: raw, Err: err}
}

// csvWriter writes RFC 4180 with LF line ends.
type csvWriter struct {
	block
	o       WriterOptions
	scratch []byte
}

// Begin implements Writer.
func (w *csvWriter) Begin(fields []string) error {
	if w.o.NoHeader {
		return nil
	}
	for i, name := range fields {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.text([]byte(name))
	}
	w.buf = append(w.buf, '\n')
	return w.endRecord()
}

// Write implements Writer.
func (w *csvWriter) Write(values []Value) error {
	for i, v := range values {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		switch v.Kind {
		case Null:
			if w.o.NullAs != nil {
				w.buf = append(w.buf, *w.o.NullAs...)
			}
		case Binary:
			w.scratch = w.o.Binary.appendText(w.scratch[:0], v.Bytes)
			w.text(w.scratch)
		default:
			w.text(v.Bytes)
		}
	}
	w.buf = append(w.buf, '\n')
	return w.endRecord()
}

// text writes a field that is not NULL, in quotes where it needs them: for
// what would end it, and where it would read as NULL.
func (w *csvWriter) text(s []byte) {
	null := ""
	if w.o.NullAs != nil {
		null = *w.o.NullAs
	}
	if len(s) > 0 && string(s) != null && bytes.IndexAny(s, ",\"\r\n") < 0 {
		w.buf = append(w.buf, s...)
		return
	}
	w.buf = append(w.buf, '"')
	for {
		i := bytes.IndexByte(s, '"')
		if i < 0 {
			break
		}
		w.buf = append(append(w.buf, s[:i+1]...), '"')
		s = s[i+1:]
	}
	w.buf = append(append(w.buf, s...), '"')
}
