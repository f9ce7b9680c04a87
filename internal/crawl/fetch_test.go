package crawl

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/extract"
	"pipeworks/internal/stream"
)

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}
}

// answers serves what a path names; there is no robots.txt unless it names one.
func answers(paths map[string]http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if handler := paths[r.URL.Path]; handler != nil {
			handler(w, r)
			return
		}
		http.NotFound(w, r)
	}
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprintf(w, "<title>%d</title>", code)
	}
}

func TestRedirects(t *testing.T) {
	page := text("<title>end</title>")
	a := answers(map[string]http.HandlerFunc{
		"/relative":  redirect("dir/x?y#z"),
		"/dir/x":     page,
		"/host":      redirect("//b.test/ok"),
		"/other":     redirect("http://b.test/back"),
		"/forbidden": redirect("http://b.test/private/x"),
		"/loop":      redirect("/loop"),
		"/mail":      redirect("mailto:x@a.test"),
		"/nowhere":   redirect("http://[/"),
		"/gone":      redirect("http://c.test/"),
		"/empty":     status(http.StatusFound),
		"/ok":        page,
	})
	b := answers(map[string]http.HandlerFunc{
		"/robots.txt": text2("User-agent: *\nDisallow: /private/"),
		"/ok":         page,
		"/back":       redirect("http://a.test/ok"),
	})
	for _, c := range []struct {
		path, final string
		status      int
		title       string
		failure     string
		seen        []string
	}{
		{"relative", "http://a.test/dir/x?y", 200, "end", "", []string{"http://a.test/relative", "http://a.test/dir/x?y"}},
		{"host", "http://b.test/ok", 200, "end", "", []string{"http://a.test/host", "http://b.test/ok"}},
		{"other", "http://a.test/ok", 200, "end", "", []string{"http://a.test/other", "http://b.test/back", "http://a.test/ok"}},
		{"forbidden", "http://b.test/private/x", 0, "", "robots", []string{"http://a.test/forbidden"}},
		{"mail", "http://a.test/mail", 302, "", "redirect", []string{"http://a.test/mail"}},
		{"nowhere", "http://a.test/nowhere", 302, "", "redirect", []string{"http://a.test/nowhere"}},
		{"gone", "http://c.test/", 0, "", "dns", []string{"http://a.test/gone"}},
		{"empty", "http://a.test/empty", 302, "302", "", []string{"http://a.test/empty"}},
		{"loop", "http://a.test/loop", 302, "", "redirect", strings.Fields(strings.Repeat("http://a.test/loop ", maxRedirects+1))},
	} {
		t.Run(c.path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newInternet(t, map[string]http.HandlerFunc{"a.test": a, "b.test": b})
				got, _ := n.run(Config{}, "http://a.test/"+c.path)
				if len(got) != 1 {
					t.Fatalf("records %+v", got)
				}
				r := got[0]
				if r.FinalURL != c.final || r.Status != c.status || r.Title != c.title || failure(r) != c.failure {
					t.Errorf("%+v, %+v", r, r.Error)
				}
				if diff := cmp.Diff(c.seen, n.pages()); diff != "" {
					t.Errorf("requests (-want +got)\n%s", diff)
				}
			})
		})
	}
}

// text2 serves plain text, robots.txt too.
func text2(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, body)
	}
}

