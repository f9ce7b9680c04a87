package extract

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pipeworks/internal/record"
)

// Whatever selector is taken and whatever the page is, it yields a JSON value
// that is UTF-8: null or a string, or an array of strings and nulls if the
// name ends in [].
func FuzzSelect(f *testing.F) {
	for _, c := range selectors {
		f.Add(c.selector, []byte(page))
	}
	for _, s := range []string{"x=a@", "x=a[", "x=:has(a@b)", "x[]=*", "x=a:nth-child(2n+1)@href", "x[]=p@html", "x=td@outer", "x=::text"} {
		f.Add(s, []byte("<table><td>\xff<p>a<td>b"))
	}
	f.Fuzz(func(t *testing.T, text string, body []byte) {
		s, err := ParseSelector(text)
		if err != nil {
			return
		}
		if !strings.HasPrefix(strings.TrimSpace(text), s.Name) || s.Name == "" {
			t.Errorf("%q names the field %q", text, s.Name)
		}
		cfg := Config{Select: []*Selector{s}}
		if cfg.Check() != nil {
			return
		}
		p := New(cfg).Extract(Source{body, "text/html", func(base, ref string) (string, bool) { return base + ref, true }})
		if p.Err != nil && strings.Contains(p.Err.Error(), "runtime error") {
			t.Errorf("%q: %v", text, p.Err)
		}
		got := p.Rows[0][0]
		if !utf8.Valid(got.Bytes) || !utf8.Valid(p.Title.Bytes) {
			t.Errorf("%q yields %q of %q", text, got.Bytes, p.Title.Bytes)
		}
		switch list := []*string(nil); {
		case p.Err != nil, p.Charset == "": // it was not read to its end, or not at all
		case s.all:
			if err := json.Unmarshal(got.Bytes, &list); err != nil || list == nil || got.Kind != record.JSON {
				t.Errorf("%q yields %s, not a list: %v", text, got.Bytes, err)
			}
		case got.Kind != record.Null && got.Kind != record.Text:
			t.Errorf("%q yields the kind %d", text, got.Kind)
		}
	})
}
