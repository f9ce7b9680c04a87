package extract

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
<ul><li>x <i>y</i><li>z</ul>
</body></html>`

// resolve shows what it was asked for.
func resolve(base, ref string) (string, bool) {
	return base + "|" + ref, !strings.Contains(ref, "[")
}

// extractor is that of a Config, to which selectors are added.
func extractor(t testing.TB, cfg Config, selectors ...string) *Extractor {
	t.Helper()
	for _, text := range selectors {
		s, err := ParseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Select = append(cfg.Select, s)
	}
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	return New(cfg)
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
	{`firstonly=p@id`, "firstonly", `null`},
	{`present=input@checked`, "present", `""`},
	{`case=INPUT@Checked`, "case", `""`},
	{`colon=input@data-on:click`, "colon", `"f()"`},
	{`asis=meta[name="description"]@content`, "asis", `"  two  spaces "`},
	{`eq=a[href="one"]`, "eq", `"1"`},
	{`at=[href*="@x"]`, "at", `null`},
	{`escaped=.a\@x`, "escaped", `null`},
	{` spaced = h1 `, "spaced", `"Head ing"`},
	{`ünï code=h1`, "ünï code", `"Head ing"`},
	{`html=h1@html`, "html", `"Head <b>ing</b>"`},
	{`outer[]=p@outer`, "outer", `["<p class=\"a b\">first</p>","<p class=\"b\">second\nline</p>"]`},
	{`items[]=ul > li`, "items", `["x y","z"]`},
	{`nested=body ul i`, "nested", `"y"`},
	{`before=h1 ~ p`, "before", `"first"`},
	{`implied[]=li:has(i)@html`, "implied", `["x <i>y</i>"]`},
}

func TestSelect(t *testing.T) {
	for _, c := range selectors {
		x := extractor(t, Config{}, c.selector)
		p := x.Extract(Source{[]byte(page), "text/html; charset=utf-8", resolve})
		if got := shown(p.Rows[0][0]); got != c.expect || x.cfg.Fields()[0] != c.name || p.Err != nil {
			t.Errorf("%s: %s = %s (%v), want %s = %s", c.selector, x.cfg.Fields()[0], got, p.Err, c.name, c.expect)
		}
	}
}

// Which selectors need no tree, and which look at the elements of one name only.
func TestStreams(t *testing.T) {
	for _, c := range []struct {
		css     string
		streams bool
		tag     string
	}{
		{"a", true, "a"}, {"A.b#c", true, "a"}, {".b", true, ""}, {"*", true, ""}, {"a, b", true, ""}, {"div > a b", true, ""},
		{`a[href^="http://x+y~z"]`, true, "a"}, {"a[rel~=next]", true, "a"}, {"a:not(.b)", true, ""}, {`a[title='"']`, true, ""},
		{"a:first-child", false, ""}, {"a + b", false, ""}, {"a ~ b", false, ""}, {`a:contains("b")`, false, ""},
		{":not(a:has(b))", false, ""}, {"a:not(b + c)", false, ""}, {`a[b="\""]`, true, ""}, {"unheard-of", true, ""},
	} {
		s, err := ParseSelector("x=" + c.css)
		if err != nil {
			t.Error(err)
		} else if s.streams != c.streams || s.tag.String() != c.tag {
			t.Errorf("%s: streams %v, tag %q", c.css, s.streams, s.tag)
		}
	}
}

// What is wrong with a selector is said with the place where it is wrong.
func TestSelectorErrors(t *testing.T) {
	for selector, expect := range map[string]string{
		"h1":              `"h1" has no name: write NAME=…`,
		"=h1":             `"=h1" has no name in front of =`,
		"[]=h1":           `"[]=h1" has no name in front of =`,
		"x=a[":            `"x=a[": at "[": expected identifier, found EOF instead`,
		"x=a@":            `"x=a@": at "@": parsing "a@": 1 bytes left over`,
		"x=div > a..b":    `"x=div > a..b": at "..b": expected identifier, found . instead`,
		"x=ul li:nope i":  `"x=ul li:nope i": at ":nope i": unknown pseudoclass or pseudoelement :nope`,
		"x=h1::text":      `"x=h1::text": there is no ::text: CSS yields text, CSS@NAME an attribute`,
		"x=a::attr(href)": `"x=a::attr(href)": there is no ::attr: CSS yields text, CSS@NAME an attribute`,
	} {
		s, err := ParseSelector(selector)
		if err == nil {
			t.Errorf("%s: no error but %+v", selector, s)
		} else if err.Error() != expect {
			t.Errorf("%s: %v\nwant %s", selector, err, expect)
		}
	}
	for _, selector := range []string{"x=", "x=@id"} {
		s, err := ParseSelector(selector)
		if err != nil {
			t.Fatal(err)
		}
		cfg := Config{Select: []*Selector{s}}
		if err := cfg.Check(); err == nil || err.Error() != "select x: the CSS selector is empty" {
			t.Errorf("%s: %v", selector, err)
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
			p := extractor(t, Config{}).Extract(Source{[]byte(c.html), "text/html", resolve})
			if got := shown(p.Title); got != c.expect {
				t.Errorf("title %s, want %s", got, c.expect)
			}
		})
	}
}

// One row an element, whose selectors look inside it; a page without one has
// a row of nothing, so that it does not vanish.
func TestEach(t *testing.T) {
	each, err := ParseEach("li")
	if err != nil {
		t.Fatal(err)
	}
	x := extractor(t, Config{Each: each}, "id=@id", "all=", "in=b", "links[]=a@abs:href")
	for _, c := range []struct{ html, expect string }{
		{`<title>T</title><b>0</b><ul><li id=a>x <b>1</b><li>y <a href=u>l</a></ul>`, `1 "a" "x 1" "1" []; 2 null "y l" null ["|u"]`},
		{`<p>none`, `null null null null null`},
	} {
		var rows []string
		for _, row := range x.Extract(Source{[]byte(c.html), "text/html", resolve}).Rows {
			var values []string
			for _, v := range row {
				values = append(values, shown(v))
			}
			rows = append(rows, strings.Join(values, " "))
		}
		if got := strings.Join(rows, "; "); got != c.expect {
			t.Errorf("%s: %s, want %s", c.html, got, c.expect)
		}
	}
	if diff := cmp.Diff([]string{"item", "id", "all", "in", "links"}, x.cfg.Fields()); diff != "" {
		t.Error(diff)
	}
}

// The nesting that the parser refuses truncates the page.
func TestDeepNesting(t *testing.T) {
	const expect = "parse HTML: html: open stack of elements exceeds 512 nodes"
	p := extractor(t, Config{}, "x=div:first-child").Extract(Source{append([]byte("<title>T</title>"), bytes.Repeat([]byte("<div>"), 1000)...), "text/html", resolve})
	if p.Err == nil || p.Err.Error() != expect || string(p.Title.Bytes) != "T" {
		t.Errorf("title %s, error %v, want %s", p.Title.Bytes, p.Err, expect)
	}
}

// The body is not kept: who fetched it uses its memory again.
func TestBodyNotKept(t *testing.T) {
	re, err := ParseRegex("re=T\\w+")
	if err != nil {
		t.Fatal(err)
	}
	all := func(p *Page) (s []string) {
		for _, v := range append([]record.Value{p.Title}, p.Rows[0]...) {
			s = append(s, shown(v))
		}
		return s
	}
	const doc = "<title>Text</title><a class=x href=TT>Ttt</a>"
	for _, contentType := range []string{"text/html", "text/plain", "text/xml", "image/png"} {
		x := extractor(t, Config{Links: true, Meta: true, Text: true, Body: true, Regex: []*Regex{re}}, "a=a", "b=a@href", "c=a:not(b)@outer")
		body := []byte(doc)
		p := x.Extract(Source{body, contentType, atTest})
		want := all(p)
		for i := range body {
			body[i] = '!'
		}
		if diff := cmp.Diff(want, all(p)); diff != "" {
			t.Errorf("%s (-before +after)\n%s", contentType, diff)
		}
	}
}
