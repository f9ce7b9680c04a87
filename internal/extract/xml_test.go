package extract

import (
	"strings"
	"testing"
)

const rss = `<?xml version="1.0" encoding="ISO-8859-1"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom"><channel>
<title>News &amp; caf` + "\xe9" + `</title><link>http://a.test/</link><atom:link href="http://a.test/feed" rel="self"/>
<description>All of it</description><image><title>Logo</title></image>
<item><title><![CDATA[First <b>one</b>]]></title><link>http://a.test/1</link><dc:creator>Ann</dc:creator><pubDate>Mon</pubDate></item>
<item><title>Second</title><link>http://a.test/2</link></item>
</channel></rss>`

const atomFeed = `<feed xmlns="http://www.w3.org/2005/Atom"><title>Notes</title><subtitle>Short</subtitle><link href="http://a.test/self" rel="self"/>
<link href="http://a.test/"/><entry><title>One</title><link rel="alternate" href="/one"/></entry></feed>`

func TestXML(t *testing.T) {
	each, err := ParseEach("item, entry")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, xml, title, rows string }{
		{"RSS", rss, `"News & café"`,
			`1 "First <b>one</b>" "Ann" "Mon"` + "\n" +
				`2 "Second" null null`},
		{"Atom", atomFeed, `"Notes"`, `1 "One" null null`},
		{"sitemap", `<urlset><url><loc> http://a.test/x </loc></url></urlset>`, `null`, `null null null null`},
		{"not well-formed", `<rss><channel><title>T</title><item><title>x</item></oops></channel>`, `"T"`, `1 "x" null null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := extractor(t, Config{Each: each}, "title=title", `by=dc\:creator`, "date=pubDate")
			p := x.Extract(Source{[]byte(c.xml), "application/rss+xml", resolve})
			var rows []string
			for _, row := range p.Rows {
				var values []string
				for _, v := range row {
					values = append(values, shown(v))
				}
				rows = append(rows, strings.Join(values, " "))
			}
			got := strings.Join(rows, "\n")
			if shown(p.Title) != c.title || got != c.rows || p.Err != nil {
				t.Errorf("%s\n%s\n(%v), want %s\n%s", shown(p.Title), got, p.Err, c.title, c.rows)
			}
		})
	}
	for _, c := range []struct{ xml, want string }{
		{rss, `["http://a.test/","http://a.test/1","http://a.test/2"] {"description":"All of it"} "News & café\nhttp://a.test/\nAll of it\nLogo\nFirst <b>one</b>\nhttp://a.test/1\nAnn\nMon\nSecond\nhttp://a.test/2"`},
		{atomFeed, `["http://a.test/","http://a.test/one"] {"description":"Short"} "Notes\nShort\nOne"`},
		{`<urlset><url><loc> http://a.test/x </loc></url></urlset>`, `["http://a.test/x"] {} "http://a.test/x"`},
	} {
		p := extractor(t, Config{Links: true, Meta: true, Text: true}).Extract(Source{[]byte(c.xml), "text/xml", func(_, ref string) (string, bool) {
			return "http://a.test" + strings.TrimPrefix(ref, "http://a.test"), true
		}})
		if got := shown(p.Rows[0][0]) + " " + shown(p.Rows[0][1]) + " " + shown(p.Rows[0][2]); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

// What is wrong with XML truncates the page.
func TestHostileXML(t *testing.T) {
	for _, c := range []struct{ xml, err string }{
		{"<feed><title>T</title>" + strings.Repeat("<a>", 600), "parse XML: elements are nested too deep"},
		{"<feed><title>T</title>" + strings.Repeat("<a/>", 1<<16), "parse XML: its tree would take too much memory"},
		{"<feed><title>T</title>" + strings.Repeat("<a "+strings.Repeat("b ", 500)+"/>", 1<<9), "parse XML: its tree would take too much memory"},
		{"<feed><title>T</title><a " + strings.Repeat("b ", 1<<18) + "/>", "parse XML: its tree would take too much memory"},
	} {
		p := extractor(t, Config{Memory: 8 << 20}).Extract(Source{[]byte(c.xml), "text/xml", resolve})
		if message(p.Err) != c.err {
			t.Errorf("error %v, want %s", p.Err, c.err)
		}
	}
}
