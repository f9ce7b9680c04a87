package crawl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pipeworks/internal/stream"
)

// internet is a network in memory: what stands at "host:port". In a synctest
// bubble its clock is the test's, so that seconds cost nothing and are exact.
type internet struct {
	t *testing.T

	mu       sync.Mutex
	servers  map[string]*listener
	ips      map[string]string // of hosts that have an address
	requests []request
	active   map[string]int
	most     map[string]int // requests at once, by host
}

// request is one that a server saw.
type request struct {
	At   time.Duration // since the internet began
	URL  string
	Auth string
	Key  string // X-Api-Key
	If   string // If-None-Match and If-Modified-Since
}

// newInternet serves the handlers, each at its host.
func newInternet(t *testing.T, handlers map[string]http.HandlerFunc) *internet {
	n := &internet{t: t, servers: map[string]*listener{}, active: map[string]int{}, most: map[string]int{}}
	start := time.Now()
	for host, handler := range handlers {
		l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.mu.Lock()
			n.requests = append(n.requests, request{time.Since(start), "http://" + r.Host + r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("X-Api-Key"), r.Header.Get("If-None-Match") + r.Header.Get("If-Modified-Since")})
			n.active[r.Host]++
			n.most[r.Host] = max(n.most[r.Host], n.active[r.Host])
			n.mu.Unlock()
			defer func() {
				n.mu.Lock()
				defer n.mu.Unlock()
				n.active[r.Host]--
			}()
			handler(w, r)
		})}
		n.servers[host] = l
		go func() { _ = server.Serve(l) }()
		t.Cleanup(func() { _ = server.Close() })
	}
	return n
}

// dial connects to a server. There is no other host than those of the test.
func (n *internet) dial(ctx context.Context, to reach, address string) (net.Conn, error) {
	host := strings.TrimSuffix(address, ":80")
	l := n.servers[host]
	if l == nil {
		time.Sleep(time.Second)
		name, _, _ := net.SplitHostPort(address)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}}
	}
	client, server := net.Pipe()
	if ip := n.ips[host]; ip != "" {
		at := netip.MustParseAddr(ip)
		if err := to.check(at); err != nil {
			return nil, err
		}
		client = located{client, net.TCPAddrFromAddrPort(netip.AddrPortFrom(at, 80))}
	}
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
	case <-ctx.Done():
	}
	return nil, ctx.Err()
}

// located is a connection to an address.
type located struct {
	net.Conn
	at net.Addr
}

func (c located) RemoteAddr() net.Addr { return c.at }

// log is what was asked for so far, in order.
func (n *internet) log() []request {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.requests)
}

// pages are the URLs asked for so far, in order, without robots.txt.
func (n *internet) pages() []string {
	var urls []string
	for _, r := range n.log() {
		if !strings.HasSuffix(r.URL, "/robots.txt") {
			urls = append(urls, r.URL)
		}
	}
	return urls
}

type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// result is the part of a record that most tests look at.
type result struct {
	Seq      int64
	FinalURL string `json:"final_url"`
	Status   int
	Bytes    int
	Depth    int
	Title    string
	Elapsed  int  `json:"elapsed_ms"`
	Cached   bool `json:"from_cache"`
	Error    *pageError
	Input    json.RawMessage
}

// run crawls the lines of input in the network and returns the records in the
// order of the input.
func (n *internet) run(cfg Config, input string) ([]result, Summary) {
	n.t.Helper()
	cfg.dial = n.dial
	var out bytes.Buffer
	sum, err := Run(n.t.Context(), cfg, stream.Inputs{Stdin: strings.NewReader(input)}, &out)
	var failed *FailedError
	if err != nil && !errors.As(err, &failed) {
		n.t.Fatal(err)
	}
	results := results(n.t, out.Bytes())
	slices.SortFunc(results, func(a, b result) int { return int(a.Seq - b.Seq) })
	return results, sum
}

func results(t *testing.T, output []byte) []result {
	t.Helper()
	var all []result
	for line := range bytes.Lines(output) {
		var r result
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, r)
	}
	return all
}

// text serves a page.
func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(body))
	}
}

// failure is an error without its message.
func failure(r result) string {
	switch {
	case r.Error == nil:
		return ""
	case r.Error.Retryable:
		return string(r.Error.Kind) + ", retryable"
	}
	return string(r.Error.Kind)
}

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

// plain serves plain text, robots.txt too.
func plain(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, body)
	}
}

// hangUp closes the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
