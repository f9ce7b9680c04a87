package extract

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"
)

// benchPages are the pages of the manuals that are installed, or a generated
// one of their kind.
func benchPages(b *testing.B) (pages [][]byte) {
	eachManualPage(b, func(path string) {
		page, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		pages = append(pages, page)
	})
	if pages == nil {
		const item = `<li><p class="x"><a class="reference internal" href="library/os.html#os.fork"><code>os.fork</code></a> makes a process.</p></li>`
		pages = append(pages, []byte("<title>Manual</title><ul>"+strings.Repeat(item, 200)+"</ul>"))
	}
	return pages
}

// BenchmarkPage measures what is taken from a page: by this package, and by
// the loops that one writes with goquery and with the tokenizer.
func BenchmarkPage(b *testing.B) {
	pages := benchPages(b)
	run := func(name string, read func(page []byte)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				read(pages[n%len(pages)])
				n++
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "pages/s")
		})
	}
	extracting := func(x *Extractor) func(page []byte) {
		return func(page []byte) {
			if p := x.Extract(Source{page, "text/html; charset=utf-8", atTest}); p.Err != nil {
				b.Fatal(p.Err)
			}
		}
	}
	run("title and links", extracting(extractor(b, Config{Timeout: time.Minute}, "links[]=a@href")))
	run("title and links, goquery", func(page []byte) { withGoquery(b, page, "a") })
	run("title and links, tokenizer", withTokenizer)
	run("class", extracting(extractor(b, Config{Timeout: time.Minute}, "x[]=.reference")))
	run("text", extracting(extractor(b, Config{Text: true, Timeout: time.Minute})))
	run("any selector", extracting(extractor(b, Config{Timeout: time.Minute}, "links[]=a:only-of-type@href")))
	run("any selector, goquery", func(page []byte) { withGoquery(b, page, "a:only-of-type") })
}

func withGoquery(b *testing.B, page []byte, css string) {
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(page))
	if err != nil {
		b.Fatal(err)
	}
	_ = doc.Find("title").Text()
	var links []string
	doc.Find(css).Each(func(_ int, a *goquery.Selection) {
		if href, ok := a.Attr("href"); ok {
			links = append(links, href)
		}
	})
}

func withTokenizer(page []byte) {
	z := html.NewTokenizer(bytes.NewReader(page))
	title := false
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.TextToken:
			if title {
				_ = string(z.Text())
			}
			title = false
		case html.StartTagToken:
			name, more := z.TagName()
			title = string(name) == "title"
			for more && string(name) == "a" {
				var key, value []byte
				if key, value, more = z.TagAttr(); string(key) == "href" {
					_ = string(value)
				}
			}
		}
	}
}
