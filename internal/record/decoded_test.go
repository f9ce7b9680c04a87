package record

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode/utf16"

	"pipeworks/internal/charset"
	"pipeworks/internal/codepage"
)

func encodingOf(t testing.TB, name string) charset.Charset {
	t.Helper()
	c, err := codepage.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEncodings(t *testing.T) {
	testReader(t, ReaderOptions{Encoding: encodingOf(t, "latin1")}, []readerTest{
		{"csv", "n\xe4me,b\n\xe9\x80,\"\xff\"\n", []string{`2: näme="é€" b="ÿ"`}},
		{"json", "[{\"a\":\"\xe9\"}]", []string{`1: a="é"`}},
	})
	testReader(t, ReaderOptions{Encoding: encodingOf(t, "GBK")}, []readerTest{
		{"csv", "a,b\n\xd6\xd0,\xce\xc4\n", []string{`2: a="中" b="文"`}},
		{"a backslash and a quote are trail bytes", "a,b\n\x95\\,\xbf\x27\n", []string{
			"! in: line 2, column 5: not GBK | 昞,\xff'"}},
		{"what is not in it, in a quoted record", "a,b\n\"x\n\xd6\xd0\xff\",2\n3,4\n", []string{
			"! in: line 3, column 4: not GBK | \"x\n中\xff\",2", `4: a="3" b="4"`}},
		{"the header", "a,\xff\n1,2\n", []string{"!! in: in the header: not GBK"}},
		{"too few fields, and the text is decoded", "a,b\n\xd6\xd0\n", []string{`! in: line 2: the header has 2 fields, this record has 1 | 中`}},
		{"cut off in a character", "a\n\xd6", []string{"! in: line 2, column 1: not GBK | \xff"}},
	})
	testReader(t, ReaderOptions{Encoding: encodingOf(t, "utf-8")}, []readerTest{
		{"checked", "\ufeffa\n\xff\n\ufffd\n", []string{"! in: line 2, column 1: not utf-8 | \xff", `3: a="` + "\ufffd" + `"`}},
		{"in json", "{\"a\":\"\xff\"}\n{\"a\":1}", []string{"! in: line 1, column 7: not utf-8 | {\"a\":\"\xff\"}", `2: a=1`}},
	})
	testReader(t, ReaderOptions{Encoding: encodingOf(t, "utf-8"), HeaderNames: []string{"\xff"}}, []readerTest{
		{"names that were given", "1\n", []string{"1: \xff=\"1\""}},
	})
}

// The byte order mark of UTF-16 is enough.
func TestUTF16(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for input, want := range map[string]string{
			"\ufeffa,b\r\n\"é😀\",\ufffd\r\n":      `2: a="é😀" b="` + "\ufffd" + `"`,
			"\ufeff[\n{\"a\":\"中\"}]":             `2: a="中"`,
			"\ufeffname\tb\n\\N\t\ufeff\n":        `2: name=NULL b="` + `\ufeff"`,
			"\ufeff" + `{"a":"` + "\u2028" + `"}`: `1: a="\u2028"`,
		} {
			var encoded []byte
			for _, unit := range utf16.Encode([]rune(input)) {
				encoded = order.AppendUint16(encoded, unit)
			}
			for name, in := range pieces(encoded) {
				if got := readAll(in, ReaderOptions{}); len(got) != 1 || got[0] != want {
					t.Errorf("%q, %s: got %s, want %s", input, name, got, want)
				}
			}
		}
	}
	testReader(t, ReaderOptions{}, []readerTest{
		{"an unpaired surrogate", "\xff\xfea\x00\n\x00\x00\xd8\n\x00", []string{"! in: line 2, column 1: not utf-16 | \xff"}},
		{"cut off", "\xff\xfea\x00\n\x00x", []string{"! in: line 2, column 1: not utf-16 | \xff"}},
		{"half of a mark", "\xff", []string{}},
	})
}

func TestEncodingHint(t *testing.T) {
	r, err := NewReader(strings.NewReader("a\n\xff\n"), ReaderOptions{Encoding: encodingOf(t, "utf-8")})
	if err != nil {
		t.Fatal(err)
	}
	var hinted interface{ Hint() string }
	if err := r.Read(new(Record)); !errors.As(err, &hinted) || hinted.Hint() != "--encoding names the character encoding of the input" {
		t.Errorf("%v has no hint", err)
	}
}
