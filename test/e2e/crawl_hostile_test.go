package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// raw answers with bytes as they are, and then hangs until the client goes.
func raw(hang bool, parts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		for _, part := range parts {
			if _, err := io.WriteString(conn, part); err != nil {
				return
			}
		}
		if hang {
			_, _ = io.Copy(io.Discard, conn)
		}
	}
}

// drip sends head, and then one byte after the other, never too late for any of
// them.
func drip(head string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		for _, err = io.WriteString(conn, head); err == nil; _, err = io.WriteString(conn, "x") {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

func endless(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	for {
		if _, err := w.Write(bytes.Repeat([]byte("<p>x"), 10_000)); err != nil {
			return
		}
	}
}

// bomb is a body of 32 MiB in few bytes.
func bomb(t *testing.T, codings ...string) http.HandlerFunc {
	t.Helper()
	body := io.LimitReader(zeros{}, 32<<20)
	for _, coding := range codings {
		var packed bytes.Buffer
		var w io.WriteCloser
		switch coding {
		case "gzip":
			w = gzip.NewWriter(&packed)
		case "br":
			w = brotli.NewWriterLevel(&packed, brotli.BestSpeed)
		case "zstd":
			var err error
			if w, err = zstd.NewWriter(&packed); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.Copy(w, body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		body = &packed
	}
	packed, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return page(string(packed), "Content-Encoding", strings.Join(codings, ", "))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// page serves an HTML page with further headers.
func page(body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = io.WriteString(w, body)
	}
}

// busy answers once with a status and Retry-After, and then with a page.
func busy(status int, after func() string) http.HandlerFunc {
	var asked atomic.Bool
	return func(w http.ResponseWriter, r *http.Request) {
		if asked.Swap(true) {
			page("<title>later</title>")(w, r)
			return
		}
		w.Header().Set("Retry-After", after())
		w.WriteHeader(status)
	}
}

// A server of each bad kind has the record that it should, in time and in little
// memory.
func TestHostileServers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
	var leaked atomic.Value
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key := r.Header.Get("X-Api-Key") + r.Header.Get("Authorization"); key != "" {
			leaked.Store(r.URL.Path + " " + key)
		}
		page("<title>elsewhere</title>")(w, r)
	}))
	defer elsewhere.Close()

	cases := []struct {
		name    string
		handler http.HandlerFunc
		want    string // status, title, kind of error and whether it is retryable
	}{
		{"silence", raw(true), "0  timeout true"},
		{"header that stops", raw(true, "HTTP/1.1 200 OK\r\nContent-"), "0  timeout true"},
		{"slow header", drip("HTTP/1.1 200 OK\r\nX: "), "0  timeout true"},
		{"body that stops", raw(true, ok+"Content-Length: 100\r\n\r\n<title>x"), "200  timeout true"},
		{"drip body", drip(ok + "\r\n"), "200  timeout true"},
		{"endless body", endless, "200  body false"},
		{"endless header", raw(false, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20)), "0  protocol true"},
		{"gzip bomb", bomb(t, "gzip"), "200  body false"},
		{"brotli bomb", bomb(t, "br"), "200  body false"},
		{"zstd bomb", bomb(t, "zstd"), "200  body false"},
		{"bomb in a bomb", bomb(t, "gzip", "gzip"), "200  body false"},
		{"not what it says", page("<title>x</title>", "Content-Encoding", "br"), "200  body false"},
		{"shorter than it says", raw(false, ok+"Content-Length: 100\r\n\r\n<title>x</title>"), "200  body true"},
		{"longer than it says", raw(false, ok+"Content-Length: 16\r\n\r\n<title>x</title><p>HTTP/1.1 200 OK\r\n\r\n"), "200 x  false"},
		{"two lengths", raw(false, ok+"Content-Length: 16\r\nContent-Length: 5\r\n\r\n<title>x</title>"), "0  protocol true"},
		{"bad chunk", raw(false, ok+"Transfer-Encoding: chunked\r\n\r\n4\r\n<p>x\r\nzz\r\n"), "200  body true"},
		{"no last chunk", raw(false, ok+"Transfer-Encoding: chunked\r\n\r\n4\r\n<p>x\r\n"), "200  body true"},
		{"unknown charset", page("<title>x</title>", "Content-Type", "text/html; charset=klingon"), "200 x  false"},
		{"reset", reset, "0  protocol true"},
		{"no HTTP", raw(false, "220 mail.test ESMTP\r\n"), "0  protocol true"},
		{"loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "302  redirect false"},
		{"cross-origin", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Api-Key") != "secret" || r.Header.Get("Authorization") == "" {
				http.Error(w, "no key", http.StatusForbidden)
				return
			}
			http.Redirect(w, r, elsewhere.URL+"/x", http.StatusFound)
		}, "200 elsewhere  false"},
		{"busy for seconds", busy(429, func() string { return "1" }), "200 later  false"},
		{"busy until", busy(503, func() string { return time.Now().UTC().Add(time.Second).Format(http.TimeFormat) }), "200 later  false"},
		{"busy for long", busy(503, func() string { return "86400" }), "503  http true"},
		{"deep", page(strings.Repeat("<div>", 100_000)), ""},
	}
	type input struct{ name, url, want string }
	inputs := map[bool][]input{} // whether the time is to run out
	for i, c := range cases {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/robots.txt" {
				http.NotFound(w, r)
				return
			}
			c.handler(w, r)
		}))
		server.Listener.Close()
		var err error
		if server.Listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.1.%d:0", i+1)); err != nil {
			t.Skipf("the loopback network has one address: %v", err)
		}
		server.Start()
		defer server.Close()
		defer server.CloseClientConnections()
		runsOut := strings.HasSuffix(c.want, "timeout true")
		inputs[runsOut] = append(inputs[runsOut], input{c.name, fmt.Sprintf("http://user:pass@%s/%d", server.Listener.Addr(), i), c.want})
	}
	secure := httptest.NewUnstartedServer(page("<title>HTTP/2</title>"))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	inputs[false] = append(inputs[false], input{"HTTP/2", secure.URL, "200 HTTP/2  false"})

	for runsOut, list := range inputs {
		var urls strings.Builder
		for _, in := range list {
			fmt.Fprintln(&urls, in.url)
		}
		limits := []string{"--retries", "1", "--timeout", "5m"}
		if runsOut {
			limits = []string{"--retries", "0", "--timeout", "4s", "--idle-timeout", "2s"}
		}
		cmd := exec.CommandContext(t.Context(), "crawl", append(limits, "--ordered", "--errors-ok", "-j", "32", "--max-body", "1MiB", "--header", "X-Api-Key: secret")...)
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+authority)
		cmd.Stdin = strings.NewReader(urls.String())
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || stderr.Len() > 0 {
			t.Fatalf("%v\n%s", err, stderr.Bytes())
		}
		if kib := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; kib > 400<<10 { // the race detector takes most of it
			t.Errorf("%d MiB resident", kib>>10)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if len(lines) != len(list) {
			t.Fatalf("%d records for %d inputs", len(lines), len(list))
		}
		for i, line := range lines {
			var r struct {
				Status int
				Title  string
				Error  struct {
					Kind      string
					Retryable bool
				}
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%d %s %s %v", r.Status, r.Title, r.Error.Kind, r.Error.Retryable)
			if in := list[i]; got != in.want && in.want != "" {
				t.Errorf("%s: %s\nwant %s, got %s", in.name, line, in.want, got)
			}
		}
	}
	if what := leaked.Load(); what != nil {
		t.Errorf("credentials went elsewhere: %v", what)
	}
}
