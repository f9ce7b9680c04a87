package e2e

import (
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdServe serves a directory on the loopback interface until the script ends.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve DIR")
	}
	root, err := os.OpenRoot(ts.MkAbs(args[0]))
	ts.Check(err)
	server := httptest.NewServer(site(root))
	secure := httptest.NewUnstartedServer(site(root))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // nobody has to trust it
	secure.StartTLS()
	ts.Defer(func() {
		for _, s := range []*httptest.Server{server, secure} {
			s.CloseClientConnections() // a client that was killed may have left one
			s.Close()
		}
		root.Close()
	})
	ts.Setenv("SITE", server.URL)
	ts.Setenv("SECURE", secure.URL)
	ts.Setenv("HOST", server.Listener.Addr().String())
}

// site serves the files below root, and below /_/ what no file can do.
func site(root *os.Root) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(root.FS()))

	// Never answers.
	mux.HandleFunc("/_/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })

	// Closes the connection without an answer.
	mux.HandleFunc("/_/drop", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })

	// Closes it in mid-page.
	mux.HandleFunc("/_/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("<title>Half a"))
	})

	// A page with a status of its own.
	mux.HandleFunc("/_/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(r.PathValue("code"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		_, _ = w.Write([]byte("<title>Status " + r.PathValue("code") + "</title>"))
	})

	// Leads to itself.
	mux.HandleFunc("/_/loop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/_/loop", http.StatusFound)
	})

	// Leads elsewhere.
	mux.HandleFunc("/_/to/{path...}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/"+r.PathValue("path"), http.StatusMovedPermanently)
	})

	// What it was asked with.
	mux.HandleFunc("/_/asked", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for _, name := range []string{"User-Agent", "Authorization", "Cookie", "X-Api-Key"} {
			_, _ = fmt.Fprintf(w, "<p>%s", html.EscapeString(r.Header.Get(name)))
		}
	})

	// What a page should not have: a NUL, and bytes that are no UTF-8.
	mux.HandleFunc("/_/nul", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<title>a\x00b\xffc</title>"))
	})
	return mux
}
