package record

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"pipeworks/internal/charset"
)

// Format is a form that records take in a stream of bytes.
type Format uint8

// The formats. Auto, Lines, JSONText and Outfile are for input only, Table for
// output only.
const (
	Auto     Format = iota // found out from the first bytes and the file's name
	JSONL                  // JSON Lines: an object a line
	CSV                    // RFC 4180 with a header line
	TSV                    // tab-separated with a header line, escaped as mysql --batch does
	Lines                  // the whole line is the one field
	Table                  // aligned columns, for people
	JSONText               // arrays of objects, or objects one after another, on any number of lines
	Outfile                // what SELECT ... INTO OUTFILE writes by default
)

var formatNames = map[Format]string{
	Auto: "auto", JSONL: "jsonl", CSV: "csv", TSV: "tsv", Lines: "lines", Table: "table", JSONText: "json", Outfile: "outfile",
}

func (f Format) String() string { return formatNames[f] }

// InputFormats and OutputFormats are the names that the options take.
var (
	InputFormats  = []Format{JSONL, JSONText, CSV, TSV, Outfile}
	OutputFormats = []Format{JSONL, CSV, TSV, Table}
)

// ParseFormat returns the format called name if it is one of allowed.
func ParseFormat(name string, allowed []Format) (Format, error) {
	names := make([]string, len(allowed))
	for i, f := range allowed {
		if f.String() == name {
			return f, nil
		}
		names[i] = f.String()
	}
	return Auto, fmt.Errorf("unknown format %q: it is one of %s", name, strings.Join(names, ", "))
}

// ReaderOptions say how to read records. The zero value finds the format out
// and falls back to CSV.
type ReaderOptions struct {
	Format    Format
	Fallback  Format  // what Auto means when neither the data nor the name tells; Auto: CSV, or TSV if the first line has a tab and no comma
	Source    string  // the input's name, for messages and for its ending
	LineField string  // with Lines: the name of the field
	NullAs    *string // the text of a CSV, TSV or Outfile field that means NULL, unless it is quoted; nil: CSV's unquoted empty field, \N in the others
	Empty     Empty
	MaxRecord int // bytes; 0 is DefaultMaxRecord

	// Encoding is the character encoding; none is UTF-8 as it comes, or
	// UTF-16 where the input begins with its byte order mark.
	Encoding charset.Charset

	Delimiter   byte     // CSV: what stands between two fields; 0: a comma
	Quote       byte     // CSV: what a quoted field stands in; 0: a double quote
	NoQuote     bool     // CSV: no field is quoted
	NoHeader    bool     // CSV and TSV: the first line is a record; the fields are called c1, c2 ...
	HeaderNames []string // CSV, TSV and Outfile: the names of all fields; the first line is a record

	Warn func(message string) // about a header with a name twice; nil: nobody is told
}

// Empty says what an empty field, or a JSON string of no characters, is.
type Empty uint8

// The meanings of an empty field.
const (
	EmptyDefault Empty = iota // NULL where NullAs is the empty text and the field is not quoted, else the empty text
	EmptyNull                 // NULL, even in quotes
	EmptyText                 // the empty text
)

// tabular reports whether the options are about fields between delimiters,
// which JSON is not.
func (o *ReaderOptions) tabular() bool { return o.NoHeader || len(o.HeaderNames) > 0 }

// NewReader reads the records of in.
func NewReader(in io.Reader, o ReaderOptions) (Reader, error) {
	w, err := newDecodedWindow(in, &o)
	if err != nil {
		return nil, err
	}
	if err := w.skipBOM(); err != nil {
		return nil, err
	}
	if o.Format == Auto {
		if o.Format, err = w.detect(o); err != nil {
			return nil, err
		}
	}
	r, err := newReader(w, o)
	if err != nil {
		return nil, err
	}
	if !o.Encoding.IsZero() {
		r = &decodedReader{Reader: r, w: w, o: o}
	}
	if o.Empty == EmptyNull {
		r = emptyReader{r}
	}
	return r, nil
}

func newReader(w *window, o ReaderOptions) (Reader, error) {
	switch o.Format {
	case JSONL:
		return &jsonlReader{w: w, source: o.Source}, nil
	case JSONText:
		return &jsonReader{w: w, source: o.Source}, nil
	case CSV:
		return newCSVReader(w, o)
	case TSV, Outfile:
		return newTSVReader(w, o), nil
	case Lines:
		return &linesReader{w: w, source: o.Source, fields: []string{o.LineField}}, nil
	}
	return nil, fmt.Errorf("cannot read format %s", o.Format)
}

// emptyReader makes NULL of every empty text.
type emptyReader struct{ Reader }

func (r emptyReader) Read(rec *Record) error {
	err := r.Reader.Read(rec)
	if err == nil {
		for i, v := range rec.Values {
			if v.Kind == Text && len(v.Bytes) == 0 {
				rec.Values[i] = Value{}
			}
		}
	}
	return err
}

func orDefault(s *string, otherwise string) string {
	if s == nil {
		return otherwise
	}
	return *s
}

