package record

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var csvReaderTests = []readerTest{
	{"empty", "", []string{}},
	{"header alone", "a,b\n", []string{}},
	{"plain", "a,b\n1,2\n3,4\n", []string{`2: a="1" b="2"`, `3: a="3" b="4"`}},
	{"last line without newline", "a,b\n1,2", []string{`2: a="1" b="2"`}},
	{"byte order mark", "\ufeffa,b\n1,2\n", []string{`2: a="1" b="2"`}},
	{"byte order mark before a quote", "\ufeff\"a\",b\n1,2\n", []string{`2: a="1" b="2"`}},
	{"byte order mark alone", "\ufeff", []string{}},
	{"spaces are part of a field", "a,b\n 1 ,\t2\n", []string{`2: a=" 1 " b="\t2"`}},

	{"an empty field is NULL", "a,b,c\n,,\n", []string{`2: a=NULL b=NULL c=NULL`}},
	{"a quoted one is the empty text", "a,b\n\"\",\n", []string{`2: a="" b=NULL`}},
	{"both at the end of the line", "a,b\n1,\"\"\n2,\n", []string{`2: a="1" b=""`, `3: a="2" b=NULL`}},
	{`\N is text`, "a,b\n\\N,NULL\n", []string{`2: a="\\N" b="NULL"`}},
	{"an empty name", "a,,\"\"\n1,2,3\n", []string{`2: a="1" ="2" _2="3"`}},

	{"CRLF", "a,b\r\n1,2\r\n\"3\",\"4\"\r\n", []string{`2: a="1" b="2"`, `3: a="3" b="4"`}},
	{"CRLF behind an empty field", "a,b\r\n1,\r\n2,\"\"\r\n", []string{`2: a="1" b=NULL`, `3: a="2" b=""`}},
	{"CRLF at the very end", "a,b\r\n1,\"2\"\r", []string{`2: a="1" b="2"`}},
	{"CRLF inside quotes is kept", "a,b\r\n1,\"x\r\ny\"\r\n2,z\r\n", []string{`2: a="1" b="x\r\ny"`, `4: a="2" b="z"`}},
	{"a lone CR is text", "a,b\nx\ry,\"z\r\"\n", []string{`2: a="x\ry" b="z\r"`}},
	{"two CR at the end", "a,b\n1,2\r\r\n", []string{`2: a="1" b="2\r"`}},

	{"CR alone", "a,b\r1,2\r3,4", []string{`2: a="1" b="2"`, `3: a="3" b="4"`}},
	{"CR alone, the header alone", "a,b\r", []string{}},
	{"CR alone, quotes and blank lines", "\r\"a\",b\r\r\"1\r\n2\n\",\r\"\",x\r", []string{`4: a="1\r\n2\n" b=NULL`, `6: a="" b="x"`}},
	{"CR alone, errors", "a,b\r1,\"2\"x\r1,\"2\r3\r", []string{
		`! in: line 2, column 6: text behind a closing quote | 1,"2"x`,
		`! in: line 3, column 3: quoted field without a closing quote | 1,"2`,
		`! in: line 4: the header has 2 fields, this record has 1 | 3`}},
	{"CR in a quoted name", "\"a\"\"\r\",b\r\n1,2\r\n", []string{"2: a\"\r=\"1\" b=\"2\""}},
	{"a CR in an unquoted name", "a\rb,c\n1,2\n", []string{"2: a\rb=\"1\" c=\"2\""}},
	{"two CR behind each line", "a,b\r\r\n1,2\r\r\n", []string{"2: a=\"1\" b\r=\"2\\r\""}},

	{"comma in quotes", "a,b\n\"1,2\",3\n", []string{`2: a="1,2" b="3"`}},
	{"newline in quotes", "a,b\n\"1\n\n2\",3\n4,5\n", []string{`2: a="1\n\n2" b="3"`, `5: a="4" b="5"`}},
	{"doubled quotes", "a,b\n\"1\"\"2\",\"\"\"\"\n\"\"\"x\"\"\",\n", []string{`2: a="1\"2" b="\""`, `3: a="\"x\"" b=NULL`}},
	{"two fields with doubled quotes", "a,b,c\n\"1\"\"\",x,\"\"\"2\"\n", []string{`2: a="1\"" b="x" c="\"2"`}},
	{"a quote in an unquoted field", "a,b\n6\" pipe,x\n", []string{`2: a="6\" pipe" b="x"`}},
	{"a quote behind a space", "a,b\n \"x\", y\n", []string{`2: a=" \"x\"" b=" y"`}},
	{"unquoted fields behind a quoted one", "a,b,c,d\n\"1\",2,,4\n", []string{`2: a="1" b="2" c=NULL d="4"`}},
	{"the header may be quoted", "\"a,b\",\"c\nd\"\n1,2\n", []string{"3: a,b=\"1\" c\nd=\"2\""}},
	{"quoted field ends with the input", "a,b\n1,\"2\"", []string{`2: a="1" b="2"`}},

	{"blank lines", "\n\r\na,b\n\n1,2\n\r\n3,4\n\n", []string{`5: a="1" b="2"`, `7: a="3" b="4"`}},
	{"one column", "a\nx\n\n\"\"\ny\n", []string{`2: a="x"`, `3: a=NULL`, `4: a=""`, `5: a="y"`}},

	{"too few fields", "a,b,c\n1,2\n1,2,3\n", []string{
		`! in: line 2: the header has 3 fields, this record has 2 | 1,2`, `3: a="1" b="2" c="3"`}},
	{"too many fields", "a\n1,\"2\n\"\n3\n", []string{
		"! in: line 2: the header has 1 field, this record has 2 | 1,\"2\n\"", `4: a="3"`}},
	{"text behind a quote", "a,b\n1,\"x\" \n3,4\n", []string{
		`! in: line 2, column 6: text behind a closing quote | 1,"x" `, `3: a="3" b="4"`}},
	{"text behind a quote, lines below", "a,b\n1,\"x\ny\"z\n3,4\n", []string{
		`! in: line 3, column 3: text behind a closing quote | 1,"x`,
		`! in: line 3: the header has 2 fields, this record has 1 | y"z`,
		`4: a="3" b="4"`}},
	{"CR behind a quote", "a,b\n1,\"x\"\ry\n3,4\n", []string{
		"! in: line 2, column 6: text behind a closing quote | 1,\"x\"\ry", `3: a="3" b="4"`}},
	{"a quote never closed", "a,b\n1,\"x\n3,4\n", []string{
		`! in: line 2, column 3: quoted field without a closing quote | 1,"x`, `3: a="3" b="4"`}},
	{"a doubled quote never closed", "a,b\n1,\"x\"\"\n3,4\n", []string{
		`! in: line 2, column 3: quoted field without a closing quote | 1,"x""`, `3: a="3" b="4"`}},
	{"a malformed header is final", "a,\"b\n1,2\n", []string{
		"!! in: line 1, in the header: quoted field without a closing quote"}},

	{"NUL bytes", "a,b\n\x00,x\x00y\n", []string{`2: a="\x00" b="x\x00y"`}},
	{"invalid UTF-8", "a,b\n\xff,\"\xc3\"\n", []string{`2: a="\xff" b="\xc3"`}},
}

