package extract

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"pipeworks/internal/record"
)

const page = `<!doctype html>
<html lang=en><head>
<title>
  A  page&nbsp;of
	things &amp; &lt;more&gt;
</title>
<base href="/base/"><base href="/second/">
<meta name=description content="  two  spaces ">
</head><body>
<svg><title>not this</title></svg>
<h1>Head <b>ing</b></h1>
<a href=one>1</a> <a>none</a> <a href="TWO?q=&quot;x&quot;">2</a> <a href="http://[">bad</a>
<p class="a b">first</p><p class=b>second
line</p>
<div id=empty></div>
<input data-on:click="f()" CHECKED>
</body></html>`

// resolve shows what it was asked for.
func resolve(base, ref string) (string, bool) {
	return base + "|" + ref, !strings.Contains(ref, "[")
}

func parse(t *testing.T, body []byte, contentType string) *Page {
	t.Helper()
	p, err := Parse(body, contentType, resolve)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shown is a value as JSON.
func shown(v record.Value) string { return string(record.AppendJSON(nil, v)) }

var selectors = []struct{ selector, name, expect string }{
	{`h=h1`, "h", `"Head ing"`},
	{`first=p`, "first", `"first"`},
	{`folded=p.b:not(.a)`, "folded", `"second line"`},
	{`all[]=p`, "all", `["first","second line"]`},
	{`group[]=h1, .a`, "group", `["Head ing","first"]`},
	{`empty=#empty`, "empty", `""`},
	{`none=.none`, "none", `null`},
	{`none[]=.none`, "none", `[]`},
	{`link=a@href`, "link", `"one"`},
	{`links[]=a@href`, "links", `["one","TWO?q=\"x\"","http://["]`},
	{`abs=a@abs:href`, "abs", `"/base/|one"`},
	{`abs[]=a@abs:href`, "abs", `["/base/|one","/base/|TWO?q=\"x\""]`},
	{`noattr=h1@href`, "noattr", `null`},
	{`present=input@checked`, "present", `""`},
	{`case=INPUT@Checked`, "case", `""`},
	{`colon=input@data-on:click`, "colon", `"f()"`},
	{`asis=meta[name="description"]@content`, "asis", `"  two  spaces "`},
	{`eq=a[href="one"]`, "eq", `"1"`},
	{`at=[href*="@x"]`, "at", `null`},
	{`escaped=.a\@x`, "escaped", `null`},
	{` spaced = h1 `, "spaced", `"Head ing"`},
	{`ünï code=h1`, "ünï code", `"Head ing"`},
}

func TestSelect(t *testing.T) {
	p := parse(t, []byte(page), "text/html; charset=utf-8")
	for _, c := range selectors {
		s, err := ParseSelector(c.selector)
		if err != nil {
			t.Errorf("%s: %v", c.selector, err)
			continue
		}
		if got := shown(p.Select(s)); got != c.expect || s.Name != c.name {
			t.Errorf("%s: %s = %s, want %s = %s", c.selector, s.Name, got, c.name, c.expect)
		}
	}
}

func TestSelectorErrors(t *testing.T) {
	for selector, expect := range map[string]string{
		"h1":    `selector "h1" has no name: write name=css`,
		"=h1":   `selector "=h1" has no name in front of =`,
		"[]=h1": `selector "[]=h1" has no name in front of =`,
		"x=":    `selector "x=": the CSS selector is empty`,
		"x=@id": `selector "x=@id": the CSS selector is empty`,
		"x=a[":  `selector "x=a[": expected identifier, found EOF instead`,
		"x=a@":  `selector "x=a@": parsing "a@": 1 bytes left over`,
	} {
		s, err := ParseSelector(selector)
		if err == nil {
			t.Errorf("%s: no error but %+v", selector, s)
		} else if err.Error() != expect {
			t.Errorf("%s: %v\nwant %s", selector, err, expect)
		}
	}
}

func TestTitle(t *testing.T) {
	for _, c := range []struct{ name, html, expect string }{
		{"folded", page, `"A page of things & <more>"`},
		{"none", `<p>x`, `null`},
		{"empty document", ``, `null`},
		{"empty", `<title></title>`, `""`},
		{"in a picture only", `<svg><title>x</title></svg>`, `null`},
		{"in the body", `<p><svg><title>x</title></svg><title>y</title>`, `"y"`},
		{"first of two", `<title>x</title><title>y</title>`, `"x"`},
		{"not closed", `<title>x<p>y`, `"x<p>y"`},
		{"invalid UTF-8", "<meta charset=utf-8><title>a\xffb</title>", "\"a\ufffdb\""},
		{"NUL", "<title>a\x00b</title>", "\"a\ufffdb\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := shown(parse(t, []byte(c.html), "text/html").Title()); got != c.expect {
				t.Errorf("title %s, want %s", got, c.expect)
			}
		})
	}
}

