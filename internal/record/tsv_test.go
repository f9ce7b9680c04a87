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
