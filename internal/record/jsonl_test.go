package record

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var jsonlReaderTests = []readerTest{
	{"empty", "", []string{}},
	{"empty object", "{}\n", []string{`1:`}},
	{"every kind", `{"s":"x","n":1,"t":true,"f":false,"z":null,"o":{"a":[1]},"l":[]}` + "\n", []string{
		`1: s="x" n=1 t=true f=false z=NULL o={"a":[1]} l=[]`}},
	{"last line without newline", `{"a":1}`, []string{`1: a=1`}},
	{"CRLF and blank lines", "\r\n{\"a\":1}\r\n \t\n\n{\"a\":2}\r\n", []string{`2: a=1`, `5: a=2`}},
	{"byte order mark", "\ufeff{\"a\":1}\n", []string{`1: a=1`}},
	{"white space between tokens", " { \"a\" :\t[ 1 , { } ] , \"b\" : 2 } \n", []string{`1: a=[ 1 , { } ] b=2`}},

	{"every digit", `{"a":12345678901234567890.10,"b":-0,"c":1e400,"d":0.0000000000000000000001E-7,"e":100000000000000000000}`, []string{
		`1: a=12345678901234567890.10 b=-0 c=1e400 d=0.0000000000000000000001E-7 e=100000000000000000000`}},
	{"digits in a nested value", `{"a":[1.10,{"b":10000000000000000001}]}`, []string{`1: a=[1.10,{"b":10000000000000000001}]`}},

	{"escapes", `{"a":"\"\\\/\b\f\n\r\t\u0000\u00e9\u20AC","b\n":"x"}`, []string{
		"1: a=\"\\\"\\\\/\\b\\f\\n\\r\\t\\x00é€\" b\n=\"x\""}},
	{"text around escapes", `{"a":"x\ny\nz","b":"\n"}`, []string{`1: a="x\ny\nz" b="\n"`}},
	{"surrogate pair", `{"a":"\ud83d\ude00x"}`, []string{`1: a="😀x"`}},
	{"noncharacters are characters", `{"a":"\ufffe\uffff\ufffd"}`, []string{"1: a=\"\\ufffe\\uffff\ufffd\""}},
	{"UTF-8", "{\"é\":\"日本\U0001F600\"}", []string{`1: é="日本😀"`}},
	{"DEL is no control character here", "{\"a\":\"\x7f\"}", []string{`1: a="\x7f"`}},

	{"fields in their order", "{\"b\":1,\"a\":2}\n{\"a\":3,\"b\":4}\n{\"b\":5}\n{\"b\":6,\"a\":7,\"c\":8}\n{\"a\":9}", []string{
		`1: b=1 a=2`, `2: a=3 b=4`, `3: b=5`, `4: b=6 a=7 c=8`, `5: a=9`}},
	{"a repeated name: the last value counts", "{\"a\":1,\"b\":2,\"a\":3}\n{\"a\":1,\"b\":2,\"a\":null}\n{\"a\":1,\"\\u0061\":2}", []string{
		`1: a=3 b=2`, `2: a=NULL b=2`, `3: a=2`}},
	{"names may be empty", `{"":1}`, []string{`1: =1`}},

	{"no object", "[1]\n1\nnull\n\"x\"\nx\n{\"a\":1}\n", []string{
		`! in: line 1, column 1: not a JSON object | [1]`,
		`! in: line 2, column 1: not a JSON object | 1`,
		`! in: line 3, column 1: not a JSON object | null`,
		`! in: line 4, column 1: not a JSON object | "x"`,
		`! in: line 5, column 1: not a JSON object | x`,
		`6: a=1`}},
	{"two values", `{"a":1} {"b":2}`, []string{`! in: line 1, column 9: '{' where the end of the line should be | {"a":1} {"b":2}`}},
	{"cut off", "{\"a\":1\n{\"a\n{\n{\"a\":\n{\"a\":1,\n", []string{
		`! in: line 1, column 7: the record ends where a comma or a closing brace should be | {"a":1`,
		`! in: line 2, column 4: string without end | {"a`,
		`! in: line 3, column 2: the record ends where a field name should be | {`,
		`! in: line 4, column 6: the record ends where a value should be | {"a":`,
		`! in: line 5, column 8: the record ends where a field name should be | {"a":1,`}},
	{"cut off in a nested value", "{\"a\":[1\n{\"a\":{\"b\":\"\\\n", []string{
		`! in: line 1, column 8: the record ends where a comma or ] should be | {"a":[1`,
		`! in: line 2, column 13: the record ends where an escape should be | {"a":{"b":"\`}},
	{"misplaced", "{,}\n{\"a\" 1}\n{\"a\":1 \"b\":2}\n{\"a\":1,}\n{\"a\":[1,]}\n{\"a\":[1 2]}\n{a:1}\n", []string{
		`! in: line 1, column 2: ',' where a field name should be | {,}`,
		`! in: line 2, column 6: '1' where a colon should be | {"a" 1}`,
		`! in: line 3, column 8: '"' where a comma or a closing brace should be | {"a":1 "b":2}`,
		`! in: line 4, column 8: '}' where a field name should be | {"a":1,}`,
		`! in: line 5, column 9: ']' where a value should be | {"a":[1,]}`,
		`! in: line 6, column 9: '2' where a comma or ] should be | {"a":[1 2]}`,
		`! in: line 7, column 2: 'a' where a field name should be | {a:1}`}},
	{"mixed brackets", `{"a":[1}}`, []string{`! in: line 1, column 8: '}' where a comma or ] should be | {"a":[1}}`}},
	{"malformed words", "{\"a\":tru}\n{\"a\":nulll}\n{\"a\":True}\n{\"a\":NaN}\n", []string{
		`! in: line 1, column 6: 't' where a value should be | {"a":tru}`,
		`! in: line 2, column 10: 'l' where a comma or a closing brace should be | {"a":nulll}`,
		`! in: line 3, column 6: 'T' where a value should be | {"a":True}`,
		`! in: line 4, column 6: 'N' where a value should be | {"a":NaN}`}},
	{"malformed numbers", "{\"a\":01}\n{\"a\":-}\n{\"a\":1.}\n{\"a\":.5}\n{\"a\":1e}\n{\"a\":+1}\n{\"a\":0x1}\n{\"a\":1e+}\n", []string{
		`! in: line 1, column 7: '1' where a comma or a closing brace should be | {"a":01}`,
		`! in: line 2, column 6: malformed number | {"a":-}`,
		`! in: line 3, column 6: malformed number | {"a":1.}`,
		`! in: line 4, column 6: '.' where a value should be | {"a":.5}`,
		`! in: line 5, column 6: malformed number | {"a":1e}`,
		`! in: line 6, column 6: '+' where a value should be | {"a":+1}`,
		`! in: line 7, column 7: 'x' where a comma or a closing brace should be | {"a":0x1}`,
		`! in: line 8, column 6: malformed number | {"a":1e+}`}},
	{"malformed escapes", `{"a":"\x"}` + "\n" + `{"a":"\u12"}` + "\n" + `{"a":"\u12g4"}` + "\n", []string{
		`! in: line 1, column 8: 'x' where an escape should be | {"a":"\x"}`,
		`! in: line 2, column 7: \u without four hexadecimal digits | {"a":"\u12"}`,
		`! in: line 3, column 7: \u without four hexadecimal digits | {"a":"\u12g4"}`}},
	{"unpaired surrogates", `{"a":"\ud83d"}` + "\n" + `{"a":"\ude00"}` + "\n" + `{"a":"\ud83d\n"}` + "\n" + `{"a":"\ud83d\ud83d"}` + "\n" + `{"a":["\ude00\ud83d"]}` + "\n", []string{
		`! in: line 1, column 7: unpaired surrogate \u escape in a string | {"a":"\ud83d"}`,
		`! in: line 2, column 7: unpaired surrogate \u escape in a string | {"a":"\ude00"}`,
		`! in: line 3, column 7: unpaired surrogate \u escape in a string | {"a":"\ud83d\n"}`,
		`! in: line 4, column 7: unpaired surrogate \u escape in a string | {"a":"\ud83d\ud83d"}`,
		`! in: line 5, column 8: unpaired surrogate \u escape in a string | {"a":["\ude00\ud83d"]}`}},
	{"control characters", "{\"a\":\"x\x00\"}\n{\"a\":\"\\n\t\"}\n{\"a\":1\x00}\n", []string{
		"! in: line 1, column 8: control character in a string | {\"a\":\"x\x00\"}",
		"! in: line 2, column 9: control character in a string | {\"a\":\"\\n\t\"}",
		"! in: line 3, column 7: '\\x00' where a comma or a closing brace should be | {\"a\":1\x00}"}},
	{"invalid UTF-8", "{\"a\":\"xé\xff\"}\n{\"a\":\"\\n\xc3\"}\n{\"\xed\xa0\x80\":1}\n{\"a\":[\"\xc0\x80\"]}\n{\"a\":\xff}\n", []string{
		"! in: line 1, column 10: invalid UTF-8 | {\"a\":\"xé\xff\"}",
		"! in: line 2, column 9: invalid UTF-8 | {\"a\":\"\\n\xc3\"}",
		"! in: line 3, column 3: invalid UTF-8 | {\"\xed\xa0\x80\":1}",
		"! in: line 4, column 8: invalid UTF-8 | {\"a\":[\"\xc0\x80\"]}",
		"! in: line 5, column 6: '\ufffd' where a value should be | {\"a\":\xff}"}},
	{"Unicode's spaces are no white space", "\u00a0\n\u2028{}\n", []string{
		"! in: line 1, column 1: not a JSON object | \u00a0",
		"! in: line 2, column 1: not a JSON object | \u2028{}"}},
	{"the column counts from the line's start", "  {\"a\":x}\n", []string{
		`! in: line 1, column 8: 'x' where a value should be |   {"a":x}`}},
}

func TestJSONLReader(t *testing.T) {
	testReader(t, ReaderOptions{Format: JSONL}, jsonlReaderTests)
}

func TestJSONLReaderDepth(t *testing.T) {
	nested := func(levels int) string {
		return `{"a":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + "}\n"
	}
	got := readAll(strings.NewReader(nested(maxDepth)+nested(1_000_000)+"{\"a\":1}\n"), ReaderOptions{Format: JSONL, Source: "in"})
	if len(got) != 3 {
		t.Fatalf("%d records", len(got))
	}
	if want := "1: a=[[["; !strings.HasPrefix(got[0], want) {
		t.Errorf("got %.40s, want %s…", got[0], want)
	}
	if want := "! in: line 2, column 10006: nested deeper than 10000 levels | "; !strings.HasPrefix(got[1], want) {
		t.Errorf("got %.80s, want %s…", got[1], want)
	}
	if want := "3: a=1"; got[2] != want {
		t.Errorf("got %s, want %s", got[2], want)
	}
}

