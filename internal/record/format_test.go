package record

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// Which format the input is in, seen from what the reader makes of a line that
// means something else in each.
func TestDetection(t *testing.T) {
	tests := []struct {
		name     string
		input    string
		source   string
		fallback Format
		want     Format
	}{
		{"an object", "{\"a\":1}\n", "stdin", Auto, JSONL},
		{"an object behind white space", " \r\n\t {\"a\":1}\n", "stdin", Auto, JSONL},
		{"an object behind a byte order mark", "\ufeff{\"a\":1}\n", "stdin", Auto, JSONL},
		{"the data outweighs the name", "{\"a\":1}\n", "x.csv", Auto, JSONL},
		{"the data outweighs the fallback", "{\"a\":1}\n", "stdin", Lines, JSONL},
		{"csv by name", "a\tb\n", "dir/x.csv", Lines, CSV},
		{"tsv by name", "a,b\n", "x.tsv", Lines, TSV},
		{"tab by name", "a,b\n", "x.tab", Auto, TSV},
		{"in capitals", "a,b\n", "X.TSV", Auto, TSV},
		{"jsonl by name", "[1]\n", "x.jsonl", CSV, JSONL},
		{"ndjson by name", "x", "x.ndjson", CSV, JSONL},
		{"json by name", "x", "x.json", CSV, JSONText},
		{"a compressed file", "a\tb\n", "dir/x.csv.gz", Lines, CSV},
		{"another", "a,b\n", "X.TSV.ZST", Lines, TSV},
		{"an array of objects", "[{\"a\":1}]", "stdin", Auto, JSONText},
		{"an array over several lines", "\ufeff\n[\n  {", "stdin", Lines, JSONText},
		{"an array of nothing", "[ ]\n", "stdin", Auto, JSONText},
		{"an array in a file called csv", "[{\"a\":1}]", "x.csv", Auto, JSONText},
		{"a header that begins with a bracket", "[a],[b]\n", "stdin", Auto, CSV},
		{"a bracket alone", "[", "stdin", Auto, CSV},
		{"a brace alone on its line", "{\n  \"a\": 1\n}\n", "stdin", Auto, JSONText},
		{"a brace alone, and CRLF", "{ \r\n", "x.jsonl", Auto, JSONText},
		{"a brace cut off", "{", "stdin", Auto, JSONText},
		{"an object cut off", "{\"a\":\n", "stdin", Auto, JSONL},
		{"an ending that says nothing", "a\tb\n", "x.txt", Auto, TSV},
		{"the fallback", "a\tb,c\n", "stdin", Lines, Lines},
		{"a tab and no comma", "a\tb\n1,5\t2\n", "stdin", Auto, TSV},
		{"a tab and a comma", "a\tb,c\n", "stdin", Auto, CSV},
		{"a tab in the second line only", "a\n1\t2\n", "stdin", Auto, CSV},
		{"no newline", "a\tb", "stdin", Auto, TSV},
		{"neither", "a\n", "stdin", Auto, CSV},
		{"empty", "", "stdin", Auto, CSV},
		{"empty, by name", "", "x.tsv", Auto, TSV},
		{"white space only", " \n\n", "stdin", Auto, CSV},
		{"byte order mark only", "\ufeff", "stdin", Auto, CSV},
		{"the start of a byte order mark", "\xef\xbb", "stdin", Auto, CSV},
		{"another mark", "\xef\xbb\xbe{", "stdin", Auto, CSV},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, in := range []io.Reader{strings.NewReader(tt.input), iotest.OneByteReader(strings.NewReader(tt.input))} {
				r, err := NewReader(in, ReaderOptions{Source: tt.source, Fallback: tt.fallback, LineField: "x"})
				if err != nil {
					t.Fatal(err)
				}
				want, _ := NewReader(strings.NewReader(""), ReaderOptions{Format: tt.want})
				if got, want := fmt.Sprintf("%T", r), fmt.Sprintf("%T", want); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
}

// What detection looked at is still there to be read.
func TestDetectionTakesNothing(t *testing.T) {
	testReader(t, ReaderOptions{}, []readerTest{
		{"jsonl", "\n {\"a\":1}\n", []string{`2: a=1`}},
		{"csv", "a,b\n1,2\n", []string{`2: a="1" b="2"`}},
		{"tsv", "a\tb\n1\t2\n", []string{`2: a="1" b="2"`}},
	})
}

func TestNewReaderErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, f := range []Format{Auto, JSONL, JSONText, CSV, TSV, Outfile, Lines} {
		for _, input := range []string{"", "\xef", " ", "a,b", "a\tb\n1\t", "{\"a\":"} {
			if f == JSONText && strings.HasPrefix(input, "a") {
				continue // an error of its own
			}
			in := io.MultiReader(strings.NewReader(input), iotest.ErrReader(broken))
			r, err := NewReader(in, ReaderOptions{Format: f})
			var rec Record
			var syntax *SyntaxError
			for err == nil || errors.As(err, &syntax) {
				err = r.Read(&rec)
			}
			if err != broken {
				t.Errorf("%s, %q: got %v, want the error of the source", f, input, err)
			}
		}
	}
	if _, err := NewReader(strings.NewReader(""), ReaderOptions{Format: Table}); err == nil || err.Error() != "cannot read format table" {
		t.Errorf("reading a table: %v", err)
	}
}

func TestNewWriterErrors(t *testing.T) {
	tests := []struct {
		format Format
		o      WriterOptions
		want   string
	}{
		{Lines, WriterOptions{}, "cannot write format lines"},
		{Auto, WriterOptions{}, "cannot write format auto"},
		{JSONL, WriterOptions{Binary: Raw}, "raw binary cannot be in jsonl: it is text"},
		{CSV, WriterOptions{NullAs: new("a,b")}, `NULL cannot be "a,b" in csv: nothing would read it back`},
		{CSV, WriterOptions{NullAs: new(`"`)}, `NULL cannot be "\"" in csv: nothing would read it back`},
		{TSV, WriterOptions{NullAs: new("\t")}, `NULL cannot be "\t" in tsv: nothing would read it back`},
	}
	for _, tt := range tests {
		if _, err := NewWriter(io.Discard, tt.format, tt.o); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.format, err, tt.want)
		}
	}
}