func TestCSVReader(t *testing.T) { testReader(t, ReaderOptions{Format: CSV}, csvReaderTests) }

func TestCSVReaderNullAs(t *testing.T) {
	testReader(t, ReaderOptions{Format: CSV, NullAs: new("NULL")}, []readerTest{
		{"only unquoted", "a,b\nNULL,\"NULL\"\n", []string{`2: a=NULL b="NULL"`}},
		{"the empty field is text", "a,b\n,\"\"\n", []string{`2: a="" b=""`}},
		{"the whole field, in its case", "a,b\nnull, NULL\n", []string{`2: a="null" b=" NULL"`}},
		{"no name", "NULL,b\n1,2\n", []string{`2: NULL="1" b="2"`}},
	})
	testReader(t, ReaderOptions{Format: CSV, NullAs: new("")}, []readerTest{
		{"empty is the default", "a,b\n,\"\"\n", []string{`2: a=NULL b=""`}},
	})
}

func TestCSVReaderEmpty(t *testing.T) {
	testReader(t, ReaderOptions{Format: CSV, Empty: EmptyNull, NullAs: new("-")}, []readerTest{
		{"NULL", "a,b,c\n,\"\",-\n", []string{`2: a=NULL b=NULL c=NULL`}},
	})
	testReader(t, ReaderOptions{Format: CSV, Empty: EmptyText}, []readerTest{
		{"the empty text", "a,b\n,\"\"\n", []string{`2: a="" b=""`}},
		{"an empty name", "a,\n1,2\n", []string{`2: a="1" ="2"`}},
	})
	testReader(t, ReaderOptions{Format: JSONL, Empty: EmptyNull}, []readerTest{
		{"a string of JSON", `{"a":"","b":" ","c":[""]}`, []string{`1: a=NULL b=" " c=[""]`}},
	})
}