// A record of very many fields that the last one did not have: each name is
// found without a look at all the others.
func TestJSONLReaderManyFields(t *testing.T) {
	const fields = 50_000
	var input bytes.Buffer
	for _, prefix := range []string{"a", "b"} {
		input.WriteByte('{')
		for i := range fields {
			fmt.Fprintf(&input, `"%s%d":%d,`, prefix, i, i)
		}
		fmt.Fprintf(&input, "\"%s0\":\"again\"}\n", prefix)
	}
	r, err := NewReader(&input, ReaderOptions{Format: JSONL})
	if err != nil {
		t.Fatal(err)
	}
	var rec Record
	for range 2 {
		if err := r.Read(&rec); err != nil {
			t.Fatal(err)
		}
		if n := len(rec.Values); n != fields {
			t.Errorf("%d values", n)
		}
		if got := showValue(rec.Values[0]); got != `"again"` {
			t.Errorf("the repeated field is %s", got)
		}
	}
}

func TestJSONLWriter(t *testing.T) {
	testWriter(t, JSONL, []writerTest{
		{"every kind", WriterOptions{}, []Value{String("x"), Int(-1), Boolean(true), {}, {JSON, []byte(`[1, 2]`)}, {Binary, []byte{0, 255}}},
			`{"a":"x","b":-1,"c":true,"d":null,"e":[1, 2],"f":"AP8="}` + "\n"},
		{"JSON of several lines", WriterOptions{}, []Value{{JSON, []byte("{\r\n \"x\": \"\\n\"\n}")}}, `{"a":{   "x": "\n" }}` + "\n"},
		{"every digit", WriterOptions{}, []Value{{Number, []byte("12345678901234567890.10")}, {Number, []byte("1e400")}}, `{"a":12345678901234567890.10,"b":1e400}` + "\n"},
		{"numbers that JSON does not know", WriterOptions{}, []Value{{Number, []byte("Inf")}, {Number, []byte("007")}, {Number, []byte("")}, {Number, []byte("1.")}},
			`{"a":"Inf","b":"007","c":"","d":"1."}` + "\n"},
		{"binary in hex", WriterOptions{Binary: Hex}, []Value{{Binary, []byte{0, 255}}}, `{"a":"0x00ff"}` + "\n"},
		{"NULL has one form", WriterOptions{NullAs: new("x")}, []Value{{}}, `{"a":null}` + "\n"},
		{"no names to leave out", WriterOptions{NoHeader: true}, []Value{Int(1)}, `{"a":1}` + "\n"},
		{"no fields", WriterOptions{}, nil, "{}\n"},
	})
	got := write(t, JSONL, WriterOptions{}, []string{"", `"`, "é\n", "\xff"}, make([]Value, 4))
	if want := "{\"\":null,\"\\\"\":null,\"é\\n\":null,\"\ufffd\":null}\n"; got != want {
		t.Errorf("names are written %s, want %s", got, want)
	}
}