// skipBOM drops a UTF-8 byte order mark, which Windows programs write.
func (w *window) skipBOM() error {
	bom := []byte("\ufeff")
	for len(w.buf) < len(bom) && bytes.HasPrefix(bom, w.buf) {
		if err := w.fill(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
	if bytes.HasPrefix(w.buf, bom) {
		w.pos = len(bom)
	}
	return nil
}

func (w *window) detect(o ReaderOptions) (Format, error) {
	name := strings.ToLower(o.Source)
	if ext := filepath.Ext(name); ext == ".gz" || ext == ".zst" {
		name = strings.TrimSuffix(name, ext)
	}
	ext := filepath.Ext(name)
	if !o.tabular() {
		f, err := w.detectJSON(ext)
		if err != nil || f != Auto {
			return f, err
		}
	}
	switch ext {
	case ".csv":
		return CSV, nil
	case ".tsv", ".tab":
		return TSV, nil
	}
	if o.Fallback != Auto {
		return o.Fallback, nil
	}
	n, _, err := w.lineEnd(0)
	if err != nil && err != errTooLong {
		return Auto, err
	}
	header := w.buf[w.pos : w.pos+min(n, w.max)] // so much is there, however it was read
	if bytes.IndexByte(header, '\t') >= 0 && bytes.IndexByte(header, ',') < 0 {
		return TSV, nil
	}
	return CSV, nil
}

// detectJSON returns Auto if the input is not JSON. An array of objects is
// told from a CSV header that begins with a bracket by its second character.
// An opening brace alone on its line begins an object that takes several
// lines: no line of JSON Lines is that.
func (w *window) detectJSON(ext string) (Format, error) {
	first, at, err := w.nonSpace(0)
	if err != nil {
		return Auto, err
	}
	switch {
	case first == '{':
		n, _, err := w.lineEnd(at)
		if err != nil && err != errTooLong {
			return Auto, err
		}
		if err == nil && len(bytes.TrimSpace(w.buf[w.pos+at:w.pos+at+n])) == 1 {
			return JSONText, nil
		}
		return JSONL, nil
	case ext == ".jsonl" || ext == ".ndjson":
		return JSONL, nil
	case first == '[':
		second, _, err := w.nonSpace(at + 1)
		if err != nil {
			return Auto, err
		}
		if second == '{' || second == ']' {
			return JSONText, nil
		}
	}
	if ext == ".json" {
		return JSONText, nil
	}
	return Auto, nil
}

// nonSpace returns the first byte from an offset on that is not white space,
// and its offset; 0 if there is none.
func (w *window) nonSpace(offset int) (c byte, at int, err error) {
	for ; ; offset++ {
		c, ok, err := w.at(offset)
		switch {
		case err == errTooLong, err == nil && !ok:
			return 0, offset, nil
		case err != nil:
			return 0, offset, err
		case !isSpace(c):
			return c, offset, nil
		}
	}
}

// WriterOptions say how to write records.
type WriterOptions struct {
	NullAs    *string // what NULL is in CSV, TSV and tables; nil: nothing, \N, NULL
	NoHeader  bool    // csv, tsv and table begin without the names
	Binary    Encoding
	FlushEach bool // flush after every record: for a terminal
}

// nullSpecial are the characters that end a field or a line, in which NULL,
// never quoted or escaped, can have no part.
var nullSpecial = map[Format]string{CSV: ",\"\r\n", TSV: "\t\r\n"}

// NewWriter writes records to out in blocks of 64 KiB.
func NewWriter(out io.Writer, f Format, o WriterOptions) (Writer, error) {
	if o.Binary == Raw && f == JSONL {
		return nil, fmt.Errorf("raw binary cannot be in jsonl: it is text")
	}
	if special := nullSpecial[f]; strings.ContainsAny(orDefault(o.NullAs, ""), special) {
		return nil, fmt.Errorf("NULL cannot be %q in %s: nothing would read it back", *o.NullAs, f)
	}
	b := block{out: out, each: o.FlushEach}
	switch f {
	case JSONL:
		return &jsonlWriter{block: b, binary: o.Binary}, nil
	case CSV:
		return &csvWriter{block: b, o: o, null: orDefault(o.NullAs, "")}, nil
	case TSV:
		return &tsvWriter{block: b, o: o, null: orDefault(o.NullAs, `\N`)}, nil
	case Table:
		return &tableWriter{block: b, o: o, null: printable(orDefault(o.NullAs, "NULL"))}, nil
	}
	return nil, fmt.Errorf("cannot write format %s", f)
}

// block collects output into blocks of 64 KiB.
type block struct {
	out  io.Writer
	buf  []byte
	each bool
}

const blockSize = 64 << 10

// endRecord is called behind every whole record.
func (b *block) endRecord() error {
	if b.each || len(b.buf) >= blockSize {
		return b.Flush()
	}
	return nil
}

// Flush implements Writer.
func (b *block) Flush() error {
	if len(b.buf) == 0 {
		return nil
	}
	_, err := b.out.Write(b.buf)
	b.buf = b.buf[:0]
	return err
}