func TestCSVReaderDelimiter(t *testing.T) {
	testReader(t, ReaderOptions{Format: CSV, Delimiter: ';'}, []readerTest{
		{"semicolons", "a;b\n1,5;\"2;\"\"\"\n;\"\"\n", []string{`2: a="1,5" b="2;\""`, `3: a=NULL b=""`}},
	})
	testReader(t, ReaderOptions{Format: CSV, Delimiter: '\t', Quote: '\''}, []readerTest{
		{"tabs and single quotes", "a\tb\n'1\t'\t\"2\"\n'it''s'\t''\n", []string{`2: a="1\t" b="\"2\""`, `3: a="it's" b=""`}},
		{"errors", "a\tb\n'1'x\t2\n", []string{"! in: line 2, column 4: text behind a closing quote | '1'x\t2"}},
		{"CR alone", "'a\n'\tb\r1\t2\r", []string{"2: a\n=\"1\" b=\"2\""}},
	})
	testReader(t, ReaderOptions{Format: CSV, Delimiter: '|', NoQuote: true}, []readerTest{
		{"no quotes", "a|b\n\"1|2\"\n|\"\"\n", []string{`2: a="\"1" b="2\""`, `3: a=NULL b="\"\""`}},
		{"lines end in quotes too", "a|\"b\r\n1|\"\r\n", []string{`2: a="1" "b="\""`}},
	})
	testReader(t, ReaderOptions{Format: CSV, Delimiter: '"', NoQuote: true}, []readerTest{
		{"the quote delimits", "a\"b\n1\"2\n", []string{`2: a="1" b="2"`}},
	})
	testReader(t, ReaderOptions{Format: CSV, Delimiter: 0xff}, []readerTest{
		{"any byte", "a\xffb\n1,2345678\xff,\n", []string{`2: a="1,2345678" b=","`}},
	})
	for _, tt := range []struct {
		o    ReaderOptions
		want string
	}{
		{ReaderOptions{Delimiter: '\n'}, `a line end, '\n', cannot delimit or quote fields`},
		{ReaderOptions{Quote: '\r'}, `a line end, '\r', cannot delimit or quote fields`},
		{ReaderOptions{Delimiter: '"'}, `'"' cannot both delimit fields and quote them`},
	} {
		tt.o.Format = CSV
		if _, err := NewReader(strings.NewReader("a"), tt.o); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: got %v, want %s", tt.o, err, tt.want)
		}
	}
}

func TestCSVReaderNames(t *testing.T) {
	testReader(t, ReaderOptions{Format: CSV, NoHeader: true}, []readerTest{
		{"none", "\n1,\n\n3,4\n", []string{`2: c1="1" c2=NULL`, `4: c1="3" c2="4"`}},
		{"quoted", "\"a\nb\",2\n", []string{`1: c1="a\nb" c2="2"`}},
		{"one column", "1\n\n3\n", []string{`1: c1="1"`, `2: c1=NULL`, `3: c1="3"`}},
		{"too few fields", "1,2\n3\n", []string{`1: c1="1" c2="2"`, `! in: line 2: the first record has 2 fields, this record has 1 | 3`}},
		{"a malformed first record", "1,\"2\n3,4\n", []string{
			`! in: line 1, column 3: quoted field without a closing quote | 1,"2`, `2: c1="3" c2="4"`}},
	})
	testReader(t, ReaderOptions{NoHeader: true}, []readerTest{
		{"found out, a brace is text", "{1,2\n", []string{`1: c1="{1" c2="2"`}},
		{"found out, tabs", "[{\t2\n", []string{`1: c1="[{" c2="2"`}},
	})
	testReader(t, ReaderOptions{Format: CSV, HeaderNames: []string{"x", "y"}}, []readerTest{
		{"given", "1,2\n3,4\n", []string{`1: x="1" y="2"`, `2: x="3" y="4"`}},
		{"too many fields", "1,2,3\n", []string{`! in: line 1: there are names for 2 fields, this record has 3 | 1,2,3`}},
	})
	testReader(t, ReaderOptions{Format: CSV, HeaderNames: []string{"x", "x"}}, []readerTest{
		{"given twice", "1,2\n", []string{`1: x="1" x_2="2"`}},
	})
}

