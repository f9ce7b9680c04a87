package crawl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/stream"
)

func slow(d time.Duration, then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			then(w, r)
		case <-r.Context().Done():
		}
	}
}

// lines is one URL at each of the hosts, or n at one.
func lines(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+"\n", i)
	}
	return b.String()
}

// A host never has more requests at once than it may, and others do not wait
// for it.
func TestPerHost(t *testing.T) {
	for _, c := range []struct {
		perHost, jobs int
		seconds       int // robots.txt first, then 12 pages of a second each
	}{{1, 16, 13}, {2, 16, 7}, {3, 16, 5}, {16, 16, 2}, {16, 4, 4}} {
		synctest.Test(t, func(t *testing.T) {
			n := newInternet(t, map[string]http.HandlerFunc{"a.test": slow(time.Second, text("x"))})
			start := time.Now()
			_, sum := n.run(Config{PerHost: c.perHost, Jobs: c.jobs, Delay: new(time.Duration)}, lines(12, "http://a.test/%d"))
			if took := time.Since(start); took != time.Duration(c.seconds)*time.Second {
				t.Errorf("%d a host, %d in all: took %v, want %d s", c.perHost, c.jobs, took, c.seconds)
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			if most := n.most["a.test"]; most != min(c.perHost, c.jobs, 12) {
				t.Errorf("%d a host, %d in all: %d requests at once", c.perHost, c.jobs, most)
			}
			if sum != (Summary{In: 12, Out: 12, Bytes: 12}) {
				t.Errorf("summary %+v", sum)
			}
		})
	}
}

// No request comes sooner behind another than the host's delay, whatever it is
// for: robots.txt, a page, a redirect, a retry.
func TestDelay(t *testing.T) {
	delay := 3 * time.Second
	for _, c := range []struct {
		name   string
		delay  *time.Duration
		robots string
		gap    time.Duration
	}{
		{"default", nil, "", DefaultDelay},
		{"given", &delay, "", delay},
		{"asked for", nil, "User-agent: *\nCrawl-delay: 7", 7 * time.Second},
		{"asked for beyond measure", nil, "User-agent: *\nCrawl-delay: 100000", time.Minute},
		{"asked for less", &delay, "User-agent: *\nCrawl-delay: 1", delay},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failed := false
				n := newInternet(t, map[string]http.HandlerFunc{"a.test": func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.URL.Path == "/robots.txt":
						_, _ = io.WriteString(w, c.robots)
					case r.URL.Path == "/0":
						http.Redirect(w, r, "/to", http.StatusFound)
					case r.URL.Path == "/1" && !failed:
						failed = true
						w.WriteHeader(http.StatusInternalServerError)
					}
				}})
				_, sum := n.run(Config{Delay: c.delay, Retries: 1}, lines(4, "http://a.test/%d"))
				log := n.log()
				if sum.Out != 4 || sum.Failed != 0 || len(log) != 7 {
					t.Errorf("%+v after %v", sum, log)
				}
				for i, r := range log[1:] {
					gap := r.At - log[i].At
					if want := c.gap; gap < want || i == 1 && gap > want+want/4 {
						t.Errorf("%v between %s and %s, want %v", gap, log[i].URL, r.URL, want)
					}
				}
			})
		})
	}
}

// On this machine there is no delay unless one is asked for.
func TestNoDelayOnLoopback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{"127.0.0.1": text("x"), "localhost": text("x"), "[::1]": text("x")})
		start := time.Now()
		_, sum := n.run(Config{}, lines(9, "http://127.0.0.1/%d")+lines(9, "http://localhost/%d")+lines(9, "http://[::1]/%d"))
		if took := time.Since(start); took != 0 || sum.Failed != 0 {
			t.Errorf("took %v, %+v", took, sum)
		}
	})
}

// Many slow hosts cost the time of one.
func TestSlowHostsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := map[string]http.HandlerFunc{}
		for i := range 64 {
			hosts[fmt.Sprintf("h%d.test", i)] = slow(time.Second, text("x"))
		}
		n := newInternet(t, hosts)
		start := time.Now()
		_, sum := n.run(Config{Jobs: 64}, lines(64, "http://h%d.test/"))
		if took := time.Since(start); took != 2*time.Second || sum.Failed != 0 {
			t.Errorf("took %v, %+v; want 2 s, for robots.txt and the page", took, sum)
		}
	})
}

// A host that is slow, or that has many URLs in front of the others, holds
// nobody back.
func TestSlowHostStallsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{
			"slow.test": slow(time.Minute/2, text("x")),
			"b.test":    text("x"),
		})
		var out bytes.Buffer
		cfg := Config{Jobs: 3, IdleTimeout: time.Minute, dial: n.dial}
		input := lines(1000, "http://slow.test/%d") + lines(3, "http://b.test/%d") // most of the first wait on disk
		if _, err := Run(t.Context(), cfg, stream.Inputs{Stdin: strings.NewReader(input)}, &out); err != nil {
			t.Fatal(err)
		}
		got := results(t, out.Bytes())
		if len(got) != 1003 {
			t.Fatalf("%d records", len(got))
		}
		for i, r := range got[:3] {
			if r.Seq != int64(1001+i) {
				t.Errorf("record %d is that of input %d", i, r.Seq)
			}
		}
		for i, url := range n.pages()[3:] {
			if want := fmt.Sprintf("http://slow.test/%d", i); url != want && i > 0 {
				t.Fatalf("request %d is for %s, want %s", i, url, want)
			}
		}
	})
}

