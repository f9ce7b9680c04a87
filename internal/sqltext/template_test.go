package sqltext

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// render fills every parameter with <name>, or <name!> for an identifier.
func render(t *Template) string {
	out, _ := t.Append(nil, func(dst []byte, p Param) ([]byte, error) {
		dst = append(append(dst, '<'), p.Name...)
		if p.Identifier {
			dst = append(dst, '!')
		}
		return append(dst, '>'), nil
	})
	return string(out)
}

var templateTests = []struct {
	sql, mysql string
	names      []string
	quoted     []string
}{
	{"SELECT 1", "SELECT 1", nil, nil},
	{"SELECT :a, :b_2, :a", "SELECT <a>, <b_2>, <a>", []string{"a", "b_2"}, nil},
	{":a", "<a>", []string{"a"}, nil},
	{"IN (:ids)", "IN (<ids>)", []string{"ids"}, nil},
	{"FROM :t!id WHERE x=:t", "FROM <t!> WHERE x=<t>", []string{"t"}, nil},
	{":a!idx", "<a>!idx", []string{"a"}, nil},
	{"@a:=1, b::text, 12:30, x:y, : z, :1", "@a:=1, b::text, 12:30, x:y, : z, :1", nil, nil},
	{"WHERE a = ':a' AND b = \":b\"", "WHERE a = ':a' AND b = \":b\"", nil, []string{"a", "b"}},
	{"'at :a', `:b`, /* :c */ :d -- :e\n+ :f # :g", "'at :a', `:b`, /* :c */ <d> -- :e\n+ <f> # :g", []string{"d", "f"}, []string{"b"}},
	{`'it''s :a', '\':b', :c`, `'it''s :a', '\':b', <c>`, []string{"c"}, nil},
	{"/*!50000 :a */", "/*!50000 <a> */", []string{"a"}, nil},
	{"1--:a", "1--<a>", []string{"a"}, nil},
	{"'open :a", "'open :a", nil, nil},
	{"/* open :a", "/* open :a", nil, nil},
	{":naïve", "<naïve>", []string{"naïve"}, nil},
}

func TestTemplate(t *testing.T) {
	for _, tt := range templateTests {
		tmpl := ParseTemplate(tt.sql, MySQL)
		if got := render(tmpl); got != tt.mysql {
			t.Errorf("%s: got %s, want %s", tt.sql, got, tt.mysql)
		}
		if diff := cmp.Diff(tt.names, tmpl.Names()); diff != "" {
			t.Errorf("%s: names (-want +got):\n%s", tt.sql, diff)
		}
		if diff := cmp.Diff(tt.quoted, tmpl.Quoted()); diff != "" {
			t.Errorf("%s: quoted (-want +got):\n%s", tt.sql, diff)
		}
	}
}

func TestTemplateSQLite(t *testing.T) {
	for sql, want := range map[string]string{
		`'a\', :a`:   `'a\', <a>`,
		"[:a], :b":   "[:a], <b>",
		"1--:a\n:b":  "1--:a\n<b>",
		"# :a":       "# <a>",
		"/*! :a */":  "/*! :a */",
		`":a" || :b`: `":a" || <b>`,
	} {
		if got := render(ParseTemplate(sql, SQLite)); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
}

// A template is its text: with every parameter put back it is what it was, and
// a parameter stands where the scanner is in no quotes and no comment.
func FuzzTemplate(f *testing.F) {
	for _, tt := range templateTests {
		f.Add(tt.sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		for _, d := range []Dialect{MySQL, SQLite} {
			tmpl := ParseTemplate(sql, d)
			out, err := tmpl.Append(nil, func(dst []byte, p Param) ([]byte, error) {
				dst = append(append(dst, ':'), p.Name...)
				if p.Identifier {
					dst = append(dst, "!id"...)
				}
				return dst, nil
			})
			if err != nil || string(out) != sql {
				t.Fatalf("%s: %q became %q, %v", d, sql, out, err)
			}
			before := "x " // -- at the start of a line is a comment to the client alone
			for i := range tmpl.params {
				before += tmpl.parts[i]
				if d == MySQL && strings.ContainsAny(before, "\\*") || strings.ContainsAny(before, ";.#") {
					break // what only a client knows: its commands, where a line starts
				}
				st, err := NewScanner(strings.NewReader(before+"x;"), ScanOptions{Dialect: d}).Next()
				if err != nil || !strings.HasSuffix(string(st.Text), "x") {
					t.Fatalf("%s: the parameter behind %q is not in the text: %q, %v", d, before, st.Text, err)
				}
				before += "x"
			}
		}
	})
}
