package crawl

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"pipeworks/internal/contentcoding"
	"pipeworks/internal/extract"
)

// Bounds of a sitemap, as sitemaps.org sets them.
const (
	maxSitemap      = 50 << 20 // bytes, decompressed
	maxSitemapLinks = 50_000
)

// sitemaps gives the sitemaps of an input's origin to the frontier: those that its
// robots.txt names, else the one at the usual place.
func (c *crawler) sitemaps(t *task, a *answer) error {
	urls := c.frontier.sitemaps(t.to)
	named := len(urls) > 0
	if !named {
		urls = []string{t.to.origin + "/sitemap.xml"}
	}
	return c.sitemapTasks(t, a, urls, !named)
}

func (c *crawler) sitemapTasks(t *task, a *answer, urls []string, guess bool) error {
	var tasks []*task
	for _, url := range urls {
		to, err := resolve(t.to.href, url)
		if err != nil {
			continue
		}
		first, err := c.visited.claim("sitemap "+to.href, t.seq)
		if err != nil {
			return err
		}
		if first == 0 {
			child := c.child(t, a, to)
			child.sitemap, child.guess = true, guess
			tasks = append(tasks, child)
		}
	}
	c.frontier.follow(tasks)
	return nil
}

// readSitemap follows what a sitemap lists.
func (c *crawler) readSitemap(t *task, a *answer) error {
	pages, maps, err := parseSitemap(a.body)
	if err != nil && t.err == nil {
		t.err = newError(kindParse, false, "read sitemap: %v", err)
	}
	if err := c.sitemapTasks(t, a, maps, false); err != nil {
		return err
	}
	links := make([]extract.Link, 0, len(pages))
	for _, page := range pages {
		if to, err := resolve(t.to.href, page); err == nil {
			links = append(links, extract.Link{URL: to.href})
		}
	}
	return c.followLinks(t, a, links)
}

// parseSitemap reads a sitemap, or an index of such, in XML or as text of a URL a
// line, compressed or not. What was read before an error counts.
func parseSitemap(body []byte) (pages, maps []string, err error) {
	var r io.Reader = bytes.NewReader(body)
	if bytes.HasPrefix(body, []byte("\x1f\x8b")) {
		z, err := contentcoding.Decode("gzip", r)
		if err != nil {
			return nil, nil, err
		}
		defer z.Close()
		if body, err = io.ReadAll(&capped{z, maxSitemap}); err != nil && len(body) == 0 {
			return nil, nil, err
		}
		r = bytes.NewReader(body)
	}
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if !bytes.HasPrefix(body, []byte("<")) {
		for line := range strings.Lines(string(body)) {
			if line = strings.TrimSpace(line); line != "" && len(pages) < maxSitemapLinks {
				pages = append(pages, line)
			}
		}
		return pages, nil, nil
	}
	d := xml.NewDecoder(r)
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // URLs are ASCII
	var path []string
	var loc strings.Builder
	for len(pages)+len(maps) < maxSitemapLinks {
		token, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			return pages, maps, errors.New("it is no XML")
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
			loc.Reset()
		case xml.CharData:
			loc.Write(token)
		case xml.EndElement:
			if n := len(path); n >= 2 && path[n-1] == "loc" {
				switch url := strings.TrimSpace(loc.String()); path[n-2] {
				case "url":
					pages = append(pages, url)
				case "sitemap":
					maps = append(maps, url)
				}
			}
			path = path[:max(0, len(path)-1)]
		}
	}
	return pages, maps, nil
}
