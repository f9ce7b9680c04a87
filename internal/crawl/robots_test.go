package crawl

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/stream"
)

func TestRobots(t *testing.T) {
	const forbids = "User-agent: *\nDisallow: /x\n"
	for _, c := range []struct {
		name    string
		robots  http.HandlerFunc
		cfg     Config
		failure string
		asked   int // times that robots.txt was
	}{
		{name: "none", robots: http.NotFound, asked: 1},
		{name: "secret", robots: status(403), asked: 1},
		{name: "allows", robots: plain("User-agent: *\nDisallow: /y"), asked: 1},
		{name: "forbids", robots: plain(forbids), failure: "robots", asked: 1},
		{name: "forbids us by name", robots: plain("User-agent: pipeworks-crawl\nDisallow: /x"), failure: "robots", asked: 1},
		{name: "forbids another", robots: plain("User-agent: otherbot\nDisallow: /x"), asked: 1},
		{name: "forbids the other we say we are", robots: plain("User-agent: otherbot\nDisallow: /x"), cfg: Config{UserAgent: "OtherBot/1.0 (x)"}, failure: "robots", asked: 1},
		{name: "ignored", robots: plain(forbids), cfg: Config{IgnoreRobots: true}, asked: 0},
		{name: "server error", robots: status(500), failure: "robots, retryable", asked: 1},
		{name: "server error, retried", robots: status(503), cfg: Config{Retries: 2}, failure: "robots, retryable", asked: 3},
		{name: "too many requests", robots: status(429), failure: "robots, retryable", asked: 1},
		{name: "connection closed", robots: hangUp, failure: "protocol, retryable", asked: 1},
		{name: "no answer", robots: slow(time.Hour, http.NotFound), failure: "timeout, retryable", asked: 1},
		{name: "elsewhere", robots: redirect("http://b.test/forbids"), failure: "robots", asked: 1},
		{name: "five times elsewhere", robots: redirect("http://b.test/4"), failure: "robots", asked: 1},
		{name: "six times elsewhere", robots: redirect("http://b.test/5"), asked: 1},
		{name: "nowhere", robots: redirect("mailto:x@b.test"), asked: 1},
		{name: "elsewhere, not there", robots: redirect("http://b.test/none"), asked: 1},
		{name: "elsewhere, broken", robots: redirect("http://b.test/broken"), failure: "robots, retryable", asked: 1},
		{name: "too long", robots: plain(forbids + strings.Repeat("# padding\n", 60_000)), failure: "robots", asked: 1},
		{name: "too long, the rule behind", robots: plain(strings.Repeat("# padding\n", 60_000) + forbids), asked: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newInternet(t, map[string]http.HandlerFunc{
					"a.test": answers(map[string]http.HandlerFunc{"/robots.txt": c.robots, "/x": text("x")}),
					"b.test": answers(map[string]http.HandlerFunc{
						"/forbids": plain(forbids), "/broken": status(500),
						"/5": redirect("4"), "/4": redirect("3"), "/3": redirect("2"), "/2": redirect("1"), "/1": redirect("forbids"),
					}),
				})
				got, _ := n.run(c.cfg, "http://a.test/x\nhttp://a.test/x?2\n")
				if len(got) != 2 || failure(got[0]) != c.failure || failure(got[1]) != c.failure {
					t.Errorf("records %+v, want failure %q", got, c.failure)
				}
				asked := 0
				for _, r := range n.log() {
					if r.URL == "http://a.test/robots.txt" {
						asked++
					}
				}
				if asked != c.asked {
					t.Errorf("robots.txt was asked for %d times, want %d", asked, c.asked)
				}
			})
		})
	}
}

// What a page says about itself is obeyed on demand.
func TestRespectMeta(t *testing.T) {
	for _, c := range []struct {
		page, header string
		respect      bool
		title        string
		failure      string
		links        int
	}{
		{"<title>x</title><a href=/2>", "", true, "x", "", 1},
		{"<title>x</title><meta name=robots content=noindex><a href=/2>", "", false, "x", "", 1},
		{"<title>x</title><meta name=robots content=noindex><a href=/2>", "", true, "", "robots", 1},
		{"<title>x</title><meta name=robots content=nofollow><a href=/2>", "", true, "x", "", 0},
		{"<title>x</title><meta name=otherbot content=none><a href=/2>", "", true, "x", "", 1},
		{"<title>x</title><meta name=pipeworks-crawl content=none><a href=/2>", "", true, "", "robots", 0},
		{"<title>x</title><a href=/2>", "noindex", true, "", "robots", 1},
		{"<title>x</title><a href=/2>", "otherbot: noindex", true, "x", "", 1},
		{"<title>x</title><a href=/2 rel='x nofollow'>", "", true, "x", "", 0},
		{"<title>x</title><a href=/2 rel='x nofollow'>", "", false, "x", "", 1},
	} {
		n := newInternet(t, map[string]http.HandlerFunc{"a.test": answers(map[string]http.HandlerFunc{
			"/": func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Robots-Tag", c.header)
				text(c.page)(w, r)
			},
			"/2": text("x"),
		})})
		got, _ := n.run(Config{RespectMeta: c.respect, Follow: Follow{Depth: 1}, Delay: new(time.Duration)}, "http://a.test/")
		if len(got) != 1+c.links {
			t.Errorf("%+v: %d records", c, len(got))
		}
		for _, r := range got {
			if r.Depth == 0 && (r.Title != c.title || failure(r) != c.failure) {
				t.Errorf("%+v: %+v", c, r)
			}
		}
	}
}

// A robots.txt holds for a day; one that could not be had is asked for again
// after a minute. Each origin has its own.
func TestRobotsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		n := newInternet(t, map[string]http.HandlerFunc{
			"a.test": answers(map[string]http.HandlerFunc{
				"/robots.txt": func(w http.ResponseWriter, r *http.Request) {
					if broken {
						w.WriteHeader(http.StatusInternalServerError)
					}
				},
				"/": text("x"),
			}),
			"a.test:81": answers(map[string]http.HandlerFunc{
				"/robots.txt": plain("User-agent: *\nDisallow: /"),
			}),
		})
		in, typed := io.Pipe()
		go func() {
			defer typed.Close()
			for i, pause := range []time.Duration{0, 59 * time.Second, 2 * time.Second, 23 * time.Hour, 2 * time.Hour} {
				time.Sleep(pause)
				fmt.Fprintf(typed, "http://a.test/?%d\nhttp://a.test:81/?%d\n", i, i)
				synctest.Wait()
				broken = false
			}
		}()
		var out bytes.Buffer
		_, err := Run(t.Context(), Config{dial: n.dial, ErrorsOK: true}, stream.Inputs{Stdin: in}, &out)
		if err != nil {
			t.Fatal(err)
		}
		var asked []int
		for _, r := range n.log() {
			if r.URL == "http://a.test/robots.txt" {
				asked = append(asked, int(r.At.Minutes()))
			}
		}
		if diff := cmp.Diff([]int{0, 1, 25*60 + 1}, asked); diff != "" {
			t.Errorf("minutes at which robots.txt was asked for (-want +got)\n%s", diff)
		}
		want := map[int64]string{1: "robots, retryable", 3: "robots, retryable"}
		for seq := range int64(5) {
			want[2*seq+2] = "robots"
		}
		for _, r := range results(t, out.Bytes()) {
			if failure(r) != want[r.Seq] {
				t.Errorf("%d: failure %q, want %q", r.Seq, failure(r), want[r.Seq])
			}
		}
	})
}
