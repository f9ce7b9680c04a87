package record

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTableWriter(t *testing.T) {
	tests := []struct {
		name   string
		o      WriterOptions
		fields []string
		rows   [][]Value
		want   string
	}{
		{"numbers stand at the right", WriterOptions{}, []string{"id", "name", "price"}, [][]Value{
			{Int(1), String("Zoë"), {Number, []byte("9.50")}},
			{Int(10), String("Bo Li"), {}},
		}, `
id  name   price
--  -----  -----
 1  Zoë     9.50
10  Bo Li   NULL
`},
		{"text in a column of numbers", WriterOptions{}, []string{"a", "b"}, [][]Value{
			{Int(1), Int(1)},
			{String("none"), Int(2)},
		}, `
a     b
----  -
1     1
none  2
`},
		{"no rows", WriterOptions{}, []string{"id", "name"}, nil, `
id  name
--  ----
`},
		{"characters of two columns", WriterOptions{}, []string{"city", "x"}, [][]Value{
			{String("東京"), String("|")},
			{String("Rome"), String("|")},
			{String("e\u0301"), String("|")},
		}, `
city  x
----  -
東京  |
Rome  |
` + "e\u0301" + `     |
`},
		{"nothing drives the terminal", WriterOptions{}, []string{"a\nb"}, [][]Value{
			{String("x\ty\r\n")}, {String("\x1b[31mred\x00")}, {String("\xff\u009b")},
		}, `
a\nb
---------
x\ty` + "\ufffd" + `\n
` + "\ufffd[31mred\ufffd\n\ufffd\ufffd\n"},
		{"values of other kinds", WriterOptions{}, []string{"t", "j", "b"}, [][]Value{
			{Boolean(true), {JSON, []byte(`{"a":1}`)}, {Binary, []byte{0, 255}}},
		}, `
t     j        b
----  -------  ----
true  {"a":1}  AP8=
`},
		{"options", WriterOptions{NoHeader: true, NullAs: new("-"), Binary: Hex}, []string{"long name", "b"}, [][]Value{
			{{}, {Binary, []byte{0, 255}}},
			{Int(12), {}},
		}, `
 -  0x00ff
12  -
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := write(t, Table, tt.o, tt.fields, tt.rows...)
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTableWriterSets(t *testing.T) {
	var out strings.Builder
	w, err := NewWriter(&out, Table, WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	writeSet(t, w, []string{"a"}, []Value{String("a long text")})
	writeSet(t, w, []string{"b", "c"}, []Value{Int(1), Int(2)})
	want := `a
-----------
a long text

b  c
-  -
1  2
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Rows behind the sample, or behind a Flush, take the widths as they are.
func TestTableWriterFixesWidths(t *testing.T) {
	var out strings.Builder
	w, err := NewWriter(&out, Table, WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	writeSet(t, w, []string{"a", "b"}, []Value{String("xx"), Int(1)})
	for _, row := range [][]Value{{String("wider"), Int(100)}, {String("x"), Int(2)}} {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `a   b
--  -
xx  1
wider  100
x   2
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The sample that finds the widths is bounded in rows and in bytes.
func TestTableWriterSample(t *testing.T) {
	tests := []struct {
		name string
		cell string
		held int // rows that are held back
	}{
		{"rows", strings.Repeat("x", 100), sampleRows - 1},
		{"bytes", strings.Repeat("x", sampleBytes/4), 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			w, err := NewWriter(&out, Table, WriterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Begin([]string{"a"}); err != nil {
				t.Fatal(err)
			}
			for i := range tt.held + 1 {
				if out.Len() > 0 {
					t.Fatalf("%d rows were not held back", i)
				}
				if err := w.Write([]Value{String(tt.cell)}); err != nil {
					t.Fatal(err)
				}
			}
			if out.Len() == 0 {
				t.Errorf("%d rows are held back", tt.held+1)
			}
		})
	}
}
