package crawl

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hrefs is a page with links.
func hrefs(urls ...string) http.HandlerFunc {
	var page strings.Builder
	for _, url := range urls {
		fmt.Fprintf(&page, "<a href='%s'>x</a>", url)
	}
	return text(page.String())
}

func zipped(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, body)
		_ = z.Close()
	}
}

// Each page that can be reached is fetched once, and none that cannot.
func TestFollow(t *testing.T) {
	site := map[string]http.HandlerFunc{
		"www.a.test": answers(map[string]http.HandlerFunc{
			"/":           hrefs("d/1", "/d/1#twice", "//b.a.test/", "http://other.test/", "mailto:x@a.test", "/private", "/to2", "/outside"),
			"/robots.txt": plain("User-agent: *\nDisallow: /private\nSitemap: /maps.xml\n"),
			"/d/1":        hrefs("2", "../", "/to2"),
			"/d/2":        hrefs("3", "?q=1"),
			"/d/3":        hrefs("/never"),
			"/to2":        redirect("/d/2"),
			"/outside":    redirect("http://other.test/"),
			"/maps.xml":   plain(`<sitemapindex><sitemap><loc>http://www.a.test/map.xml.gz</loc></sitemap><sitemap><loc>/gone.xml</loc></sitemap></sitemapindex>`),
			"/map.xml.gz": zipped(`<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc> http://www.a.test/hidden?a=1&amp;b=2 </loc></url><url><loc>http://other.test/x</loc></url></urlset>`),
			"/hidden":     hrefs("/d/1", "/fromhidden"),
		}),
		"b.a.test":   answers(map[string]http.HandlerFunc{"/": hrefs("http://www.a.test/")}),
		"other.test": answers(map[string]http.HandlerFunc{"/": hrefs("/y")}),
	}
	regex := func(text string) []*regexp.Regexp { return []*regexp.Regexp{regexp.MustCompile(text)} }
	for _, c := range []struct {
		name   string
		input  string
		follow Follow
		want   string // depth and end of each final URL, with the kind of error
	}{
		{"not at all", "http://www.a.test/", Follow{}, "0/"},
		{"one step", "http://www.a.test/", Follow{Depth: 1}, "0/ 1/d/1 1/d/2 1/outside:redirect 1/private:robots"},
		{"all", "http://www.a.test/", Follow{Depth: 9}, "0/ 1/d/1 1/d/2 1/outside:redirect 1/private:robots 2/d/2 3/d/2?q=1 3/d/3 4/never:http"},
		{"domain", "http://www.a.test/", Follow{Depth: 1, Scope: ScopeDomain, Exclude: regex("/d/|private|2")}, "0/ 1//b.a.test/ 1/outside:redirect"},
		{"any", "http://www.a.test/", Follow{Depth: 1, Scope: ScopeAny, Exclude: regex("/d/|private|2")}, "0/ 1//b.a.test/ 1//other.test/ 1//other.test/"},
		{"prefix", "http://www.a.test/d/1", Follow{Depth: 9, Scope: ScopePrefix}, "0/d/1 1/d/2 2/d/2?q=1 2/d/3"},
		{"only some", "http://www.a.test/", Follow{Depth: 9, Include: regex("/d/[12]$")}, "0/ 1/d/1 2/d/2"},
		{"not many", "http://www.a.test/d/1", Follow{Depth: 9, Scope: ScopePrefix, MaxPages: 1}, "0/d/1 1/d/2"},
		{"not many of a host", "http://www.a.test/d/1", Follow{Depth: 9, Scope: ScopePrefix, MaxPerHost: 2}, "0/d/1 1/d/2 2/d/3"},
		{"sitemap", "http://www.a.test/d/3", Follow{Sitemap: true}, "0/d/3 1/gone.xml:http 1/hidden?a=1&b=2"},
		{"sitemap and on", "http://www.a.test/d/3", Follow{Sitemap: true, Depth: 2, Exclude: regex("never|/d/1")}, "0/d/3 1/gone.xml:http 1/hidden?a=1&b=2 2/fromhidden:http"},
		{"no sitemap", "http://b.a.test/", Follow{Sitemap: true}, "0//b.a.test/"},
		{"two inputs", "http://www.a.test/d/1\nhttp://www.a.test/d/2", Follow{Depth: 1, Scope: ScopePrefix}, "0/d/1 0/d/2 1/d/2?q=1 1/d/3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newInternet(t, site)
				got, _ := n.run(Config{Follow: c.follow, PerHost: 1}, c.input)
				var pages []string
				for _, r := range got {
					url := strings.TrimPrefix(strings.TrimPrefix(r.FinalURL, "http:"), "//www.a.test")
					page := fmt.Sprintf("%d%s", r.Depth, url)
					if r.Error != nil {
						page += ":" + string(r.Error.Kind)
					}
					pages = append(pages, page)
				}
				slices.Sort(pages)
				if diff := cmp.Diff(strings.Fields(c.want), pages); diff != "" {
					t.Errorf("pages (-want +got)\n%s", diff)
				}
				fetched := n.pages()
				slices.Sort(fetched)
				if once := slices.Compact(slices.Clone(fetched)); len(once) != len(fetched) {
					t.Errorf("fetched twice: %v", fetched)
				}
			})
		})
	}
}

