package record

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
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
	InputFormats  = []Format{JSONL, CSV, TSV}
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

	// Encoding is the name of the character encoding, see charset.Lookup. ""
	// is UTF-8, or UTF-16 where the input begins with its byte order mark.
	Encoding string

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

// NewReader reads the records of in.
func NewReader(in io.Reader, o ReaderOptions) (Reader, error) {
	w := newWindow(in, o.MaxRecord)
	if err := w.skipBOM(); err != nil {
		return nil, err
	}
	if o.Format == Auto {
		var err error
		if o.Format, err = w.detect(o); err != nil {
			return nil, err
		}
	}
	switch o.Format {
	case JSONL:
		return &jsonlReader{w: w, source: o.Source}, nil
	case CSV:
		return &csvReader{w: w, source: o.Source, null: orDefault(o.NullAs, ""), warn: o.Warn}, nil
	case TSV:
		return &tsvReader{w: w, source: o.Source, null: orDefault(o.NullAs, `\N`), warn: o.Warn}, nil
	case Lines:
		return &linesReader{w: w, source: o.Source, fields: []string{o.LineField}}, nil
	}
	return nil, fmt.Errorf("cannot read format %s", o.Format)
}

// headerNames are the names of a header, made unique.
func headerNames(names []string, source string, warn func(string)) []string {
	unique, repeated := UniqueNames(names)
	if repeated && warn != nil {
		warn(fmt.Sprintf("%s: names repeat in the header; the fields are %s", source, strings.Join(unique, ", ")))
	}
	return unique
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
	first, err := w.firstByte()
	if err != nil {
		return Auto, err
	}
	if first == '{' {
		return JSONL, nil
	}
	switch strings.ToLower(filepath.Ext(o.Source)) {
	case ".jsonl", ".ndjson", ".json":
		return JSONL, nil
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
	header := w.buf[w.pos : w.pos+n]
	if bytes.IndexByte(header, '\t') >= 0 && bytes.IndexByte(header, ',') < 0 {
		return TSV, nil
	}
	return CSV, nil
}

// firstByte returns the first byte that is not white space, 0 if there is none.
func (w *window) firstByte() (byte, error) {
	for i := 0; ; i++ {
		if i > w.max {
			return 0, nil
		}
		for w.pos+i == len(w.buf) {
			if err := w.fill(); err == io.EOF {
				return 0, nil
			} else if err != nil {
				return 0, err
			}
		}
		if c := w.buf[w.pos+i]; !isSpace(c) {
			return c, nil
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