// The credentials of a URL go to its origin, behind redirects too, and to no
// other.
func TestCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{
			"a.test": answers(map[string]http.HandlerFunc{
				"/1": redirect("/2"),
				"/2": redirect("http://a.test/3"),
				"/3": redirect("http://a.test:8080/4"),
			}),
			"a.test:8080": answers(map[string]http.HandlerFunc{"/4": redirect("http://b.test/5")}),
			"b.test":      answers(map[string]http.HandlerFunc{"/5": redirect("http://a.test/6")}),
		})
		n.run(Config{}, "http://us%40er:p%3Aw@a.test/1\n")
		const basic = "Basic dXNAZXI6cDp3" // us@er:p:w
		sent := map[string]string{}
		for _, r := range n.log() {
			sent[r.URL] = r.Auth
		}
		want := map[string]string{
			"http://a.test/robots.txt": "", "http://a.test/1": basic, "http://a.test/2": basic, "http://a.test/3": basic,
			"http://a.test:8080/robots.txt": "", "http://a.test:8080/4": "",
			"http://b.test/robots.txt": "", "http://b.test/5": "",
			"http://a.test/6": "",
		}
		if diff := cmp.Diff(want, sent); diff != "" {
			t.Errorf("Authorization (-want +got)\n%s", diff)
		}
	})
}

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
		{name: "allows", robots: text2("User-agent: *\nDisallow: /y"), asked: 1},
		{name: "forbids", robots: text2(forbids), failure: "robots", asked: 1},
		{name: "forbids us by name", robots: text2("User-agent: pipeworks-crawl\nDisallow: /x"), failure: "robots", asked: 1},
		{name: "forbids another", robots: text2("User-agent: otherbot\nDisallow: /x"), asked: 1},
		{name: "forbids the other we say we are", robots: text2("User-agent: otherbot\nDisallow: /x"), cfg: Config{UserAgent: "OtherBot/1.0 (x)"}, failure: "robots", asked: 1},
		{name: "ignored", robots: text2(forbids), cfg: Config{IgnoreRobots: true}, asked: 0},
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
		{name: "too long", robots: text2(forbids + strings.Repeat("# padding\n", 60_000)), failure: "robots", asked: 1},
		{name: "too long, the rule behind", robots: text2(strings.Repeat("# padding\n", 60_000) + forbids), asked: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newInternet(t, map[string]http.HandlerFunc{
					"a.test": answers(map[string]http.HandlerFunc{"/robots.txt": c.robots, "/x": text("x")}),
					"b.test": answers(map[string]http.HandlerFunc{
						"/forbids": text2(forbids), "/broken": status(500),
						"/5": redirect("4"), "/4": redirect("3"), "/3": redirect("2"), "/2": redirect("1"), "/1": redirect("forbids"),
					}),
				})
				got, _ := n.run(c.cfg, "http://a.test/x\nhttp://a.test/x\n")
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
				"/robots.txt": text2("User-agent: *\nDisallow: /"),
			}),
		})
		in, typed := io.Pipe()
		go func() {
			defer typed.Close()
			for _, pause := range []time.Duration{0, 59 * time.Second, 2 * time.Second, 23 * time.Hour, 2 * time.Hour} {
				time.Sleep(pause)
				_, _ = io.WriteString(typed, "http://a.test/\nhttp://a.test:81/\n")
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

// hangUp closes the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestRetries(t *testing.T) {
	date := func(w http.ResponseWriter, r *http.Request) {
		status(503, "Retry-After", time.Now().UTC().Add(40*time.Second).Format(http.TimeFormat))(w, r)
	}
	for _, c := range []struct {
		name    string
		answers []http.HandlerFunc // one behind the other, the last one for ever
		retries int
		status  int
		failure string
		asked   int
		pause   time.Duration // at least, in front of the second request
	}{
		{"fine", []http.HandlerFunc{status(200)}, 2, 200, "", 1, 0},
		{"not found is final", []http.HandlerFunc{status(404)}, 2, 404, "http", 1, 0},
		{"passing error", []http.HandlerFunc{status(500), status(502), status(200)}, 2, 200, "", 3, firstWait / 2},
		{"lasting error", []http.HandlerFunc{status(500)}, 2, 500, "http, retryable", 3, firstWait / 2},
		{"no retries", []http.HandlerFunc{status(500)}, 0, 500, "http, retryable", 1, 0},
		{"connection closed", []http.HandlerFunc{hangUp, status(200)}, 1, 200, "", 2, firstWait / 2},
		{"connection closed for ever", []http.HandlerFunc{hangUp}, 1, 0, "protocol, retryable", 2, firstWait / 2},
		{"told when", []http.HandlerFunc{status(429, "Retry-After", "40"), status(200)}, 1, 200, "", 2, 40 * time.Second},
		{"told when by date", []http.HandlerFunc{date, status(200)}, 1, 200, "", 2, 39 * time.Second},
		{"told nonsense", []http.HandlerFunc{status(429, "Retry-After", "soon"), status(200)}, 1, 200, "", 2, firstWait / 2},
		{"told to wait too long", []http.HandlerFunc{status(429, "Retry-After", "121"), status(200)}, 1, 429, "http, retryable", 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				n := newInternet(t, map[string]http.HandlerFunc{"a.test": func(w http.ResponseWriter, r *http.Request) {
					// net/http itself repeats what fails on a connection used before.
					w.Header().Set("Connection", "close")
					if r.URL.Path == "/robots.txt" {
						http.NotFound(w, r)
						return
					}
					asked++
					c.answers[min(asked, len(c.answers))-1](w, r)
				}})
				got, _ := n.run(Config{Retries: c.retries, Delay: new(time.Duration)}, "http://a.test/")
				if len(got) != 1 || got[0].Status != c.status || failure(got[0]) != c.failure {
					t.Errorf("records %+v, want status %d, failure %q", got, c.status, c.failure)
				}
				if asked != c.asked {
					t.Fatalf("%d requests, want %d", asked, c.asked)
				}
				if c.asked > 1 {
					log := n.log()
					if pause := log[2].At - log[1].At; pause < c.pause {
						t.Errorf("the second request came after %v, want %v", pause, c.pause)
					}
				}
			})
		})
	}
}

