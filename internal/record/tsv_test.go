package record

import "testing"

var tsvReaderTests = []readerTest{
	{"empty", "", []string{}},
	{"header alone", "a\tb\n", []string{}},
	{"plain", "a\tb\n1\t2\n3\t4\n", []string{`2: a="1" b="2"`, `3: a="3" b="4"`}},
	{"last line without newline", "a\tb\n1\t2", []string{`2: a="1" b="2"`}},
	{"byte order mark", "\ufeffa\tb\n1\t2\n", []string{`2: a="1" b="2"`}},
	{"escapes", "a\tb\n\\t\\n\t\\\\\\0\n", []string{`2: a="\t\n" b="\\\x00"`}},
	{"other backslashes are text", "a\tb\n\\x\\r\tC:\\\n", []string{`2: a="\\x\\r" b="C:\\"`}},
	{"escapes in a name", "a\\tb\tc\\\\\n1\t2\n", []string{"2: a\tb=\"1\" c\\=\"2\""}},
	{"NULL", "a\tb\tc\n\\N\t\tNULL\n", []string{`2: a=NULL b="" c="NULL"`}},
	{`\N is NULL as the whole field only`, "a\tb\tc\n\\\\N\tx\\N\t\\n\n", []string{`2: a="\\N" b="x\\N" c="\n"`}},
	{"quotes are text", "a\tb\n\"1\"\t\"\n", []string{`2: a="\"1\"" b="\""`}},
	{"commas are text", "a,b\tc\n1,2\t3\n", []string{`2: a,b="1,2" c="3"`}},
	{"CRLF", "a\tb\r\n1\t2\r\n3\t\r\n", []string{`2: a="1" b="2"`, `3: a="3" b=""`}},
	{"lines that end in CR", "a\tb\r1\t2\r", []string{"!! in: line 1, in the header: lines end in CR alone"}},
	{"a CR in a name", "a\rb\tc\n1\t2\n", []string{"2: a\rb=\"1\" c=\"2\""}},
	{"a CR where the header has none", "a\tb\n1\t2\r\n", []string{`2: a="1" b="2\r"`}},
	{"blank lines", "\na\tb\n\n1\t2\n\n", []string{`4: a="1" b="2"`}},
	{"one column", "a\nx\n\n\\N\n", []string{`2: a="x"`, `3: a=""`, `4: a=NULL`}},
	{"too few fields", "a\tb\n1\n3\t4\n", []string{`! in: line 2: the header has 2 fields, this record has 1 | 1`, `3: a="3" b="4"`}},
	{"too many fields", "a\tb\n1\t2\t3\n", []string{"! in: line 2: the header has 2 fields, this record has 3 | 1\t2\t3"}},
	{"NUL bytes and invalid UTF-8", "a\tb\n\x00\t\xff\n", []string{`2: a="\x00" b="\xff"`}},
}

func TestTSVReader(t *testing.T) { testReader(t, ReaderOptions{Format: TSV}, tsvReaderTests) }

func TestTSVReaderNullAs(t *testing.T) {
	testReader(t, ReaderOptions{Format: TSV, NullAs: new("NULL")}, []readerTest{
		{"as mysql --batch prints it", "a\tb\tc\nNULL\t\\N\tnull\n", []string{`2: a=NULL b="\\N" c="null"`}},
	})
	testReader(t, ReaderOptions{Format: TSV, NullAs: new("")}, []readerTest{
		{"the empty field", "a\tb\n\tx\n", []string{`2: a=NULL b="x"`}},
	})
}

func TestTSVWriter(t *testing.T) {
	testWriter(t, TSV, []writerTest{
		{"plain", WriterOptions{}, []Value{Int(1), String("x y"), Boolean(false)}, "a\tb\tc\n1\tx y\tfalse\n"},
		{"NULL and the empty text", WriterOptions{}, []Value{{}, String("")}, "a\tb\n\\N\t\n"},
		{"escapes", WriterOptions{}, []Value{String("\t\n"), String("\\\x00"), String("\r")}, "a\tb\tc\n\\t\\n\t\\\\\\0\t\r\n"},
		{"the text that NULL looks like", WriterOptions{}, []Value{String(`\N`)}, "a\n\\\\N\n"},
		{"quotes need nothing", WriterOptions{}, []Value{String(`"x",y`)}, "a\n\"x\",y\n"},
		{"as mysql --batch", WriterOptions{NullAs: new("NULL")}, []Value{{}, String("x")}, "a\tb\nNULL\tx\n"},
		{"without names", WriterOptions{NoHeader: true}, []Value{Int(1), Int(2)}, "1\t2\n"},
		{"binary in base64", WriterOptions{}, []Value{{Binary, []byte{0, 255}}}, "a\nAP8=\n"},
		{"binary in hex", WriterOptions{Binary: Hex}, []Value{{Binary, []byte{0, 255}}}, "a\n0x00ff\n"},
		{"binary as it is, escaped", WriterOptions{Binary: Raw}, []Value{{Binary, []byte("\x00\xff\n")}}, "a\n\\0\xff\\n\n"},
		{"JSON", WriterOptions{}, []Value{{JSON, []byte(`["a\tb"]`)}}, "a\n[\"a\\\\tb\"]\n"},
	})
}