func TestAppendJSONString(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", `""`},
		{"plain text", `"plain text"`},
		{`a"b\c/d`, `"a\"b\\c/d"`},
		{"\n\r\t\b\f\x00\x1f\x7f", `"\n\r\t\u0008\u000c\u0000\u001f\u007f"`},
		{"é日😀\u2028<>&", "\"é日😀\u2028<>&\""},
		{"a\xffb", "\"a\ufffdb\""},
		{"\xff\xfe", "\"\ufffd\ufffd\""},
		{"\xed\xa0\x80", "\"\ufffd\ufffd\ufffd\""},
		{"é\xc3", "\"é\ufffd\""},
		{"\ufffd", "\"\ufffd\""},
	}
	for _, tt := range tests {
		if got := string(AppendJSONString([]byte("x"), []byte(tt.text))); got != "x"+tt.want {
			t.Errorf("%q: got %s, want %s", tt.text, got[1:], tt.want)
		}
	}
}

func TestIsNumber(t *testing.T) {
	for _, s := range []string{"0", "-0", "10", "1.50", "-1e5", "1E+05", "0.1e-7", "123456789012345678901234567890"} {
		if !IsNumber([]byte(s)) {
			t.Errorf("%s is no number", s)
		}
	}
	for _, s := range []string{"", "-", "+1", "01", "1.", ".5", "1e", "0x1", " 1", "1 ", "1,5", "NaN", "Infinity", "1_000"} {
		if IsNumber([]byte(s)) {
			t.Errorf("%s is a number", s)
		}
	}
}

