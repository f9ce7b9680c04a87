package crawl

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/stream"
)

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
					at = append(at, r.At.Truncate(2*time.Second)) // a busy host gets some pause between the next ones
				}
				if diff := cmp.Diff(c.requests, at); diff != "" {
					t.Errorf("times of requests (-want +got)\n%s", diff)
				}
			})
		})
	}
}
