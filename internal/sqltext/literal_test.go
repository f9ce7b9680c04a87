package sqltext

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var textTests = []struct {
	text, mysql, sqlite string
}{
	{"", "''", "''"},
	{"plain", "'plain'", "'plain'"},
	{"It's", "'It''s'", "'It''s'"},
	{"''", "''''''", "''''''"},
	{`"quoted"`, `'"quoted"'`, `'"quoted"'`},
	{"Zürich 東京 🎉", "_utf8mb4'Zürich 東京 🎉'", "'Zürich 東京 🎉'"},
	{`C:\dir`, "_utf8mb4 x'433a5c646972'", `'C:\dir'`},
	{`\'; DROP TABLE t; -- `, "_utf8mb4 x'5c273b2044524f50205441424c4520743b202d2d20'", `'\''; DROP TABLE t; -- '`},
	{"a\nb", "_utf8mb4 x'610a62'", "CAST(x'610a62' AS TEXT)"},
	{"a\x00b", "_utf8mb4 x'610062'", "CAST(x'610062' AS TEXT)"},
	{"\x1a", "_utf8mb4 x'1a'", "CAST(x'1a' AS TEXT)"},
	{"\x7f", "_utf8mb4 x'7f'", "CAST(x'7f' AS TEXT)"},
}

func TestAppendText(t *testing.T) {
	for _, tt := range textTests {
		if got := string(MySQL.AppendText(nil, []byte(tt.text))); got != tt.mysql {
			t.Errorf("mysql %q: got %s, want %s", tt.text, got, tt.mysql)
		}
		if got := string(SQLite.AppendText(nil, []byte(tt.text))); got != tt.sqlite {
			t.Errorf("sqlite %q: got %s, want %s", tt.text, got, tt.sqlite)
		}
	}
}

func TestAppendBytes(t *testing.T) {
	for _, d := range []Dialect{MySQL, SQLite} {
		if got := string(d.AppendBytes([]byte("= "), []byte{0, 0x27, 0xff})); got != "= x'0027ff'" {
			t.Errorf("%s: %s", d, got)
		}
		if got := string(d.AppendBytes(nil, nil)); got != "x''" {
			t.Errorf("%s: %s", d, got)
		}
	}
}

// A text literal has no backslash and no line end, no server reads it as
// anything but the text, and the scanner never splits it.
func FuzzText(f *testing.F) {
	for _, tt := range textTests {
		f.Add([]byte(tt.text))
	}
	f.Add([]byte("\xbf\x27 \x81\x5c"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, d := range []Dialect{MySQL, SQLite} {
			bin := d.AppendBytes(nil, text)
			if got := readLiteral(t, bin); !bytes.Equal(got, text) {
				t.Fatalf("%s: %s is %q, want %q", d, bin, got, text)
			}
			if !utf8.Valid(text) {
				continue
			}
			if plain := !bytes.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r >= 0x7f || r == '\'' || r == '\\' }); plain != Plain(text) {
				t.Fatalf("%q: plain %t", text, !plain)
			}
			literal := d.AppendText(nil, text)
			if got := readLiteral(t, literal); !bytes.Equal(got, text) {
				t.Fatalf("%s: %s is %q, want %q", d, literal, got, text)
			}
			if wide := len(bytes.Trim(literal, asciiBytes)) > 0; d == MySQL && wide && !bytes.HasPrefix(literal, []byte("_utf8mb4'")) {
				t.Fatalf("%s depends on the character set of the connection", literal)
			}
			if i := bytes.IndexFunc(literal, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' && d == MySQL }); i >= 0 {
				t.Fatalf("%s: %q has the byte %#x", d, literal, literal[i])
			}
			checkWhole(t, d, literal)
		}
	})
}

// asciiBytes are all of them.
var asciiBytes = func() string {
	var b strings.Builder
	for c := range byte(utf8.RuneSelf) {
		b.WriteByte(c)
	}
	return b.String()
}()

