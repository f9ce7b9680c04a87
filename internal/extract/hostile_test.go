package extract

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// numbered repeats a text up to a length, with a number in the place of %.
func numbered(text string, length int) string {
	before, after, _ := strings.Cut(text, "%")
	b := make([]byte, 0, length+len(text)+10)
	for i := int64(0); len(b) < length; i++ {
		b = append(strconv.AppendInt(append(b, before...), i, 10), after...)
	}
	return string(b)
}

// No page takes more memory than a fixed amount, and what cannot be parsed
// still has its title and links.
func TestHostilePages(t *testing.T) {
	const (
		tooDeep  = "parse HTML: html: open stack of elements exceeds 512 nodes"
		tooLarge = "parse HTML: its tree would take too much memory"
		tooMuch  = "what is selected is too much"
		tooLong  = "reading it takes too long"
		memory   = 8 << 20
		maxAlloc = 10 * memory // all that is ever allocated, of which most is garbage soon
	)
	many := func(s string, length int) string { return strings.Repeat(s, length/len(s)) }
	for _, c := range []struct{ name, selector, html, err string }{
		{"attributes of many body tags", "x=p:first-child", numbered("<body a%=b>", 64<<10), tooLarge},
		{"attributes of many html tags", "x=p:first-child", numbered("<html a%=b>", 64<<10), tooLarge},
		{"many paragraphs", "x=p:first-child", many("<p>x", 256<<10), tooLarge},
		{"many paragraphs without a tree", "x=p", many("<p>x", 256<<10), ""},
		{"many end tags that imply a start", "x=p:first-child", many("</p>", 256<<10), tooLarge},
		{"deep nesting", "x=p:first-child", many("<div>", 100_000), tooDeep},
		{"formatting opened again", "x=p:first-child", "<p>" + numbered("<b a%>", 5000) + "</p>" + many("<p>x</p>", 1<<16), tooLarge},
		{"formatting with attributes opened again", "x=p", "<p><b " + numbered("a% ", 1<<20) + "></p>" + many("<p>x</p>", 1<<16), tooLarge},
		{"a tag of attributes", "x=p:first-child", "<p " + numbered("a% ", 1<<20) + ">", tooLarge},
		{"a link of attributes", "x=p", "<a href=m " + numbered("a% ", 1<<20) + ">", tooLarge},
		{"a tag of the same attribute", "x=p:first-child", "<p " + many("a ", 1<<20) + ">", tooLarge},
		{"a tag without end", "x=p:first-child", "<p a=\"" + many("x", 256<<10), ""},
		{"a comment without end", "x=p:first-child", "<!--" + many("-- ", 256<<10), ""},
		{"a script without end", "x=p:first-child", "<script>" + many("<!--<script>", 256<<10), ""},
		{"text inside many elements", "x[]=div", many("<div>", 2000) + many("some text ", 1<<13), tooMuch},
		{"HTML inside many elements", "x[]=div:not(.y)@html", many("<div>", 2000) + many("some text ", 1<<13), tooMuch},
		{"a selector that looks far back", "x=b ~ i", many("<i></i>", 1<<18), tooLong},
		{"misnested formatting", "x=p:first-child", many("<b><i><p></b>x</i>", 1<<14), ""},
		{"text in tables", "x=p:first-child", many("<table>x<tr>y", 1<<16), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			page := "<title>T</title><a href=l></a>" + c.html
			timeout := time.Minute
			if strings.HasSuffix(c.err, tooLong) {
				timeout = time.Second
			}
			x := extractor(t, Config{Links: true, Timeout: timeout, Memory: memory}, c.selector)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			p := x.Extract(Source{[]byte(page), "text/html; charset=utf-8", atTest})
			runtime.ReadMemStats(&after)
			if got := message(p.Err); got != c.err && !(c.err == tooLong && strings.HasSuffix(got, tooLong)) { // while it is parsed, even
				t.Errorf("error %q, want %q", got, c.err)
			}
			if links := shown(p.Rows[0][1]); string(p.Title.Bytes) != "T" || links != `["http://a.test/l"]` {
				t.Errorf("title %q, links %s", p.Title.Bytes, links)
			}
			if alloc := after.TotalAlloc - before.TotalAlloc; alloc > maxAlloc {
				t.Errorf("%d MiB allocated", alloc>>20)
			}
		})
	}
}

func atTest(_, ref string) (string, bool) { return "http://a.test/" + ref, true }

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
