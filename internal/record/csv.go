package record

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
)

// csvReader reads RFC 4180, and its like with another delimiter or quote.
// Lines may end in LF, CRLF or, if all do, in CR alone; a quoted field keeps
// every byte between its quotes, line ends included. A quote inside an unquoted
// field is text (6" pipe). An unquoted empty field is NULL and a quoted one is
// the empty text, as in PostgreSQL's COPY.
type csvReader struct {
	w         *window
	source    string
	names     names
	delimiter byte
	quote     byte   // the delimiter, which comes first, if no field is quoted
	null      string // an unquoted field that is NULL
	begun     bool
	fields    []string
	values    []Value
	arena     []byte // fields with doubled quotes, undoubled
	ends      []int  // of the fields of the record in hand, but for the last, where it has no quotes
	spans     []span // of the record in hand, where it has quotes
}

func newCSVReader(w *window, o ReaderOptions) (*csvReader, error) {
	r := &csvReader{w: w, source: o.Source, names: newNames(o), null: orDefault(o.NullAs, "")}
	r.delimiter, r.quote = cmp.Or(o.Delimiter, ','), cmp.Or(o.Quote, '"')
	for _, c := range []byte{r.delimiter, r.quote} {
		if c == '\n' || c == '\r' {
			return nil, fmt.Errorf("a line end, %q, cannot delimit or quote fields", c)
		}
	}
	switch {
	case o.NoQuote:
		r.quote = r.delimiter
	case r.quote == r.delimiter:
		return nil, fmt.Errorf("%q cannot both delimit fields and quote them", r.quote)
	}
	if o.Empty == EmptyText && r.null == "" {
		r.null = string([]byte{r.delimiter}) // no field is that
	}
	r.fields = r.names.given
	return r, nil
}

var (
	errQuoteEnd  = errors.New("quoted field without a closing quote")
	errQuoteText = errors.New("text behind a closing quote")
)

// Header implements Header.
func (r *csvReader) Header() []string { return r.fields }

func (r *csvReader) Read(rec *Record) error {
	if !r.begun {
		if err := r.findLineEnd(); err != nil {
			return err
		}
		r.begun = true
	}
	if r.fields == nil && r.names.inHeader() {
		if err := r.header(); err != nil {
			return headerError(err)
		}
	}
	for {
		number := r.w.line
		raw, err := r.record()
		if err != nil {
			return err
		}
		if len(raw) == 0 && len(r.fields) != 1 {
			continue // a blank line; of a single column it is a NULL
		}
		if r.fields == nil {
			r.fields = numbered(len(r.values))
		}
		if len(r.values) != len(r.fields) {
			return &SyntaxError{Source: r.source, Line: number, Raw: raw, Err: r.names.countError(len(r.values), len(r.fields))}
		}
		*rec = Record{Fields: r.fields, Values: r.values, Raw: raw, Line: number}
		return nil
	}
}

// findLineEnd finds out whether lines end in CR alone, as they did on the
// Macintosh: there is a CR in the first line, and no LF anywhere near but in
// quotes.
func (r *csvReader) findLineEnd() error {
	cr, quoted, closed, start := false, false, false, true
	for i := range windowSize {
		c, ok, err := r.w.at(i)
		if err != nil && err != errTooLong {
			return err
		}
		if !ok {
			break
		}
		switch {
		case c == r.quote && quoted:
			quoted, closed = false, true
			continue
		case c == r.quote && c != r.delimiter && (start || closed):
			quoted = true
		case quoted:
		case c == '\n':
			return nil
		case c == '\r':
			cr = true
		}
		start, closed = c == r.delimiter || c == '\r', false
	}
	if cr {
		r.w.eol = '\r'
	}
	return nil
}

func (r *csvReader) header() error {
	for {
		raw, err := r.record()
		if err != nil {
			return err
		}
		if len(raw) == 0 {
			continue
		}
		fields := make([]string, len(r.values))
		for i, v := range r.values {
			fields[i] = string(v.Bytes)
			if v.IsNull() { // a name is a name, even NULL's
				fields[i] = r.null
			}
		}
		r.fields = r.names.unique(fields)
		return nil
	}
}

// unquoted is the value of a field without quotes.
func (r *csvReader) unquoted(field []byte) Value {
	if string(field) == r.null {
		return Value{}
	}
	return Value{Text, field}
}

// trim takes the rest of its line end off a line.
func (r *csvReader) trim(line []byte) []byte {
	if r.w.eol == '\r' {
		return line
	}
	return trimCR(line)
}

// record takes the next record off the window and splits it into values. The
// record returned is without its line end.
func (r *csvReader) record() ([]byte, error) {
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
	if r.quote != r.delimiter && bytes.IndexByte(r.w.buf[r.w.pos:r.w.pos+n], r.quote) >= 0 {
		return r.quotedRecord(n, newline)
	}
	line := r.trim(r.w.take(n, newline))
	r.w.line++
	r.splitUnquoted(line)
	return line, nil
}