func TestTSVReaderNames(t *testing.T) {
	testReader(t, ReaderOptions{Format: TSV, NoHeader: true}, []readerTest{
		{"none", "1\t\\N\n3\t4\n", []string{`1: c1="1" c2=NULL`, `2: c1="3" c2="4"`}},
		{"CRLF", "\r\n1\t2\r\n", []string{`2: c1="1" c2="2"`}},
		{"too few fields", "1\t2\n3\n", []string{`1: c1="1" c2="2"`, `! in: line 2: the first record has 2 fields, this record has 1 | 3`}},
	})
	testReader(t, ReaderOptions{Format: TSV, HeaderNames: []string{"x"}}, []readerTest{
		{"given", "a\n\n", []string{`1: x="a"`, `2: x=""`}},
		{"a record may have a CR", "a\rb", []string{`1: x="a\rb"`}},
		{"too many fields", "1\t2\n3\n", []string{"! in: line 1: there are names for 1 field, this record has 2 | 1\t2", `2: x="3"`}},
	})
}

func TestTSVReaderEmpty(t *testing.T) {
	testReader(t, ReaderOptions{Format: TSV, Empty: EmptyNull}, []readerTest{
		{"NULL", "a\tb\n\t\\N\n", []string{`2: a=NULL b=NULL`}},
	})
	testReader(t, ReaderOptions{Format: TSV, Empty: EmptyText}, []readerTest{
		{"the empty text", "a\tb\n\t\\N\n", []string{`2: a="" b=NULL`}},
	})
}

var outfileReaderTests = []readerTest{
	{"empty", "", []string{}},
	{"plain", "1\t2\n3\t4\n", []string{`1: c1="1" c2="2"`, `2: c1="3" c2="4"`}},
	{"last line without newline", "1\t2", []string{`1: c1="1" c2="2"`}},
	{"NULL", "\\N\t\tNULL\t\\\\N\tx\\N\n", []string{`1: c1=NULL c2="" c3="NULL" c4="\\N" c5="xN"`}},
	{"escapes of the server", "a\\\tb\t\\\\\t\\0\tc\\\nd\n2\t2\t2\t2\n", []string{
		`1: c1="a\tb" c2="\\" c3="\x00" c4="c\nd"`, `3: c1="2" c2="2" c3="2" c4="2"`}},
	{"escapes of LOAD DATA", "\\b\\n\\r\\t\\Z\\x\\\"\n", []string{`1: c1="\b\n\r\t\x1ax\""`}},
	{"a backslash before the tab", "a\\\\\tb\n", []string{`1: c1="a\\" c2="b"`}},
	{"a backslash before the newline", "a\\\\\nb\n", []string{`1: c1="a\\"`, `2: c1="b"`}},
	{"newlines alone", "\\\n\\\n\nx\n", []string{`1: c1="\n\n"`, `4: c1="x"`}},
	{"a CR is text", "1\t2\r\n", []string{`1: c1="1" c2="2\r"`}},
	{"one column", "x\n\n\\N\n", []string{`1: c1="x"`, `2: c1=""`, `3: c1=NULL`}},
	{"too few fields", "1\t2\n3\\\t4\n5\t6\n", []string{
		`1: c1="1" c2="2"`, "! in: line 2: the first record has 2 fields, this record has 1 | 3\\\t4", `3: c1="5" c2="6"`}},
	{"cut off", "1\t2\n3\t\\", []string{`1: c1="1" c2="2"`, "! in: line 2: the input ends behind a backslash | 3\t\\"}},
	{"NUL bytes and invalid UTF-8", "\x00\t\xff\n", []string{`1: c1="\x00" c2="\xff"`}},
}

func TestOutfileReader(t *testing.T) {
	testReader(t, ReaderOptions{Format: Outfile}, outfileReaderTests)
}

func TestOutfileReaderNames(t *testing.T) {
	testReader(t, ReaderOptions{Format: Outfile, HeaderNames: []string{"a", "b"}, NullAs: new("NULL")}, []readerTest{
		{"given", "1\tNULL\n", []string{`1: a="1" b=NULL`}},
		{"a blank line", "\n1\t\\N\n", []string{`2: a="1" b="N"`}},
	})
}
