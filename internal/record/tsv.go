package record

import (
	"bytes"
	"errors"
	"io"
)

// tsvReader reads what mysql --batch writes: a header line, a tab between
// fields, and \t \n \\ \0 for the bytes that would end a field or a line. \N
// is NULL. Any other backslash is text. Lines end in CRLF only if the first
// one does, since mysql writes a carriage return in a value as it is.
//
// It also reads what SELECT ... INTO OUTFILE writes by default: no header, a
// tab between fields, and a backslash before each tab, newline or backslash in
// a value. There a backslash before any other byte is the escape that LOAD
// DATA takes it for, or nothing.
type tsvReader struct {
	w       *window
	source  string
	names   names
	null    string // a field that is NULL, as it stands in the file
	escapes *[256]int16
	outfile bool
	crlf    bool
	begun   bool
	fields  []string
	values  []Value
	ends    []int  // of the fields of the line in hand, but for the last
	arena   []byte // fields with escapes, unescaped
}

func newTSVReader(w *window, o ReaderOptions) *tsvReader {
	r := &tsvReader{w: w, source: o.Source, null: orDefault(o.NullAs, `\N`), escapes: &tsvEscaped}
	if o.Format == Outfile {
		o.NoHeader = true
		r.outfile, r.escapes = true, &outfileEscaped
	}
	r.names = newNames(o)
	r.fields = r.names.given
	if o.Empty == EmptyText && r.null == "" {
		r.null = "\t" // no field is that
	}
	return r
}

var errBackslash = errors.New("the input ends behind a backslash")

// crError is a header that is the whole file, since its lines end in CR alone.
type crError struct{}

func (crError) Error() string { return "lines end in CR alone" }

// Hint says what reads such files.
func (crError) Hint() string { return `-i csv --delimiter '\t' reads them` }

// tsvEscaped and outfileEscaped are what a backslash and a byte mean, -1 if
// they are themselves.
var (
	tsvEscaped = func() (t [256]int16) {
		for c := range t {
			t[c] = -1
		}
		t['t'], t['n'], t['0'], t['\\'] = '\t', '\n', 0, '\\'
		return t
	}()
	outfileEscaped = func() (t [256]int16) {
		for c := range t {
			t[c] = int16(c)
		}
		t['0'], t['b'], t['n'], t['r'], t['t'], t['Z'] = 0, '\b', '\n', '\r', '\t', 0x1a
		return t
	}()
)

// Header implements Header.
func (r *tsvReader) Header() []string { return r.fields }

func (r *tsvReader) Read(rec *Record) error {
	if r.fields == nil && r.names.inHeader() {
		if err := r.header(); err != nil {
			return headerError(err)
		}
	}
	for {
		number := r.w.line
		line, err := r.line()
		if err != nil {
			return err
		}
		if len(line) == 0 && len(r.fields) != 1 {
			continue // a blank line; of a single column it is the empty text
		}
		r.split(line)
		if r.fields == nil {
			r.fields = numbered(len(r.values))
		}
		if len(r.values) != len(r.fields) {
			return &SyntaxError{Source: r.source, Line: number, Raw: line, Err: r.names.countError(len(r.values), len(r.fields))}
		}
		*rec = Record{Fields: r.fields, Values: r.values, Raw: line, Line: number}
		return nil
	}
}

func (r *tsvReader) header() error {
	for {
		line, err := r.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			continue
		}
		var fields []string
		for name := range bytes.SplitSeq(line, []byte{'\t'}) {
			fields = append(fields, string(r.unescape(name)))
		}
		r.fields = r.names.unique(fields)
		return nil
	}
}