// An error of the output comes back from the Write or Flush that met it.
func TestWriterErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, f := range OutputFormats {
		w, err := NewWriter(writerFunc(func([]byte) (int, error) { return 0, broken }), f, WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Begin([]string{"a"}); err != nil {
			t.Fatal(err)
		}
		if err := w.Write([]Value{Int(1)}); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != broken {
			t.Errorf("%s: Flush returned %v", f, err)
		}
		row := []Value{String(strings.Repeat("x", 1<<10))}
		n := 0
		for err = nil; err == nil && n < 10_000; n++ {
			err = w.Write(row)
		}
		if err != broken {
			t.Errorf("%s: %d rows were written to a broken output: %v", f, n, err)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Records leave in blocks, or one at a time if asked for.
func TestWriterBlocks(t *testing.T) {
	for _, f := range []Format{JSONL, CSV, TSV} {
		for _, each := range []bool{false, true} {
			var sizes []int
			out := writerFunc(func(p []byte) (int, error) { sizes = append(sizes, len(p)); return len(p), nil })
			w, err := NewWriter(out, f, WriterOptions{FlushEach: each, NoHeader: true})
			if err != nil {
				t.Fatal(err)
			}
			rows := make([][]Value, 100)
			for i := range rows {
				rows[i] = []Value{String(strings.Repeat("x", 2000))}
			}
			writeSet(t, w, []string{"a"}, rows...)
			switch {
			case each && len(sizes) != len(rows):
				t.Errorf("%s: %d writes of %d records", f, len(sizes), len(rows))
			case !each && len(sizes) != 4:
				t.Errorf("%s: writes of %d bytes", f, sizes)
			}
		}
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range OutputFormats {
		got, err := ParseFormat(f.String(), OutputFormats)
		if got != f || err != nil {
			t.Errorf("%s: got %s, %v", f, got, err)
		}
	}
	for _, name := range []string{"table", "xml", "", "CSV"} {
		_, err := ParseFormat(name, InputFormats)
		want := fmt.Sprintf("unknown format %q: it is one of jsonl, json, csv, tsv, outfile", name)
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestParseEncoding(t *testing.T) {
	for name, want := range map[string]Encoding{"base64": Base64, "hex": Hex, "raw": Raw} {
		if got, err := ParseEncoding(name); got != want || err != nil {
			t.Errorf("%s: got %d, %v", name, got, err)
		}
	}
	if _, err := ParseEncoding("base32"); err == nil || err.Error() != `unknown binary encoding "base32": it is one of base64, hex, raw` {
		t.Errorf("got %v", err)
	}
}
