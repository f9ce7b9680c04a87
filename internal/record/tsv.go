package record

import "bytes"

// tsvReader reads what mysql --batch writes: a header line, a tab between
// fields, and \t \n \\ \0 for the bytes that would end a field or a line. \N
// is NULL. Any other backslash is text. Lines end in CRLF only if the first
// one does, since mysql writes a carriage return in a value as it is.
type tsvReader struct {
	w      *window
	source string
	warn   func(string)
	null   string // a field that is NULL, as it stands in the file
	crlf   bool
	fields []string
	values []Value
	arena  []byte // fields with escapes, unescaped
}

func (r *tsvReader) Read(rec *Record) error {
	if r.fields == nil {
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
		if len(line) == 0 && len(r.fields) > 1 {
			continue // a blank line; of a single column it is the empty text
		}
		r.values, r.arena = r.values[:0], r.arena[:0]
		for rest, more := line, true; more; {
			var field []byte
			field, rest, more = bytes.Cut(rest, []byte{'\t'})
			r.values = append(r.values, r.value(field))
		}
		if len(r.values) != len(r.fields) {
			return &SyntaxError{Source: r.source, Line: number, Raw: line, Err: countError{len(r.values), len(r.fields)}}
		}
		*rec = Record{Fields: r.fields, Values: r.values, Raw: line, Line: number}
		return nil
	}
}

func (r *tsvReader) header() error {
	for {
		line, err := r.w.nextLine()
		if err == errTooLong {
			return r.w.skipLong(r.source)
		}
		if err != nil {
			return err
		}
		r.crlf = bytes.HasSuffix(line, []byte{'\r'})
		if line = trimCR(line); len(line) == 0 {
			continue
		}
		for name := range bytes.SplitSeq(line, []byte{'\t'}) {
			r.fields = append(r.fields, string(r.unescape(name)))
		}
		r.fields = headerNames(r.fields, r.source, r.warn)
		return nil
	}
}

func (r *tsvReader) line() ([]byte, error) {
	line, err := r.w.nextLine()
	if err == errTooLong {
		return nil, r.w.skipLong(r.source)
	}
	if r.crlf {
		line = trimCR(line)
	}
	return line, err
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
		if len(field) > 0 {
			switch field[0] {
			case 't':
				c, field = '\t', field[1:]
			case 'n':
				c, field = '\n', field[1:]
			case '0':
				c, field = 0, field[1:]
			case '\\':
				field = field[1:]
			}
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

func (w *tsvWriter) text(s []byte) {
	start := 0
	for i, c := range s {
		if e := tsvEscapes[c]; e != 0 {
			w.buf = append(append(w.buf, s[start:i]...), '\\', e)
			start = i + 1
		}
	}
	w.buf = append(w.buf, s[start:]...)
}
