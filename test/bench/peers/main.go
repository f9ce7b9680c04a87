// Command peers does what crawl does as programs do that people write for it
// once: 16 goroutines, no robots.txt, no delay, no limit.
//
//	peers fetch|goquery|select|colly < URLS
//
// Fetch reads pages and prints their status. Goquery prints title and links of
// each as JSON, colly the same by the framework of that name, select a field by
// a CSS selector.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/PuerkitoBio/goquery"
	"github.com/gocolly/colly/v2"
)

const jobs = 16

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

type page struct {
	URL   string   `json:"final_url"`
	Title string   `json:"title"`
	Links []string `json:"links"`
	Field string   `json:"field,omitempty"`
}

// printer writes a JSON line for each page.
type printer struct {
	mu  sync.Mutex
	out *bufio.Writer
	enc *json.Encoder
}

func (p *printer) print(v any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enc.Encode(v); err != nil {
		panic(err)
	}
}

func run(mode string) error {
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	defer out.Flush()
	p := &printer{out: out, enc: json.NewEncoder(out)}
	urls := make(chan string, jobs)
	go func() {
		defer close(urls)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			urls <- lines.Text()
		}
	}()
	if mode == "colly" {
		return useColly(urls, p)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: jobs, DisableCompression: true}}
	var work sync.WaitGroup
	for range jobs {
		work.Go(func() {
			for url := range urls {
				response, err := client.Get(url)
				if err != nil {
					panic(err)
				}
				read(mode, url, response.Body, response.StatusCode, p)
				response.Body.Close()
			}
		})
	}
	work.Wait()
	return nil
}

func read(mode, url string, body io.Reader, status int, p *printer) {
	if mode == "fetch" {
		if _, err := io.ReadAll(body); err != nil {
			panic(err)
		}
		p.print(map[string]any{"final_url": url, "status": status})
		return
	}
	doc, err := goquery.NewDocumentFromReader(body)
	if err != nil {
		panic(err)
	}
	found := page{URL: url, Title: doc.Find("title").First().Text()}
	if mode == "select" {
		found.Field = doc.Find(selector).First().Text()
		p.print(found)
		return
	}
	doc.Find("a[href]").Each(func(_ int, a *goquery.Selection) {
		href, _ := a.Attr("href")
		found.Links = append(found.Links, href)
	})
	p.print(found)
}

// selector is one that needs the tree.
const selector = "body > div:first-of-type p:not(.x) + p"

func useColly(urls <-chan string, p *printer) error {
	c := colly.NewCollector(colly.Async(true), colly.AllowURLRevisit(), colly.MaxBodySize(0))
	c.WithTransport(&http.Transport{MaxIdleConnsPerHost: jobs, DisableCompression: true})
	if err := c.Limit(&colly.LimitRule{DomainGlob: "*", Parallelism: jobs}); err != nil {
		return err
	}
	c.OnHTML("html", func(e *colly.HTMLElement) {
		found := page{URL: e.Request.URL.String(), Title: e.ChildText("title")}
		e.ForEach("a[href]", func(_ int, a *colly.HTMLElement) {
			found.Links = append(found.Links, a.Request.AbsoluteURL(a.Attr("href")))
		})
		p.print(found)
	})
	for url := range urls {
		if err := c.Visit(url); err != nil {
			return err
		}
	}
	c.Wait()
	return nil
}
