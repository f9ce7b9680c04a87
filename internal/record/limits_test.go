package record

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// Records longer than the window, in the places where they can be cut.
func TestLongRecords(t *testing.T) {
	for _, size := range []int{windowSize - 1, windowSize, windowSize + 1, 1 << 20} {
		x := strings.Repeat("x", size)
		tests := []struct {
			format Format
			input  string
			want   []string
		}{
			{JSONL, `{"a":"` + x + `"}` + "\n{\"a\":1}\n", []string{`1: a="` + x + `"`, `2: a=1`}},
			{JSONL, `{"a":"\n` + x + `"}`, []string{`1: a="\n` + x + `"`}},
			{CSV, "a,b\n" + x + ",1\n2,3\n", []string{`2: a="` + x + `" b="1"`, `3: a="2" b="3"`}},
			{CSV, "a,b\n1,\"" + x + "\n\"\"\"\n2,3\n", []string{`2: a="1" b="` + x + `\n\""`, `4: a="2" b="3"`}},
			{CSV, "a,b\n\"\"\"" + x + "\",\"" + x + "\"\n", []string{`2: a="\"` + x + `" b="` + x + `"`}},
			{TSV, "a\tb\n" + x + "\\n\t" + x, []string{`2: a="` + x + `\n" b="` + x + `"`}},
			{Outfile, x + "\\\n\t" + x + "\\\t\n", []string{`1: c1="` + x + `\n" c2="` + x + `\t"`}},
			{JSONText, "[\n{\"a\":\"" + x + "\"},{\"a\":1}]", []string{`2: a="` + x + `"`, `2: a=1`}},
			{JSONText, "{\n\"a\":\"\\n" + x + "\"\n}\n{\"a\":1}", []string{`1: a="\n` + x + `"`, `4: a=1`}},
			{Lines, x + "\r\ny", []string{`1: url="` + x + `"`, `2: url="y"`}},
		}
		for _, tt := range tests {
			o := ReaderOptions{Format: tt.format, LineField: "url"}
			got := readAll(strings.NewReader(tt.input), o)
			if !cmp.Equal(tt.want, got) {
				t.Errorf("%s, %d bytes: got %.60q…", tt.format, size, got)
			}
		}
	}
}

