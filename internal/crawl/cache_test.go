package crawl

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tagged serves a page with headers; who has its ETag, or its date, gets 304.
func tagged(body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		etag, modified := w.Header().Get("ETag"), w.Header().Get("Last-Modified")
		if etag != "" && r.Header.Get("If-None-Match") == etag || modified != "" && r.Header.Get("If-Modified-Since") == modified {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		text(body)(w, r)
	}
}

// What a second run, a minute later, asks for and has.
func TestCache(t *testing.T) {
	const date = "Fri, 31 Dec 1999 00:00:00 GMT"
	for _, c := range []struct {
		name          string
		first, second http.HandlerFunc // nil: the same
		cfg           Config           // of the second
		asked         string           // "-": not at all; else the validators
		title         string
		cached        bool
		changed       bool
	}{
		{name: "nothing said", first: tagged("1"), asked: "", title: "1"},
		{name: "nothing said, changed", first: tagged("1"), second: tagged("2"), asked: "", title: "2", changed: true},
		{name: "tag", first: tagged("1", "ETag", `"x"`), asked: `"x"`, title: "1", cached: true},
		{name: "tag, changed", first: tagged("1", "ETag", `"x"`), second: tagged("2", "ETag", `"y"`), asked: `"x"`, title: "2", changed: true},
		{name: "tag, not changed", first: tagged("1", "ETag", `"x"`), second: tagged("1", "ETag", `"y"`), asked: `"x"`, title: "1"},
		{name: "date", first: tagged("1", "Last-Modified", date), asked: date, title: "1", cached: true},
		{name: "just changed", first: tagged("1", "Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT"), asked: "", title: "1"},
		{name: "fresh", first: tagged("1", "Cache-Control", "max-age=61"), second: tagged("2"), asked: "-", title: "1", cached: true},
		{name: "fresh until", first: tagged("1", "Expires", "Sat, 01 Jan 2000 00:01:01 GMT"), asked: "-", title: "1", cached: true},
		{name: "no longer fresh", first: tagged("1", "Cache-Control", "public, max-age=60", "ETag", `"x"`), asked: `"x"`, title: "1", cached: true},
		{name: "old when it came", first: tagged("1", "Cache-Control", "max-age=100", "Age", "50", "ETag", `"x"`), asked: `"x"`, title: "1", cached: true},
		{name: "fresh, but not for a cache that does not ask", first: tagged("1", "Cache-Control", "max-age=100, no-cache", "ETag", `"x"`), asked: `"x"`, title: "1", cached: true},
		{name: "not to be stored", first: tagged("1", "Cache-Control", "no-store, max-age=100", "ETag", `"x"`), title: "1", changed: true},
		{name: "for one client", first: tagged("1", "Cache-Control", "max-age=100", "Vary", "User-Agent"), cfg: Config{UserAgent: "other"}, title: "1", changed: true},
		{name: "for any client", first: tagged("1", "Cache-Control", "max-age=100", "Vary", "Cookie"), cfg: Config{UserAgent: "other"}, asked: "-", title: "1", cached: true},
		{name: "for whoever", first: tagged("1", "Cache-Control", "max-age=100", "Vary", "*"), title: "1", changed: true},
		{name: "for who has the key", first: tagged("1", "Cache-Control", "max-age=100"), cfg: Config{Credentials: Credentials{logins: map[string]login{"a.test": {"u", "p"}}}}, title: "1", changed: true},
		{name: "gone", first: tagged("1", "ETag", `"x"`), second: http.NotFound, asked: `"x"`, changed: true},
		{name: "in pain", first: tagged("1", "ETag", `"x"`), second: status(500, "Content-Type", "text/plain"), asked: `"x"`, changed: true},
		{name: "from inside", first: tagged("1", "Cache-Control", "max-age=100"), cfg: Config{PublicOnly: true, IgnoreRobots: true}, title: "1", changed: true},
	} {
		for _, ifChanged := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, ifChanged), func(t *testing.T) {
				dir := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					body := func(h http.HandlerFunc) http.HandlerFunc {
						return answers(map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) { h(w, r) }})
					}
					n := newInternet(t, map[string]http.HandlerFunc{"a.test": body(c.first)})
					n.run(Config{Cache: dir}, "http://a.test/")
					time.Sleep(time.Minute)
					if c.second == nil {
						c.second = c.first
					}
					n = newInternet(t, map[string]http.HandlerFunc{"a.test": body(c.second)})
					c.cfg.Cache, c.cfg.IfChanged = dir, ifChanged
					got, sum := n.run(c.cfg, "http://a.test/")
					asked := "-"
					for _, r := range n.log() {
						if r.URL == "http://a.test/" {
							asked = r.If
						}
					}
					if asked != c.asked {
						t.Errorf("asked with %q, want %q", asked, c.asked)
					}
					if ifChanged && !c.changed {
						if len(got) != 0 || sum.Unchanged != 1 {
							t.Errorf("records %+v, %+v", got, sum)
						}
						return
					}
					if len(got) != 1 || got[0].Bytes != len(c.title) && c.title != "" || got[0].Cached != c.cached || c.title != "" && got[0].Status != 200 {
						t.Errorf("records %+v", got)
					}
				})
			})
		}
	}
}

// A page that was fetched, and whose record was not handed on, has changed.
func TestCacheOfKilledRun(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{"a.test": tagged("1", "ETag", `"x"`)})
		n.run(Config{Cache: dir}, "http://a.test/")
		kept, err := openCache(dir)
		if err != nil {
			t.Fatal(err)
		}
		path := kept.path("http://a.test/")
		if err := os.Rename(path, path+newSuffix); err != nil { // as if it had been killed
			t.Fatal(err)
		}
		for run, want := range []int{1, 0} {
			if got, _ := n.run(Config{Cache: dir, IfChanged: true}, "http://a.test/"); len(got) != want {
				t.Errorf("run %d has %d records", run, len(got))
			}
		}
	})
}

// What is fresh waits for nobody, and what is broken in the cache is fetched.
func TestCacheFiles(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{"a.test": tagged("1", "Cache-Control", "max-age=10000")})
		input := lines(100, "http://a.test/%d")
		n.run(Config{Cache: dir, PerHost: 1}, input)
		start, asked := time.Now(), len(n.log())
		n.run(Config{Cache: dir, PerHost: 1}, input)
		if took := time.Since(start); took > 2*DefaultDelay || len(n.log()) > asked+1 {
			t.Errorf("took %v with %d requests", took, len(n.log())-asked)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
		if err != nil || len(files) != 100 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for i, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			broken := []string{"", "{}\n", "null", string(text[:len(text)-1]), strings.Replace(string(text), "http:", "httq:", 1)}[i%5]
			if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		asked = len(n.log())
		got, sum := n.run(Config{Cache: dir, PerHost: 1}, input)
		if len(got) != 100 || sum.Failed > 0 || len(n.log()) != asked+101 {
			t.Errorf("%+v with %d requests", sum, len(n.log())-asked)
		}
	})
}