func TestCharset(t *testing.T) {
	const title = "Größe – “é”"
	long := "<!--" + strings.Repeat("x", 2000) + "-->"
	cp1252, _ := charmap.Windows1252.NewEncoder().String("<title>" + title + "</title>")
	utf16, _ := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String("<title>" + title + "</title>")
	sjis, _ := japanese.ShiftJIS.NewEncoder().String("<meta charset=shift_jis><title>日本</title>")
	for _, c := range []struct{ name, body, contentType, expect string }{
		{"header", "<title>" + title + "</title>", "text/html; charset=UTF-8", title},
		{"header against declaration", "<meta charset=shift_jis><title>" + title + "</title>", `text/html; charset="utf-8"`, title},
		{"byte order mark", "\xef\xbb\xbf<title>" + title + "</title>", "text/html; charset=latin1", title},
		{"UTF-16 by its mark", utf16, "text/html", title},
		{"declaration", sjis, "text/html", "日本"},
		{"undeclared UTF-8", "<title>" + title + "</title>", "text/html", title},
		{"undeclared UTF-8 far behind", long + "<title>" + title + "</title>", "text/html", title},
		{"undeclared otherwise", cp1252, "text/html", title},
		{"undeclared otherwise far behind", long + cp1252, "", title},
		{"unknown name", "<title>" + title + "</title>", "text/html; charset=klingon", title},
		{"malformed header", "<title>" + title + "</title>", "text/html; charset", title},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := parse(t, []byte(c.body), c.contentType).Title()
			if diff := cmp.Diff(c.expect, string(got.Bytes)); diff != "" {
				t.Errorf("title (-want +got)\n%s", diff)
			}
		})
	}
}

// The nesting that the parser refuses is an error, not a crash.
func TestDeepNesting(t *testing.T) {
	const expect = "parse HTML: html: open stack of elements exceeds 512 nodes"
	_, err := Parse(bytes.Repeat([]byte("<div>"), 1000), "text/html", resolve)
	if err == nil || err.Error() != expect {
		t.Errorf("error %v, want %s", err, expect)
	}
}

// Whatever selector is taken, it yields a JSON value: null or a string, or an
// array of strings if the name ends in [].
func FuzzParseSelector(f *testing.F) {
	for _, c := range selectors {
		f.Add(c.selector)
	}
	for _, s := range []string{"x=a@", "x=a[", "x=:has(a@b)", "x=*", "x=a:nth-child(2n+1)@href"} {
		f.Add(s)
	}
	p, err := Parse([]byte(page), "text/html", resolve)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSelector(text)
		if err != nil {
			return
		}
		if !strings.HasPrefix(strings.TrimSpace(text), s.Name) || s.Name == "" {
			t.Errorf("%q names the field %q", text, s.Name)
		}
		got := p.Select(s)
		if !utf8.Valid(got.Bytes) {
			t.Errorf("%q yields %q", text, got.Bytes)
		}
		switch list := []string(nil); {
		case s.all:
			if err := json.Unmarshal(got.Bytes, &list); err != nil || list == nil || got.Kind != record.JSON {
				t.Errorf("%q yields %s, not a list: %v", text, got.Bytes, err)
			}
		case got.Kind != record.Null && got.Kind != record.Text:
			t.Errorf("%q yields the kind %d", text, got.Kind)
		}
	})
}