// A record of just the maximum is read; of a longer one only the line is
// skipped.
func TestMaxRecord(t *testing.T) {
	const limit = 10
	tests := []struct {
		name   string
		format Format
		input  string
		want   []string
	}{
		{"jsonl", JSONL, "{\"a\":1234}\n{\"a\":12345}\n{\"a\":1}\n", []string{
			`1: a=1234`, `! in: line 2: record longer than 10 bytes | {"a":12345`, `3: a=1`}},
		{"jsonl, the last", JSONL, "{\"a\":1}\n{\"a\":12345}", []string{
			`1: a=1`, `! in: line 2: record longer than 10 bytes | {"a":12345`}},
		{"csv", CSV, "a,b\n12345,7890\n12345,78901\n1,2\n", []string{
			`2: a="12345" b="7890"`, `! in: line 3: record longer than 10 bytes | 12345,7890`, `4: a="1" b="2"`}},
		{"csv in quotes", CSV, "a,b\n\"\n345\",789\n\"2345\",8901\n1,2\n", []string{
			`2: a="\n345" b="789"`, `! in: line 4: record longer than 10 bytes | "2345",890`, `5: a="1" b="2"`}},
		{"csv, the lines of a quoted field", CSV, "a,b\n1,\"345\n7890123\"\n1,2\n", []string{
			`! in: line 2: record longer than 10 bytes | 1,"345`,
			`! in: line 3: the header has 2 fields, this record has 1 | 7890123"`,
			`4: a="1" b="2"`}},
		{"csv, behind a quoted field", CSV, "a,b\n\"2\n4\",78901234\n1,2\n", []string{
			`! in: line 2: record longer than 10 bytes | "2`,
			`! in: line 3: record longer than 10 bytes | 4",7890123`,
			`4: a="1" b="2"`}},
		{"csv, the header", CSV, "a,b,c,d,e,f\n1,2\n", []string{
			`!! in: line 1, in the header: record longer than 10 bytes`}},
		{"tsv", TSV, "a\tb\n12345\t7890\n12345\t78901\n1\t2", []string{
			`2: a="12345" b="7890"`, "! in: line 3: record longer than 10 bytes | 12345\t7890", `4: a="1" b="2"`}},
		{"tsv, the header", TSV, "a\tb\tc\td\te\tf\n1\t2\n", []string{
			`!! in: line 1, in the header: record longer than 10 bytes`}},
		{"outfile", Outfile, "12345\t7890\n12345\t78901\n1\t2\n", []string{
			`1: c1="12345" c2="7890"`, "! in: line 2: record longer than 10 bytes | 12345\t7890", `3: c1="1" c2="2"`}},
		{"outfile, an escaped newline", Outfile, "1\t2\n1\t345\\\n890\n1\t345\\\n8901\n", []string{
			`1: c1="1" c2="2"`, `2: c1="1" c2="345\n890"`, "! in: line 4: record longer than 10 bytes | 1\t345\\", `! in: line 5: the first record has 2 fields, this record has 1 | 8901`}},
		{"json", JSONText, "[{\"a\":1234},\n {\"a\":12345}, {\"a\":1}]", []string{
			`1: a=1234`, `!! in: line 2, column 2: record longer than 10 bytes`}},
		{"json without end", JSONText, "{\"a\":[1,2,3,4,5", []string{
			`!! in: line 1, column 1: record longer than 10 bytes`}},
		{"json, malformed before it is too long", JSONText, "{\"a\":[1,,3,4,5", []string{
			`!! in: line 1, column 9: ',' where a value should be`}},
		{"lines", Lines, "1234567890\n12345678901\nx", []string{
			`1: url="1234567890"`, `! in: line 2: record longer than 10 bytes | 1234567890`, `3: url="x"`}},
		{"found out from a long line", Auto, "12345678901,2\n1,2\n", []string{
			`!! in: line 1, in the header: record longer than 10 bytes`}},
		{"found out behind much white space", Auto, strings.Repeat(" ", 20) + "{}\na,b\n1,2\n", []string{
			`!! in: line 1, in the header: record longer than 10 bytes`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := ReaderOptions{Format: tt.format, Source: "in", LineField: "url", MaxRecord: limit}
			got := readAll(strings.NewReader(tt.input), o)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestDefaultMaxRecord(t *testing.T) {
	in := io.MultiReader(
		strings.NewReader(`{"a":"`), io.LimitReader(endless{}, DefaultMaxRecord), strings.NewReader("\"}\n{\"a\":1}\n"))
	got := readAll(in, ReaderOptions{Source: "in"})
	want := []string{"! in: line 1: record longer than 67108864 bytes | {\"a\":\"" + strings.Repeat("x", 1024-6), "2: a=1"}
	if !cmp.Equal(want, got) {
		t.Errorf("got %.100q", got)
	}
}

// endless gives x without end.
type endless struct{}

var manyX = bytes.Repeat([]byte{'x'}, 1<<20)

func (endless) Read(p []byte) (int, error) { return copy(p, manyX), nil }

// others is how many allocations the runtime may make meanwhile.
const others = 100

// Reading costs the same memory however many records there are, whatever
// pieces the input comes in.
func TestReaderMemory(t *testing.T) {
	for _, tt := range []struct {
		format             Format
		head, record, tail string
		extra              int // records in head and tail
	}{
		{format: JSONL, record: `{"id":1,"text":"a\nb","list":[1,2]}` + "\n"},
		{format: CSV, head: "id,text,note\n", record: "1,\"a \"\"b\"\"\nc\",\n"},
		{format: TSV, head: "id\ttext\n", record: "1\ta\\nb\n"},
		{format: Outfile, record: "1\ta\\\nb\t\\N\n"},
		{format: JSONText, record: "{\n  \"id\": 1,\n  \"text\": \"a\\nb\"\n}\n"},
		{format: JSONText, head: "[", record: "{\"id\":1,\"list\":[1,{\"a\":2}]},\n", tail: "{\"id\":1,\"list\":[]}]", extra: 1},
		{format: Lines, record: "http://example.com/\r\n"},
	} {
		allocs := func(records int) float64 {
			return testing.AllocsPerRun(1, func() {
				in := io.MultiReader(strings.NewReader(tt.head), &repeated{record: tt.record, left: records}, strings.NewReader(tt.tail))
				r, err := NewReader(in, ReaderOptions{Format: tt.format})
				if err != nil {
					t.Fatal(err)
				}
				var rec Record
				n := 0
				for ; err == nil; n++ {
					err = r.Read(&rec)
				}
				if err != io.EOF || n != records+tt.extra+1 {
					t.Fatalf("%s: %d records, %v", tt.format, n, err)
				}
			})
		}
		if few, many := allocs(1000), allocs(20_000); many > few+others {
			t.Errorf("%s: %v allocations for 1,000 records, %v for 20,000", tt.format, few, many)
		}
	}
}

// repeated is one record many times.
type repeated struct {
	record string
	rest   string
	left   int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.left == 0 {
			return 0, io.EOF
		}
		r.left--
		r.rest = r.record
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestWriterMemory(t *testing.T) {
	row := []Value{Int(1), String("a \"b\"\n\xff"), {Binary, []byte{0, 255}}, {JSON, []byte("{\n}")}, {}}
	for _, f := range []Format{JSONL, CSV, TSV} {
		w, err := NewWriter(io.Discard, f, WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Begin([]string{"a", "b", "c", "d", "e"}); err != nil {
			t.Fatal(err)
		}
		writeMany := func() {
			for range 10_000 {
				if err := w.Write(row); err != nil {
					t.Fatal(err)
				}
			}
		}
		writeMany() // the block reaches its size
		if n := testing.AllocsPerRun(1, writeMany); n > others {
			t.Errorf("%s: %v allocations for 10,000 records", f, n)
		}
	}
}

// Each record can be read as soon as its line is there: no reader waits for
// what comes behind it.
func TestReaderDoesNotWait(t *testing.T) {
	for _, tt := range []struct {
		format Format
		pieces []string
	}{
		{Auto, []string{"{\"a\":1}\n", "{\"a\":2}\n"}},
		{Auto, []string{"[\n{\"a\":1}", ",{\"a\":2\n}", "]"}},
		{JSONL, []string{"{\"a\":1}\n", "{\"a\":2}\n"}},
		{JSONText, []string{"{\n\"a\":1}", "[{\"a\":2}", ", {\"a\":\n3}", "]\n"}},
		{CSV, []string{"a\n1\n", "2\n", "\"3\"\n", "\"\"\"4\"\"\"\n"}},
		{CSV, []string{"\"a\nb\"\"\",c\r\n1,2\r\n", "\"3\",\n"}},
		{TSV, []string{"a\tb\n1\t2\n", "\\N\t\n"}},
		{Outfile, []string{"1\t2\n", "1\\\n\t2\n"}},
		{Lines, []string{"x\n", "y\n"}},
	} {
		pr, pw, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		var r Reader
		var rec Record
		for i, piece := range tt.pieces {
			if _, err := io.WriteString(pw, piece); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				if r, err = NewReader(pr, ReaderOptions{Format: tt.format}); err != nil {
					t.Fatal(err)
				}
			}
			if piece == "]" || piece == "]\n" {
				continue // no record
			}
			if err := r.Read(&rec); err != nil {
				t.Errorf("%s: record %d: %v", tt.format, i+1, err)
			}
		}
		pw.Close()
		if err := r.Read(&rec); err != io.EOF {
			t.Errorf("%s: at the end: %v", tt.format, err)
		}
		pr.Close()
	}
}

// An input is read alike whatever pieces it comes in.
func TestPieces(t *testing.T) {
	for f, tests := range map[Format][]readerTest{
		JSONL: jsonlReaderTests, JSONText: jsonTextReaderTests, CSV: csvReaderTests, TSV: tsvReaderTests, Outfile: outfileReaderTests,
	} {
		for _, tt := range tests {
			for name, in := range pieces([]byte(tt.input)) {
				got := readAll(in, ReaderOptions{Format: f, Source: "in"})
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s, %s, %s: -want +got:\n%s", f, tt.name, name, diff)
				}
			}
		}
	}
}

func pieces(input []byte) map[string]io.Reader {
	return map[string]io.Reader{
		"a byte at a time": iotest.OneByteReader(bytes.NewReader(input)),
		"the half":         iotest.HalfReader(bytes.NewReader(input)),
		"data with EOF":    iotest.DataErrReader(bytes.NewReader(input)),
		"empty reads":      &hesitant{in: bytes.NewReader(input)},
	}
}

// hesitant returns nothing at every second read.
type hesitant struct {
	in   io.Reader
	wait bool
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.wait = !h.wait; h.wait {
		return 0, nil
	}
	return h.in.Read(p[:min(3, len(p))])
}

func ExampleNewReader() {
	r, err := NewReader(strings.NewReader("id,name\n1,Zoë\n2,\n"), ReaderOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var rec Record
	for {
		err := r.Read(&rec)
		if err == io.EOF {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		name, _ := rec.Get("name")
		fmt.Printf("line %d: %s null=%t\n", rec.Line, name.Bytes, name.IsNull())
	}
	// Output:
	// line 2: Zoë null=false
	// line 3:  null=true
}