// readLiteral is the value of a literal to a server that knows no backslash
// escapes; a server that does reads the same, since there is no backslash.
func readLiteral(t *testing.T, literal []byte) []byte {
	t.Helper()
	s := string(literal)
	s, introduced := strings.CutPrefix(s, "_utf8mb4")
	s = strings.TrimPrefix(s, " ")
	s = strings.TrimSuffix(strings.TrimPrefix(s, "CAST("), " AS TEXT)")
	digits, isHex := strings.CutPrefix(s, "x")
	if len(digits) < 2 || digits[0] != '\'' || digits[len(digits)-1] != '\'' {
		t.Fatalf("%s is not in quotes", literal)
	}
	inside := digits[1 : len(digits)-1]
	if isHex {
		b, err := hex.DecodeString(inside)
		if err != nil {
			t.Fatalf("%s: %v", literal, err)
		}
		return b
	}
	if strings.Contains(strings.ReplaceAll(inside, "''", ""), "'") {
		t.Fatalf("%s ends before its end", literal)
	}
	if introduced && strings.Trim(inside, asciiBytes) == "" {
		t.Fatalf("%s needs no character set", literal)
	}
	return []byte(strings.ReplaceAll(inside, "''", "'"))
}

// checkWhole splits a statement with the quoted text in it: it must stay one.
func checkWhole(t *testing.T, d Dialect, quoted []byte) {
	t.Helper()
	for _, noBackslash := range []bool{false, true} {
		script := "SELECT " + string(quoted) + " AS a;SELECT 2;"
		s := NewScanner(strings.NewReader(script), ScanOptions{Dialect: d, Modes: Modes{NoBackslashEscapes: noBackslash}})
		st, err := s.Next()
		if err != nil || string(st.Text) != "SELECT "+string(quoted)+" AS a" {
			t.Fatalf("%s: %q is split into %q, %v", d, script, st.Text, err)
		}
		if st, err := s.Next(); err != nil || string(st.Text) != "SELECT 2" {
			t.Fatalf("%s: behind %q: %q, %v", d, script, st.Text, err)
		}
		if _, err := s.Next(); err != io.EOF {
			t.Fatalf("%s: %q does not end: %v", d, script, err)
		}
	}
}

func FuzzIdent(f *testing.F) {
	for _, name := range []string{"a", "a`b", `a"b`, "a.b", `a\b`, "naïve", "a;b", "a'b", "-- a", "/*", "🎉"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for d, quote := range map[Dialect]string{MySQL: "`", SQLite: `"`} {
			if d.CheckIdent(name) != nil {
				continue
			}
			ident := string(d.AppendIdent(nil, name))
			inside := strings.TrimSuffix(strings.TrimPrefix(ident, quote), quote)
			if got := strings.ReplaceAll(inside, quote+quote, quote); got != name || len(ident) != len(inside)+2 {
				t.Fatalf("%s: %s is %q, want %q", d, ident, got, name)
			}
			checkWhole(t, d, []byte(ident))
			table := Table{Database: name, Name: name}
			quoted := string(d.AppendTable(nil, table))
			if got, err := ParseTable(quoted); err != nil || got != table {
				t.Fatalf("%s: table %s is %v, %v", d, quoted, got, err)
			}
		}
	})
}

func TestCheckIdent(t *testing.T) {
	long := strings.Repeat("ä", 64)
	for _, tt := range []struct {
		name          string
		mysql, sqlite string
	}{
		{"ok", "", ""},
		{"with space", "", ""},
		{"", "an empty name", "an empty name"},
		{"a\nb", "a name with a control character", "a name with a control character"},
		{"\xff", "a name that is not UTF-8", "a name that is not UTF-8"},
		{long, "", ""},
		{long + "x", "a name of more than 64 characters", ""},
		{"a ", "a name that ends in a space", ""},
		{"🎉", "a name with a character beyond U+FFFF, which MySQL has not in names", ""},
	} {
		for d, want := range map[Dialect]string{MySQL: tt.mysql, SQLite: tt.sqlite} {
			got := ""
			if err := d.CheckIdent(tt.name); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%s %q: %q, want %q", d, tt.name, got, want)
			}
		}
	}
}

func TestParseTable(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Table
		err  string
	}{
		{"pages", Table{"", "pages"}, ""},
		{"shop.pages", Table{"shop", "pages"}, ""},
		{"`a.b`", Table{"", "a.b"}, ""},
		{"shop.`a``.b`", Table{"shop", "a`.b"}, ""},
		{`"shop"."a""b"`, Table{"shop", `a"b`}, ""},
		{"a.b.c", Table{}, "more than database.table; a name with a dot stands in backticks"},
		{"`a", Table{}, "a quoted name without its closing quote"},
		{"`a`b", Table{}, "text behind a quoted name"},
	} {
		got, err := ParseTable(tt.in)
		message := ""
		if err != nil {
			message = err.Error()
		}
		if diff := cmp.Diff(tt.err, message); diff != "" || err == nil && got != tt.want {
			t.Errorf("%s: %v, %v", tt.in, got, err)
		}
	}
}
