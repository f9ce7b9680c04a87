package charset_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"pipeworks/internal/codepage"
)

func decode(t *testing.T, name string, r io.Reader) string {
	t.Helper()
	c, err := codepage.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(c.NewReader(r))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDecode(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"latin1", "\xe9\x80", "é€"},
		{"ISO-8859-15", "\xa4", "€"},
		{"Windows-1252", "\x93x\x94", "“x”"},
		{"windows-1253", "\xe1\xaa\xe1", "α\xffα"},
		{"cp850", "\x82", "é"},
		{"IBM437", "\x82", "é"},
		{"koi8r", "\xc1", "а"},
		{"gbk", "\xd6\xd0\xff1\xd6", "中\xff1\xff"},
		{"cp936", "\xd6\xd0", "中"},
		{"GB18030", "\x84\x31\xa4\x37x\x84\x31\xffy\x84\x31\xa4\x37", "\ufffdx\xff1\xffy\ufffd"},
		{"big5", "\xa4\xa4", "中"},
		{"shift_jis", "\x95\x5c\x81", "表\xff"},
		{"cp932", "\x87\x40", "①"},
		{"euc-jp", "\xc6\xfc", "日"},
		{"iso-2022-jp", "\x1b$BF|\x1b(Ba\xff", "日a\xff"},
		{"euc-kr", "\xb0\xa1", "가"},
		{"utf-16", "\xff\xfea\x00\x2d\x4e", "\ufeffa中"},
		{"utf-16", "\xfe\xff\x00a\x4e\x2d", "\ufeffa中"},
		{"utf-16", "a\x00\xfd\xff\x00\xd8b\x00", "a\ufffd\xffb"},
		{"utf-16", "", ""},
		{"utf-16", "a", "\xff"},
		{"utf16be", "\xd8\x3d\xde\x00\xde\x00\xff\xfd\x00", "😀\xff\ufffd\xff"},
		{"UTF-16LE", "\x3d\xd8\x00\xde\x00\xde\xfd\xff", "😀\xff\ufffd"},
		{"utf-8", "é\ufffd\xff\xc3x\xed\xa0\x80\xf0\x9f", "é\ufffd\xff\xffx\xff\xff\xff\xff\xff"},
		{"utf8mb4", "\ufeff😀", "\ufeff😀"},
	}
	for _, tt := range tests {
		for _, in := range []io.Reader{strings.NewReader(tt.source), iotest.OneByteReader(strings.NewReader(tt.source)), iotest.DataErrReader(strings.NewReader(tt.source))} {
			if got := decode(t, tt.name, in); got != tt.want {
				t.Errorf("%s, %q: got %q, want %q", tt.name, tt.source, got, tt.want)
			}
		}
	}
}

// An error of the source comes behind the text before it.
func TestSourceError(t *testing.T) {
	c, err := codepage.Lookup("gbk")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(c.NewReader(io.MultiReader(strings.NewReader("\xd6\xd0"), iotest.ErrReader(io.ErrClosedPipe))))
	if string(text) != "中" || err != io.ErrClosedPipe {
		t.Errorf("%q, %v", text, err)
	}
}

// U+FFFD comes out where it is in the source and nowhere else, whatever the
// pieces are, and the rest as the decoder has it.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x84\x31\xa4\x37x\x84\x31\xffy"))
	f.Add([]byte("a\x00\xfd\xff\x00\xd8b\x00"))
	f.Add([]byte("é\ufffd\xff\xc3x\xed\xa0\x80"))
	f.Fuzz(func(t *testing.T, source []byte) {
		for _, name := range []string{"utf-8", "utf-16", "utf-16be", "gb18030", "gbk", "shift_jis", "iso-2022-jp", "windows-1253"} {
			got := decode(t, name, bytes.NewReader(source))
			if pieces := decode(t, name, iotest.OneByteReader(bytes.NewReader(source))); pieces != got {
				t.Errorf("%s, %q: %q whole, %q bytewise", name, source, got, pieces)
			}
			if !utf8.ValidString(strings.ReplaceAll(got, "\xff", "")) {
				t.Errorf("%s, %q: got %q", name, source, got)
			}
		}
		if got := decode(t, "utf-8", bytes.NewReader(source)); utf8.Valid(source) && got != string(source) {
			t.Errorf("%q became %q", source, got)
		}
		text := strings.ToValidUTF8(string(source), "")
		encoded, err := simplifiedchinese.GB18030.NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, "gb18030", strings.NewReader(encoded)); strings.Contains(got, "\xff") {
			t.Errorf("%q in gb18030 became %q", text, got)
		}
	})
}

// The memory does not grow with the source, and no text waits for more of it.
func TestStream(t *testing.T) {
	c, err := codepage.Lookup("gbk")
	if err != nil {
		t.Fatal(err)
	}
	pr, pw := io.Pipe()
	r := c.NewReader(pr)
	text := make([]byte, 3)
	for range 3 {
		go pw.Write([]byte("\xd6\xd0"))
		if _, err := io.ReadFull(r, text); err != nil || string(text) != "中" {
			t.Fatalf("%q, %v", text, err)
		}
	}
	buf := make([]byte, 4096)
	allocs := func(n int64) float64 {
		return testing.AllocsPerRun(1, func() {
			r := c.NewReader(io.LimitReader(endless{}, n))
			for {
				if _, err := r.Read(buf); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	if few, many := allocs(1<<10), allocs(10<<20); many > few+100 { // the runtime allocates meanwhile, too
		t.Errorf("%v allocations for 1 KiB, %v for 10 MiB", few, many)
	}
}

// endless gives one character of gbk without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0xb0
	}
	return len(p), nil
}