func TestParseJSON(t *testing.T) {
	tests := []struct{ text, want string }{
		{`"a\tb"`, `"a\tb"`},
		{" 1.50 ", `1.50`},
		{"null", `NULL`},
		{"\n[1, 2]\n", `[1, 2]`},
		{`{"a":1}`, `{"a":1}`},
		{"", "! the record ends where a value should be"},
		{"1 2", "! '2' where the end of the value should be"},
		{"x", "! 'x' where a value should be"},
		{`"a`, "! string without end"},
	}
	for _, tt := range tests {
		v, err := ParseJSON([]byte(tt.text))
		got := showValue(v)
		if err != nil {
			got = "! " + err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestElements(t *testing.T) {
	tests := []struct {
		v    Value
		want []string
		ok   bool
	}{
		{Value{JSON, []byte(`[]`)}, nil, true},
		{Value{JSON, []byte(`[ ]`)}, nil, true},
		{Value{JSON, []byte(`[1, "a\n" ,null,[2,3],{"x":[]}]`)}, []string{`1`, `"a\n"`, `NULL`, `[2,3]`, `{"x":[]}`}, true},
		{Value{JSON, []byte(`{"a":1}`)}, nil, false},
		{Value{Text, []byte(`[1]`)}, nil, false},
		{Value{}, nil, false},
		{Value{JSON, nil}, nil, false},
		{Value{JSON, []byte(`[1`)}, nil, false},
	}
	for _, tt := range tests {
		elements, ok := Elements(tt.v)
		var got []string
		for _, e := range elements {
			got = append(got, showValue(e))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || ok != tt.ok {
			t.Errorf("%s: %t, -want +got:\n%s", tt.v.Bytes, ok, diff)
		}
	}
}