// line takes the next line, without its end.
func (r *tsvReader) line() ([]byte, error) {
	n, newline, err := r.w.lineEnd(0)
	lines := 1
	for r.outfile && err == nil && escaped(r.w.buf[r.w.pos:r.w.pos+n]) {
		if !newline {
			line := r.w.take(n, false)
			return nil, &SyntaxError{Source: r.source, Line: r.w.line, Raw: line, Err: errBackslash}
		}
		var more int
		more, newline, err = r.w.lineEnd(n + 1)
		n += 1 + more
		lines++
	}
	switch {
	case err == errTooLong:
		return nil, r.w.skipLong(r.source)
	case err != nil:
		return nil, err
	case !newline && n == 0:
		return nil, io.EOF
	}
	line := r.w.take(n, newline)
	r.w.line += lines
	if !r.begun && !r.outfile {
		r.crlf = bytes.HasSuffix(line, []byte{'\r'})
		text := trimCR(line)
		r.begun = len(text) > 0
		if !newline && r.names.inHeader() && bytes.IndexByte(text, '\r') >= 0 {
			return nil, &SyntaxError{Source: r.source, Line: 1, Raw: line, Err: crError{}}
		}
	}
	if r.crlf {
		line = trimCR(line)
	}
	return line, nil
}

// split makes values of the fields of a line.
func (r *tsvReader) split(line []byte) {
	r.values, r.arena = r.values[:0], r.arena[:0]
	r.ends = appendPlaces(r.ends[:0], line, '\t')
	start := 0
	for _, end := range r.ends {
		if !r.outfile || !escaped(line[start:end]) {
			r.values = append(r.values, r.value(line[start:end]))
			start = end + 1
		}
	}
	r.values = append(r.values, r.value(line[start:]))
}

// escaped reports whether the byte behind text is escaped.
func escaped(text []byte) bool {
	n := len(text) - len(bytes.TrimRight(text, `\`))
	return n%2 == 1
}

func (r *tsvReader) value(field []byte) Value {
	if string(field) == r.null {
		return Value{}
	}
	return Value{Text, r.unescape(field)}
}

func (r *tsvReader) unescape(field []byte) []byte {
	i := bytes.IndexByte(field, '\\')
	if i < 0 {
		return field
	}
	from := len(r.arena)
	for ; i >= 0; i = bytes.IndexByte(field, '\\') {
		r.arena = append(r.arena, field[:i]...)
		field = field[i+1:]
		c := byte('\\')
		if len(field) > 0 && r.escapes[field[0]] >= 0 {
			c, field = byte(r.escapes[field[0]]), field[1:]
		}
		r.arena = append(r.arena, c)
	}
	r.arena = append(r.arena, field...)
	return r.arena[from:len(r.arena):len(r.arena)]
}

// tsvWriter writes what mysql --batch writes, with \N for NULL.
type tsvWriter struct {
	block
	o    WriterOptions
	null string
}

// Begin implements Writer.
func (w *tsvWriter) Begin(fields []string) error {
	if w.o.NoHeader {
		return nil
	}
	for i, name := range fields {
		if i > 0 {
			w.buf = append(w.buf, '\t')
		}
		w.text([]byte(name))
	}
	w.buf = append(w.buf, '\n')
	return w.endRecord()
}

// Write implements Writer.
func (w *tsvWriter) Write(values []Value) error {
	for i, v := range values {
		if i > 0 {
			w.buf = append(w.buf, '\t')
		}
		switch {
		case v.Kind == Null:
			w.buf = append(w.buf, w.null...)
		case v.Kind == Binary && w.o.Binary != Raw:
			w.buf = w.o.Binary.appendText(w.buf, v.Bytes)
		default:
			w.text(v.Bytes)
		}
	}
	w.buf = append(w.buf, '\n')
	return w.endRecord()
}

// tsvEscapes are the bytes that stand escaped, and how.
var tsvEscapes = [256]byte{'\t': 't', '\n': 'n', '\\': '\\', 0: '0'}

func (w *tsvWriter) text(s []byte) { w.buf = AppendTSV(w.buf, s) }

// AppendTSV appends s as a field of TSV, which is one of LOAD DATA's by
// default, too.
func AppendTSV(dst, s []byte) []byte {
	if plain(s, '\\', '\\') {
		return append(dst, s...)
	}
	start := 0
	for i, c := range s {
		if e := tsvEscapes[c]; e != 0 {
			dst = append(append(dst, s[start:i]...), '\\', e)
			start = i + 1
		}
	}
	return append(dst, s[start:]...)
}
