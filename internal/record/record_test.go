package record

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// show is a record as the tables of the tests write it: its line, then
// name=value with text in quotes.
func show(rec *Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:", rec.Line)
	for i, name := range rec.Fields {
		fmt.Fprintf(&b, " %s=%s", name, showValue(rec.Values[i]))
	}
	return b.String()
}

func showValue(v Value) string {
	switch v.Kind {
	case Null:
		return "NULL"
	case Text:
		return fmt.Sprintf("%q", v.Bytes)
	}
	return string(v.Bytes)
}

// readAll reads to the end and shows each record, each syntax error as
// "! message | its bytes" and an error that ends the reading as "!! message".
func readAll(in io.Reader, o ReaderOptions) []string {
	r, err := NewReader(in, o)
	if err != nil {
		return []string{"!! " + err.Error()}
	}
	got := []string{}
	var rec Record
	for {
		err := r.Read(&rec)
		var syntax *SyntaxError
		switch {
		case err == io.EOF:
			return got
		case errors.As(err, &syntax):
			got = append(got, fmt.Sprintf("! %v | %s", err, syntax.Raw))
		case err != nil:
			return append(got, "!! "+err.Error())
		case len(rec.Fields) != len(rec.Values):
			return append(got, fmt.Sprintf("%d fields, %d values", len(rec.Fields), len(rec.Values)))
		default:
			got = append(got, show(&rec))
		}
	}
}

// A readerTest is an input and what readAll makes of it.
type readerTest struct {
	name  string
	input string
	want  []string
}

func testReader(t *testing.T, o ReaderOptions, tests []readerTest) {
	t.Helper()
	o.Source = "in"
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readAll(strings.NewReader(tt.input), o)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// write writes the rows, one set, and returns what came out.
func write(t *testing.T, f Format, o WriterOptions, fields []string, rows ...[]Value) string {
	t.Helper()
	var out strings.Builder
	w, err := NewWriter(&out, f, o)
	if err != nil {
		t.Fatal(err)
	}
	writeSet(t, w, fields, rows...)
	return out.String()
}

func writeSet(t *testing.T, w Writer, fields []string, rows ...[]Value) {
	t.Helper()
	if err := w.Begin(fields); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

// A writerTest is one row of columns a, b … and what is written for it.
type writerTest struct {
	name   string
	o      WriterOptions
	values []Value
	want   string
}

func testWriter(t *testing.T, f Format, tests []writerTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fields := strings.Split("abcdefgh", "")[:len(tt.values)]
			got := write(t, f, tt.o, fields, tt.values)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestGet(t *testing.T) {
	rec := Record{Fields: []string{"a", "b"}, Values: []Value{Int(1), String("x")}}
	if v, ok := rec.Get("b"); !ok || showValue(v) != `"x"` {
		t.Errorf("b is %s, %t", showValue(v), ok)
	}
	if _, ok := rec.Get("B"); ok {
		t.Error("a name in another case was found")
	}
}

func TestUniqueNames(t *testing.T) {
	tests := []struct{ names, want string }{
		{"a b c", "a b c"},
		{"a a a", "a a_2 a_3"},
		{"a a_2 a", "a a_2 a_3"},
		{"a a a_2 a_2", "a a_3 a_2 a_2_2"},
		{"id name id name", "id name id_2 name_2"},
		{"a_2 a a", "a_2 a a_3"},
	}
	for _, tt := range tests {
		names := strings.Fields(tt.names)
		got, changed := UniqueNames(names)
		if strings.Join(got, " ") != tt.want || changed != (tt.names != tt.want) {
			t.Errorf("%s: got %s, %t; want %s", tt.names, got, changed, tt.want)
		}
		if strings.Join(names, " ") != tt.names {
			t.Errorf("%s: the argument was changed to %s", tt.names, names)
		}
	}
}

// Raw is what a reject holds: fed in again behind the header, it must give the
// same record.
func TestRawReadsAsTheRecord(t *testing.T) {
	tests := []struct {
		format Format
		header string
		input  string
		count  int
	}{
		{JSONL, "", "{\"a\": 1}\r\n  {\"b\":\"\\u00e9\"} \n{\"c\":null}", 3},
		{CSV, "a,b\n", "1,\"x\r\ny\"\"z\"\r\n2,\n\n\"\",é\n3,4", 4},
		{TSV, "a\tb\n", "1\t\\N\n2\tx\\ty\n3\t", 3},
		{Lines, "", " one \r\ntwo\n\nthree", 3},
	}
	for _, tt := range tests {
		t.Run(tt.format.String(), func(t *testing.T) {
			o := ReaderOptions{Format: tt.format, LineField: "line"}
			r, err := NewReader(strings.NewReader(tt.header+tt.input), o)
			if err != nil {
				t.Fatal(err)
			}
			var rec Record
			var whole, again []string
			for r.Read(&rec) == nil {
				rec.Line = 0
				whole = append(whole, show(&rec))
				one := readAll(strings.NewReader(tt.header+string(rec.Raw)+"\n"), o)
				_, values, _ := strings.Cut(strings.Join(one, "\n"), ":")
				again = append(again, "0:"+values)
			}
			if len(whole) != tt.count {
				t.Errorf("%d records, want %d", len(whole), tt.count)
			}
			if diff := cmp.Diff(whole, again); diff != "" {
				t.Errorf("-record +replayed:\n%s", diff)
			}
		})
	}
}