// A site without an end is left.
func TestTraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		n := newInternet(t, map[string]http.HandlerFunc{"a.test": func(w http.ResponseWriter, r *http.Request) {
			asked++
			hrefs("deeper/", fmt.Sprintf("/calendar?page=%d", asked))(w, r)
		}})
		_, sum := n.run(Config{Follow: Follow{Depth: 1 << 20}, PerHost: 1, Delay: new(time.Duration)}, "http://a.test/")
		if sum.Skipped == 0 || sum.Out > maxQueries+maxSame {
			t.Errorf("%+v", sum)
		}
	})
	for url, want := range map[string]bool{
		"http://a.test/": false,
		"http://a.test/" + strings.Repeat("x", maxLink): true,
		"http://a.test/a/b/a/b/a/":                      false,
		"http://a.test/a/b/a/b/a/b/a":                   true,
		"http://a.test/" + func() string {
			var path strings.Builder
			for i := range maxSegments + 1 {
				fmt.Fprintf(&path, "%d/", i)
			}
			return path.String()
		}(): true,
		"http://a.test/x?u=/a/a/a/a/a": false,
	} {
		if got := trap(url); got != want {
			t.Errorf("%s is a trap: %v", url, got)
		}
	}
}

func TestScope(t *testing.T) {
	for _, c := range []struct{ base, url, scopes string }{
		{"http://www.a.co.uk/x/y", "https://www.a.co.uk:8443/", "host domain any"},
		{"http://www.a.co.uk/x/y", "http://www.a.co.uk/x/", "host domain prefix any"},
		{"http://www.a.co.uk/x/y", "http://www.a.co.uk/xy", "host domain any"},
		{"http://www.a.co.uk/x/y", "http://a.co.uk/", "domain any"},
		{"http://www.a.co.uk/x/y", "http://b.co.uk/", "any"},
		{"http://www.a.co.uk/x/y", "http://www.a.co.uk.evil.test/x/", "any"},
		{"http://www.a.co.uk/x/y", "http://www.a.co.uk@evil.test/x/", "any"},
		{"http://127.0.0.1/", "http://127.0.0.2/", "any"},
		{"http://[::1]:80/", "http://[::1]:8080/?x", "host domain any"},
		{"http://localhost/", "http://localhost/x", "host domain prefix any"},
	} {
		base, err := parseAddress(c.base)
		if err != nil {
			t.Fatal(err)
		}
		var scopes []string
		for _, s := range []Scope{ScopeHost, ScopeDomain, ScopePrefix, ScopeAny} {
			if s.inScope(base, c.url) {
				scopes = append(scopes, s.String())
			}
		}
		if got := strings.Join(scopes, " "); got != c.scopes {
			t.Errorf("%s from %s: %q, want %q", c.url, c.base, got, c.scopes)
		}
	}
	if _, err := ParseScope("hosts"); err == nil {
		t.Error("hosts is a scope")
	}
}

// No sitemap is a panic, and what was found in one is found in it compressed.
func FuzzSitemap(f *testing.F) {
	f.Add([]byte("<urlset><url><loc>http://a.test/</loc></url></urlset>"))
	f.Add([]byte("<sitemapindex><sitemap><loc>x</loc></sitemap>"))
	f.Add([]byte("http://a.test/\r\nhttp://a.test/2\n"))
	f.Add([]byte("<a></b></loc></url>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		pages, maps, err := parseSitemap(body)
		if bytes.HasPrefix(body, []byte("\x1f\x8b")) {
			return
		}
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, _ = w.Write(body)
		_ = w.Close()
		zPages, zMaps, zErr := parseSitemap(z.Bytes())
		if !slices.Equal(pages, zPages) || !slices.Equal(maps, zMaps) || (err == nil) != (zErr == nil) {
			t.Errorf("%q, %q, %v; compressed %q, %q, %v", pages, maps, err, zPages, zMaps, zErr)
		}
	})
}
