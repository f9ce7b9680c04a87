package record

import "testing"

var jsonTextReaderTests = []readerTest{
	{"empty", "", []string{}},
	{"white space", " \r\n\t", []string{}},
	{"an array", `[{"a":1},{"a":2}]`, []string{`1: a=1`, `1: a=2`}},
	{"an array of nothing", "[ \n ]\n", []string{}},
	{"a line for each element", "[\n{\"a\":1},\n{\"a\":\"x\"}\n]\n", []string{`2: a=1`, `3: a="x"`}},
	{"over several lines", "[\r\n  {\r\n    \"a\": 1,\r\n    \"b\": [ 1,\r\n 2 ]\r\n  }\r\n,  {\"a\":\r\n2} ]", []string{
		"2: a=1 b=[ 1,\r\n 2 ]", `7: a=2`}},
	{"as jq prints", "{\n  \"a\": 1\n}\n{\n  \"a\": {\n    \"b\": \"}\\\"{\"\n  }\n}\n", []string{
		`1: a=1`, "4: a={\n    \"b\": \"}\\\"{\"\n  }"}},
	{"one object", "{\"a\":\n1}", []string{`1: a=1`}},
	{"JSON Lines", "{\"a\":1}\n\n{\"a\":2}", []string{`1: a=1`, `3: a=2`}},
	{"on one line", `{"a":1}{"a":2} {}`, []string{`1: a=1`, `1: a=2`, `1:`}},
	{"several arrays", "[{\"a\":1}][]\n[{\"a\":2}] {\"a\":3}", []string{`1: a=1`, `2: a=2`, `2: a=3`}},
	{"byte order mark", "\ufeff[{\"a\":1}]", []string{`1: a=1`}},
	{"brackets in strings", "[{\"a\":\"]}\\\\\"},{\"\\\"[\":[\"{\"]}]", []string{`1: a="]}\\"`, `1: "[=["{"]`}},

	{"elements that are no objects", "[1, \"x\\\"]\",\n[{\"a\":1}], null,{\"a\":1} , -1.5e3]7 \"\"", []string{
		`! in: line 1, column 2: not a JSON object | 1`,
		`! in: line 1, column 5: not a JSON object | "x\"]"`,
		`! in: line 2, column 1: not a JSON object | [{"a":1}]`,
		`! in: line 2, column 12: not a JSON object | null`,
		`2: a=1`,
		`! in: line 2, column 27: not a JSON object | -1.5e3`,
		`! in: line 2, column 34: not a JSON object | 7`,
		`! in: line 2, column 36: not a JSON object | ""`}},
	{"text that cannot be stored", "[{\"a\":\"\xff\"},\n{\"b\":1,\n \"a\":\"\\ud800\"}, {\"a\":1}]", []string{
		"! in: line 1, column 8: invalid UTF-8 | {\"a\":\"\xff\"}",
		"! in: line 3, column 7: unpaired surrogate \\u escape in a string | {\"b\":1,\n \"a\":\"\\ud800\"}",
		`3: a=1`}},

	{"a malformed element is final", "[{\"a\":1},\n {\"a\":2,}, {\"a\":3}]", []string{
		`1: a=1`, `!! in: line 2, column 9: '}' where a field name should be`}},
	{"a malformed word", "[{\"a\":1},\n nul, {\"a\":3}]", []string{
		`1: a=1`, `!! in: line 2, column 2: not a JSON object`}},
	{"a string without end takes nothing for a record", "[{\"a\":\"x},\n {\"a\":2}]", []string{
		`!! in: line 1, column 11: control character in a string`}},
	{"nor does one in one line", `[{"a":"x}, {"b":"y"}, {"c":1}]`, []string{
		`!! in: line 1, column 14: 'b' where a comma or a closing brace should be`}},
	{"cut off in an element", "[{\"a\":1},\n{\"a\":[", []string{
		`1: a=1`, `!! in: line 2, column 7: the record ends where a value should be`}},
	{"cut off behind an element", "[{\"a\":1}\n", []string{`1: a=1`, `!! in: line 2, column 1: the array has no end`}},
	{"cut off behind a comma", "[{\"a\":1},", []string{`1: a=1`, `!! in: line 1, column 10: the array has no end`}},
	{"a comma too many", "[{\"a\":1},]", []string{`1: a=1`, `!! in: line 1, column 10: ']' where a value should be`}},
	{"a comma at the start", "[,{\"a\":1}]", []string{`!! in: line 1, column 2: ',' where a value should be`}},
	{"a comma behind objects", "{\"a\":1},{\"a\":2}", []string{`1: a=1`, `!! in: line 1, column 8: ',' where a value should be`}},
	{"no comma", "[{\"a\":1}\n  {\"a\":2}]", []string{`1: a=1`, `!! in: line 2, column 3: '{' where a comma or ] should be`}},
	{"brackets that do not match", `[{"a":1]`, []string{`!! in: line 1, column 8: ']' where a comma or a closing brace should be`}},
	{"a bracket too many", "[]]", []string{`!! in: line 1, column 3: ']' where a value should be`}},
	{"text behind an array", "[]\né", []string{`!! in: line 2, column 1: not a JSON object`}},
	{"text behind an element", "[{}é]", []string{`1:`, `!! in: line 1, column 4: 'é' where a comma or ] should be`}},
}

func TestJSONTextReader(t *testing.T) {
	testReader(t, ReaderOptions{Format: JSONText}, jsonTextReaderTests)
}

// A final error stays.
func TestJSONTextReaderStops(t *testing.T) {
	r, err := NewReader(pieces([]byte("[1 {}]"))["the half"], ReaderOptions{Format: JSONText, Source: "in"})
	if err != nil {
		t.Fatal(err)
	}
	var rec Record
	var got []string
	for range 4 {
		got = append(got, r.Read(&rec).Error())
	}
	want := "in: line 1, column 4: '{' where a comma or ] should be"
	if got[0] != "in: line 1, column 2: not a JSON object" || got[1] != want || got[2] != want || got[3] != want {
		t.Errorf("got %q", got)
	}
}