// A host that gives no answer is rested, and then given up for a while; others go
// on.
func TestFailingHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{
			"down.test": answers(map[string]http.HandlerFunc{"/": hangUp}),
			"b.test":    text("x"),
		})
		start := time.Now()
		got, _ := n.run(Config{PerHost: 1, Delay: new(time.Duration)}, lines(1000, "http://down.test/?%d")+lines(3, "http://b.test/%d"))
		requests := 0
		for _, r := range n.log() {
			if strings.Contains(r.URL, "down.test/?") {
				requests++
			}
		}
		if requests < closeAfter || requests > 2*closeAfter { // net/http itself repeats some
			t.Errorf("%d requests at the host", requests)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("took %v", took)
		}
		busy := 0
		for _, r := range got[:1000] {
			if failure(r) == "busy, retryable" {
				busy++
			}
		}
		if busy != 1000-closeAfter {
			t.Errorf("%d records say that the host is left alone", busy)
		}
		for _, r := range got[1000:] {
			if r.Error != nil {
				t.Errorf("record %+v", r)
			}
		}
	})
}

// The input is read ahead only so far: memory does not grow with it.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{"a.test": func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			synctest.Wait()
			cancel()
		}()
		sum, err := Run(ctx, Config{Ordered: true, dial: n.dial}, stream.Inputs{Stdin: new(endless)}, new(bytes.Buffer))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if sum.In != maxWindow+1 {
			t.Errorf("%d inputs were read, want %d", sum.In, maxWindow+1)
		}
	})
}

// endless is a list of URLs, a.test/1 and so on.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	e.n++
	return copy(p, fmt.Sprintf("http://a.test/%d\n", e.n)), nil
}

// The first record leaves while the input is still open.
func TestFirstRecordLeavesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{"a.test": text("<title>x</title>")})
		in, typed := io.Pipe()
		shown, out := io.Pipe()
		done := make(chan error)
		go func() {
			_, err := Run(t.Context(), Config{dial: n.dial}, stream.Inputs{Stdin: in}, out)
			done <- err
		}()
		buf := make([]byte, 1<<10)
		for i := range 3 {
			if _, err := fmt.Fprintf(typed, "a.test/%d\n", i); err != nil {
				t.Fatal(err)
			}
			size, err := shown.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			if r := results(t, buf[:size]); len(r) != 1 || r[0].Seq != int64(i+1) || r[0].Title != "x" {
				t.Errorf("records %+v", r)
			}
		}
		typed.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// When the run is stopped it gives up what it is at, and what is done is
// written.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{
			"a.test": text("x"),
			"b.test": slow(time.Hour, text("x")),
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("told to stop")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		in, typed := io.Pipe()
		go func() { _, _ = io.WriteString(typed, "http://a.test/\nhttp://b.test/\nx\n") }()
		start := time.Now()
		var out bytes.Buffer
		sum, err := Run(ctx, Config{Timeout: 2 * time.Hour, dial: n.dial}, stream.Inputs{Stdin: in}, &out)
		if err != cause || time.Since(start) != time.Second {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
		if want := (Summary{In: 3, Out: 2, Failed: 1, Bytes: 1}); sum != want || len(results(t, out.Bytes())) != 2 {
			t.Errorf("summary %+v, want %+v; output\n%s", sum, want, &out)
		}
		typed.Close()
	})
}

// failingWriter is an output whose reader goes away.
type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// When the output fails, the run ends, although input and hosts would go on.
func TestOutputFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{"a.test": slow(time.Second, text("x"))})
		broken := errors.New("nobody reads")
		start := time.Now()
		_, err := Run(t.Context(), Config{Ordered: true, dial: n.dial}, stream.Inputs{Stdin: new(endless)}, failingWriter{broken})
		if err != broken || time.Since(start) != 2*time.Second {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
	})
}

// What the frontier knows about idle hosts is bounded.
func TestFrontierForgetsIdleHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delay := time.Second
		f := newFrontier(&Config{PerHost: 1, IgnoreRobots: true, Delay: &delay}, nil)
		visit := func(name string) *task {
			t.Helper()
			if !f.add(&task{input: &input{}, to: &address{host: name}}) {
				t.Fatal("the frontier is stopped")
			}
			next := f.next()
			f.answered(next, outcome{})
			return next
		}
		f.done(visit("old.test"))
		time.Sleep(2 * time.Second)
		visit("fresh.test")
		f.size = maxHosts + 1
		visit("new.test")
		var names []string
		for name := range f.hosts {
			names = append(names, name)
		}
		slices.Sort(names)
		if diff := cmp.Diff([]string{"fresh.test", "new.test"}, names); diff != "" {
			t.Errorf("hosts (-want +got)\n%s", diff)
		}
	})
}

// When what waits on disk cannot be had again the run ends.
func TestFrontierOnBrokenDisk(t *testing.T) {
	var failure error
	f := newFrontier(&Config{PerHost: 1, IgnoreRobots: true, Delay: new(time.Duration)}, func(err error) { failure = err })
	for range hostLoaded + 2*blockTasks {
		if !f.add(&task{input: &input{}, to: &address{host: "a.test"}}) {
			t.Fatal("the frontier is stopped")
		}
	}
	f.close()
	n := 0
	for next := f.next(); next != nil; next = f.next() {
		f.answered(next, outcome{})
		f.done(next)
		n++
	}
	if failure == nil || n != hostLoaded {
		t.Errorf("error %v after %d tasks", failure, n)
	}
}