// A host that is busy is left alone for as long as it asks, by all requests;
// if that is too long, its URLs end with an error, and come through later.
func TestBusyHost(t *testing.T) {
	for _, c := range []struct {
		seconds  string
		failures []string
		requests []time.Duration
	}{
		{"60", []string{"", "", "", ""}, []time.Duration{0, 60 * time.Second, 60 * time.Second, 60 * time.Second, 180 * time.Second}},
		{"150", []string{"http, retryable", "busy, retryable", "busy, retryable", ""}, []time.Duration{0, 180 * time.Second}},
	} {
		t.Run(c.seconds, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := true
				n := newInternet(t, map[string]http.HandlerFunc{"a.test": func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/robots.txt" && first {
						first = false
						w.Header().Set("Retry-After", c.seconds)
						w.WriteHeader(http.StatusTooManyRequests)
					}
				}})
				in, typed := io.Pipe()
				go func() {
					_, _ = io.WriteString(typed, lines(3, "http://a.test/%d"))
					time.Sleep(180 * time.Second)
					_, _ = io.WriteString(typed, "http://a.test/3\n")
					typed.Close()
				}()
				var out bytes.Buffer
				cfg := Config{PerHost: 1, Retries: 1, Delay: new(time.Duration), ErrorsOK: true, dial: n.dial}
				if _, err := Run(t.Context(), cfg, stream.Inputs{Stdin: in}, &out); err != nil {
					t.Fatal(err)
				}
				failures := make([]string, 4)
				for _, r := range results(t, out.Bytes()) {
					failures[r.Seq-1] = failure(r)
				}
				if diff := cmp.Diff(c.failures, failures); diff != "" {
					t.Errorf("failures (-want +got)\n%s", diff)
				}
				var at []time.Duration
				for _, r := range n.log()[1:] {
					at = append(at, r.At)
				}
				if diff := cmp.Diff(c.requests, at); diff != "" {
					t.Errorf("times of requests (-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestBodies(t *testing.T) {
	gzipped := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
		return b.Bytes()
	}
	serve := func(body []byte, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			_, _ = w.Write(body)
		}
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for r.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte("<p>x"), 1000)); err != nil {
				return
			}
		}
	}
	drip := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(4 * time.Second):
			case <-r.Context().Done():
			}
		}
	}
	png := []byte("\x89PNG\r\n\x1a\n\x00\x00<title>no</title>")
	for _, c := range []struct {
		name    string
		body    http.HandlerFunc
		bytes   int
		title   string
		failure string
	}{
		{"plain", serve([]byte("<title>x</title>")), 16, "x", ""},
		{"empty", serve(nil), 0, "", ""},
		{"exactly as long as may be", serve([]byte("<title>x</title>" + strings.Repeat("y", 1008))), 1024, "x", ""},
		{"a byte too long", serve([]byte("<title>x</title>" + strings.Repeat("y", 1009))), 1024, "", "body"},
		{"endless", endless, 1024, "", "body"},
		{"drip", drip, 8, "", "timeout, retryable"},
		{"compressed", serve(gzipped("<title>x</title>"), "Content-Encoding", "gzip"), 16, "x", ""},
		{"bomb", serve(gzipped(strings.Repeat("x", 1<<20)), "Content-Encoding", "gzip"), 1024, "", "body"},
		{"not compressed as it says", serve([]byte("<title>x</title>"), "Content-Encoding", "gzip"), 0, "", "body"},
		{"cut off", serve([]byte("<title>x</title>"), "Content-Length", "100"), 16, "", "body, retryable"},
		{"latin 1", serve([]byte("<title>\xe9</title>"), "Content-Type", "text/html; charset=iso-8859-1"), 16, "é", ""},
		{"invalid UTF-8", serve([]byte("<title>\xff</title>"), "Content-Type", "text/html; charset=utf-8"), 16, "\ufffd", ""},
		{"undeclared", serve([]byte("<!doctype html><title>x</title>"), "Content-Type", ""), 31, "x", ""},
		{"malformed type", serve([]byte("<title>x</title>"), "Content-Type", "text/html; charset=a b; =;"), 16, "x", ""},
		{"XHTML", serve([]byte("<?xml version='1.0'?><html><title>x</title></html>"), "Content-Type", "application/xhtml+xml"), 50, "x", ""},
		{"plain text", serve([]byte("<title>x</title>"), "Content-Type", "text/plain"), 16, "", ""},
		{"picture", serve(png, "Content-Type", "image/png"), len(png), "", ""},
		{"picture that says it is HTML", serve(png), len(png), "", ""},
		{"control character", serve([]byte("\x01<title>x</title>")), 17, "x", ""},
		{"NUL bytes", serve([]byte("\x00\x01<title>x</title>")), 18, "", ""},
		{"too deep", serve(bytes.Repeat([]byte("<b>"), 341)), 1023, "", ""},
		{"far too deep", serve(bytes.Repeat([]byte("<a><b>"), 170)), 1020, "", ""},
		{"HTTP error", status(410, "Content-Type", "text/html"), 18, "410", "http"},
		{"HTTP error, too long", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			endless(w, r)
		}, 1024, "", "http"},
		{"no body", status(204), 0, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newInternet(t, map[string]http.HandlerFunc{"a.test": answers(map[string]http.HandlerFunc{"/": c.body})})
				got, _ := n.run(Config{MaxBody: 1024}, "http://a.test/")
				if len(got) != 1 || got[0].Bytes != c.bytes || got[0].Title != c.title || failure(got[0]) != c.failure {
					t.Errorf("records %+v, want %d bytes, title %q, failure %q", got, c.bytes, c.title, c.failure)
				}
			})
		})
	}
}