func TestCSVWriter(t *testing.T) {
	testWriter(t, CSV, []writerTest{
		{"plain", WriterOptions{}, []Value{Int(1), String("x y"), Boolean(true)}, "a,b,c\n1,x y,true\n"},
		{"NULL and the empty text", WriterOptions{}, []Value{{}, String("")}, "a,b\n,\"\"\n"},
		{"a NULL alone", WriterOptions{}, []Value{{}}, "a\n\n"},
		{"what needs quotes", WriterOptions{}, []Value{String("1,2"), String("x\ny"), String("x\r"), String(`6"`)},
			"a,b,c,d\n\"1,2\",\"x\ny\",\"x\r\",\"6\"\"\"\n"},
		{"only quotes", WriterOptions{}, []Value{String(`"`), String(`""`)}, "a,b\n\"\"\"\",\"\"\"\"\"\"\n"},
		{"spaces need none", WriterOptions{}, []Value{String(" x "), String(`\N`)}, "a,b\n x ,\\N\n"},
		{"JSON", WriterOptions{}, []Value{{JSON, []byte(`{"x":[1,2]}`)}}, "a\n\"{\"\"x\"\":[1,2]}\"\n"},
		{"digits", WriterOptions{}, []Value{{Number, []byte("0.10")}, {Number, []byte("18446744073709551616")}}, "a,b\n0.10,18446744073709551616\n"},
		{"without names", WriterOptions{NoHeader: true}, []Value{Int(1), Int(2)}, "1,2\n"},
		{"NULL as a word", WriterOptions{NullAs: new("NULL")}, []Value{{}, String("NULL"), String("null"), String("")}, "a,b,c,d\nNULL,\"NULL\",null,\"\"\n"},
		{"NULL as \\N", WriterOptions{NullAs: new(`\N`)}, []Value{{}, String(`\N`)}, "a,b\n\\N,\"\\N\"\n"},
		{"binary in base64", WriterOptions{}, []Value{{Binary, []byte{0, 255}}, {Binary, nil}}, "a,b\nAP8=,\"\"\n"},
		{"binary in hex", WriterOptions{Binary: Hex}, []Value{{Binary, []byte{0, 255}}, {Binary, nil}}, "a,b\n0x00ff,0x\n"},
		{"binary as it is", WriterOptions{Binary: Raw}, []Value{{Binary, []byte{0, 255, '\n', '"'}}}, "a\n\"\x00\xff\n\"\"\"\n"},
		{"invalid UTF-8 is kept", WriterOptions{}, []Value{String("\xff")}, "a\n\xff\n"},
	})
	got := write(t, CSV, WriterOptions{}, []string{"", "a,b", `6"`, "x\ny"})
	if want := "\"\",\"a,b\",\"6\"\"\",\"x\ny\"\n"; got != want {
		t.Errorf("header is %q, want %q", got, want)
	}
}

// A record with a quoted field and very many others is split in one pass.
func TestCSVReaderManyFields(t *testing.T) {
	const columns = 50_000
	row := strings.Repeat("x,", columns-1)
	input := row + "x\n" + row + "\"y\"\n"
	r, err := NewReader(strings.NewReader(input), ReaderOptions{Format: CSV})
	if err != nil {
		t.Fatal(err)
	}
	var rec Record
	if err := r.Read(&rec); err != nil {
		t.Fatal(err)
	}
	if len(rec.Values) != columns {
		t.Fatalf("%d values", len(rec.Values))
	}
	if diff := cmp.Diff(String("y"), rec.Values[columns-1]); diff != "" {
		t.Error(diff)
	}
}
