package crawl

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"pipeworks/internal/stream"
)

func TestBodies(t *testing.T) {
	gzipped := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
		return b.Bytes()
	}
	brotlied := func(text string) []byte {
		var b bytes.Buffer
		z := brotli.NewWriter(&b)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
		return b.Bytes()
	}
	zstded := func(text string) []byte {
		z, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return z.EncodeAll([]byte(text), nil)
	}
	members := bytes.Repeat(gzipped(""), 200) // of which nothing comes
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
		{"drip", drip, 7, "", "timeout, retryable"},
		{"compressed", serve(gzipped("<title>x</title>"), "Content-Encoding", "gzip"), 16, "x", ""},
		{"bomb", serve(gzipped(strings.Repeat("x", 1<<20)), "Content-Encoding", "gzip"), 1024, "", "body"},
		{"brotli", serve(brotlied("<title>x</title>"), "Content-Encoding", "br"), 16, "x", ""},
		{"brotli bomb", serve(brotlied(strings.Repeat("x", 1<<20)), "Content-Encoding", "br"), 1024, "", "body"},
		{"zstd", serve(zstded("<title>x</title>"), "Content-Encoding", "zstd"), 16, "x", ""},
		{"zstd bomb", serve(zstded(strings.Repeat("x", 1<<20)), "Content-Encoding", "zstd"), 1024, "", "body"},
		{"one in the other", serve(zstded(string(gzipped("<title>x</title>"))), "Content-Encoding", "gzip, zstd"), 16, "x", ""},
		{"bomb in a bomb", serve(gzipped(string(gzipped(strings.Repeat("x", 8<<20)))), "Content-Encoding", "gzip, gzip"), 1024, "", "body"},
		{"encoded too often", serve(nil, "Content-Encoding", "gzip, gzip, gzip, gzip"), 0, "", "body"},
		{"encoded without a name", serve([]byte("x"), "Content-Encoding", "rot13"), 0, "", "body"},
		{"much that decodes to nothing", serve(members, "Content-Encoding", "gzip"), 0, "", "body"},
		{"compressed and cut off", serve(gzipped("<title>x</title>")[:20], "Content-Encoding", "gzip"), 9, "", "body"},
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

// A page on which the parser gives up is an error of that page.
func TestParseErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{"a.test": text(strings.Repeat("<div>", 600))})
		got, _ := n.run(Config{}, "http://a.test/")
		if len(got) != 1 || failure(got[0]) != "parse" || got[0].Status != 200 {
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
		if _, ok := errors.AsType[*FailedError](err); !ok {
			t.Errorf("%s: %v", c.url, err)
		}
		got := results(t, out.Bytes())
		if len(got) != 1 || failure(got[0]) != c.failure || c.message != "" && got[0].Error.Message != c.message {
			t.Errorf("%s: %s, want %s: %s", c.url, &out, c.failure, c.message)
		}
	}
}