// A page on which the parser gives up, or breaks, is an error of that page.
func TestParseErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{"a.test": text(strings.Repeat("<div>", 600))})
		got, _ := n.run(Config{}, "http://a.test/")
		if len(got) != 1 || failure(got[0]) != "parse" || got[0].Status != 200 {
			t.Errorf("records %+v", got)
		}
		n = newInternet(t, map[string]http.HandlerFunc{"a.test": text("<title>x</title>")})
		broken := []*extract.Selector{{Name: "x"}} // not made by ParseSelector: it has no matcher
		got, _ = n.run(Config{Select: broken}, "http://a.test/")
		if len(got) != 1 || failure(got[0]) != "parse" || got[0].Title != "" {
			t.Errorf("records %+v", got)
		}
	})
}

// Failures of the real network.
func TestNetworkErrors(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	noHTTP := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "220 mail.test ESMTP\r\n")
		_ = conn.Close()
	}))
	defer noHTTP.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	address := strings.TrimPrefix(gone.URL, "http://")
	for _, c := range []struct{ url, message, failure string }{
		{secure.URL, "", "tls"},
		{strings.Replace(noHTTP.URL, "http:", "https:", 1), "", "tls"},
		{noHTTP.URL, "", "protocol, retryable"},
		{gone.URL, "connect to " + address + ": connection refused", "connect, retryable"},
	} {
		var out bytes.Buffer
		_, err := Run(t.Context(), Config{IgnoreRobots: true}, stream.Inputs{Stdin: strings.NewReader(c.url)}, &out)
		var failed *FailedError
		if !errors.As(err, &failed) {
			t.Errorf("%s: %v", c.url, err)
		}
		got := results(t, out.Bytes())
		if len(got) != 1 || failure(got[0]) != c.failure || c.message != "" && got[0].Error.Message != c.message {
			t.Errorf("%s: %s, want %s: %s", c.url, &out, c.failure, c.message)
		}
	}
}