// splitUnquoted makes values of a record without quotes.
func (r *csvReader) splitUnquoted(line []byte) {
	r.ends = appendPlaces(r.ends[:0], line, r.delimiter)
	start := 0
	for _, end := range r.ends {
		r.values = append(r.values, r.unquoted(line[start:end]))
		start = end + 1
	}
	r.values = append(r.values, r.unquoted(line[start:]))
}

// span is a field in the window or in the arena.
type span struct {
	from, to int
	quoted   bool
	arena    bool
}

// quotedRecord takes a record that has quotes, and so perhaps line ends, in
// it. Its first line ends at offset eol. Offsets count from the start of the
// record, since the window moves.
func (r *csvReader) quotedRecord(eol int, newline bool) ([]byte, error) {
	r.spans = r.spans[:0]
	lines := 1
	for pos := 0; ; pos++ { // over the delimiter
		var s span
		line := r.w.buf[r.w.pos : r.w.pos+eol]
		if pos < eol && line[pos] == r.quote {
			var err error
			if s, pos, err = r.quotedField(pos + 1); err != nil {
				return nil, r.fail(pos, err)
			}
			if pos > eol { // it ended on a later line
				lines += bytes.Count(r.w.buf[r.w.pos+eol:r.w.pos+pos], []byte{r.w.eol})
				var n int
				if n, newline, err = r.w.lineEnd(pos); err != nil {
					return nil, r.fail(pos, err)
				}
				eol = pos + n
				line = r.w.buf[r.w.pos : r.w.pos+eol]
			}
		} else {
			s.from = pos
			if i := bytes.IndexByte(line[pos:], r.delimiter); i >= 0 {
				pos += i
			} else {
				pos += len(r.trim(line[pos:]))
			}
			s.to = pos
		}
		r.spans = append(r.spans, s)
		switch rest := line[pos:]; {
		case len(rest) == 0, len(rest) == 1 && rest[0] == '\r':
			raw := r.w.take(eol, newline)[:pos]
			r.w.line += lines
			r.split(raw)
			return raw, nil
		case rest[0] != r.delimiter:
			return nil, r.fail(pos, errQuoteText)
		}
	}
}

// split makes values of the spans of the record raw.
func (r *csvReader) split(raw []byte) {
	for _, s := range r.spans {
		switch {
		case s.arena:
			r.values = append(r.values, Value{Text, r.arena[s.from:s.to]})
		case s.quoted:
			r.values = append(r.values, Value{Text, raw[s.from:s.to]})
		default:
			r.values = append(r.values, r.unquoted(raw[s.from:s.to]))
		}
	}
}

// quotedField reads the field whose text begins at pos, behind its quote, and
// returns the position behind the closing quote, or that of the error.
func (r *csvReader) quotedField(pos int) (span, int, error) {
	opening := pos - 1
	s := span{from: pos, quoted: true}
	for {
		rest := r.w.buf[r.w.pos+pos:]
		i := bytes.IndexByte(rest, r.quote)
		if i < 0 {
			i = len(rest)
		}
		if s.arena {
			r.arena = append(r.arena, rest[:i]...)
		}
		pos += i
		c, ok, err := r.w.at(pos)
		if err != nil {
			return s, pos, err
		}
		if !ok {
			return s, opening, errQuoteEnd
		}
		if c != r.quote {
			continue // the window has more now
		}
		pos++
		c, ok, err = r.w.at(pos)
		if err != nil {
			return s, pos, err
		}
		if !ok || c != r.quote {
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
		r.arena = append(r.arena, r.quote)
		pos++
	}
}

// fail turns err, found at an offset in a quoted record, into a syntax error
// and goes to the next line: where a quote went wrong nobody knows the end of
// the record, and one stray quote must not swallow the rest of the file.
// Errors of the input itself stay as they are.
func (r *csvReader) fail(offset int, err error) error {
	switch err {
	case errTooLong:
		return r.w.skipLong(r.source)
	case errQuoteEnd, errQuoteText:
	default:
		return err
	}
	before := r.w.buf[r.w.pos : r.w.pos+offset]
	syntax := &SyntaxError{
		Source: r.source,
		Line:   r.w.line + bytes.Count(before, []byte{r.w.eol}),
		Column: offset - bytes.LastIndexByte(before, r.w.eol),
		Err:    err,
	}
	n, newline, err := r.w.lineEnd(0)
	if err != nil {
		return err
	}
	syntax.Raw = r.trim(r.w.take(n, newline))
	r.w.line++
	return syntax
}

// csvWriter writes RFC 4180 with LF line ends.
type csvWriter struct {
	block
	o       WriterOptions
	null    string
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
			w.buf = append(w.buf, w.null...)
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
	if len(s) > 0 && string(s) != w.null && !needsQuotes(s) {
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

// csvSpecial are the bytes that an unquoted field cannot have.
var csvSpecial = [256]bool{',': true, '"': true, '\r': true, '\n': true}

func needsQuotes(s []byte) bool {
	if plain(s, '"', ',') {
		return false
	}
	for _, c := range s {
		if csvSpecial[c] {
			return true
		}
	}
	return false
}
