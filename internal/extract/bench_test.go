package extract

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"
)

// manualPage is a page of the Python manual, if that is installed, else a
// generated one of the same kind.
func manualPage() []byte {
	paths, _ := filepath.Glob("/usr/share/doc/python3.*/html/library/argparse.html")
	if len(paths) > 0 {
		if page, err := os.ReadFile(paths[0]); err == nil {
			return page
		}
	}
	return []byte("<title>Manual</title><ul>" + strings.Repeat(`<li><p class="x"><a class="reference internal" href="library/os.html#os.fork"><code>os.fork</code></a> makes a process.</p></li>`, 1000) + "</ul>")
}

// BenchmarkPage measures what is taken from a page: by this package, and by
// the loop that one writes with goquery.
func BenchmarkPage(b *testing.B) {
	page := manualPage()
	resolve := func(_, ref string) (string, bool) { return ref, true }
	run := func(name string, x *Extractor) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			for b.Loop() {
				if p := x.Extract(Source{page, "text/html; charset=utf-8", resolve}); p.Err != nil {
					b.Fatal(p.Err)
				}
			}
		})
	}
	run("title and links", extractor(b, Config{}, "links[]=a@href"))
	b.Run("title and links, goquery", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			doc, err := goquery.NewDocumentFromReader(bytes.NewReader(page))
			if err != nil {
				b.Fatal(err)
			}
			_ = doc.Find("title").Text()
			var links []string
			doc.Find("a").Each(func(_ int, a *goquery.Selection) {
				if href, ok := a.Attr("href"); ok {
					links = append(links, href)
				}
			})
		}
	})
	b.Run("title and links, x/net tokenizer", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			z := html.NewTokenizer(bytes.NewReader(page))
			links := 0
			for {
				t := z.Next()
				if t == html.ErrorToken {
					break
				}
				if t == html.StartTagToken {
					if name, more := z.TagName(); string(name) == "a" {
						for more {
							var k, v []byte
							if k, v, more = z.TagAttr(); string(k) == "href" {
								links += len(string(v))
							}
						}
					}
				}
			}
			if links == 0 {
				b.Fatal("no links")
			}
		}
	})
	run("class", extractor(b, Config{}, "x[]=.reference"))
	run("text", extractor(b, Config{Text: true}))
	run("any selector", extractor(b, Config{}, "x[]=li > p:first-child"))
	b.Run("any selector, goquery", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			doc, err := goquery.NewDocumentFromReader(bytes.NewReader(page))
			if err != nil {
				b.Fatal(err)
			}
			_ = doc.Find("title").Text()
			var texts []string
			doc.Find("li > p:first-child").Each(func(_ int, p *goquery.Selection) {
				texts = append(texts, strings.Join(strings.Fields(p.Text()), " "))
			})
		}
	})
}
