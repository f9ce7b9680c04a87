package record

import "testing"

func TestLinesReader(t *testing.T) {
	testReader(t, ReaderOptions{Format: Lines, LineField: "url"}, []readerTest{
		{"empty", "", []string{}},
		{"plain", "http://a/\nhttp://b/\n", []string{`1: url="http://a/"`, `2: url="http://b/"`}},
		{"last line without newline", "x", []string{`1: url="x"`}},
		{"CRLF", "x\r\ny\r\n", []string{`1: url="x"`, `2: url="y"`}},
		{"byte order mark", "\ufeffx\n", []string{`1: url="x"`}},
		{"space around the text", " \tx y \n", []string{`1: url="x y"`}},
		{"blank lines", "\n \nx\n\n", []string{`3: url="x"`}},
		{"commas and quotes are text", "a,\"b\n", []string{`1: url="a,\"b"`}},
		{"NUL bytes and invalid UTF-8", "\x00\xff\n", []string{`1: url="\x00\xff"`}},
	})
}
