package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The job for cron, killed as a whole again and again: in the end the table has
// each page once, and the next run asks only for what has changed.
func TestRecrawl(t *testing.T) {
	const pages, step = 300, 60
	var mu sync.Mutex
	plain, conditional := 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.NotFound(w, r)
			return
		}
		asks := r.Header.Get("If-Modified-Since") != ""
		mu.Lock()
		if asks {
			conditional++
		} else {
			plain++
		}
		mu.Unlock()
		time.Sleep(time.Millisecond)
		w.Header().Set("Last-Modified", "Fri, 31 Dec 1999 00:00:00 GMT")
		if asks {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		page("<title>It's "+r.URL.Path+"</title>")(w, r)
	}))
	defer server.Close()

	dir := t.TempDir()
	var list strings.Builder
	list.WriteString("url\n")
	for i := range pages {
		fmt.Fprintf(&list, "/%d\n", i)
	}
	if err := os.WriteFile(filepath.Join(dir, "pages.csv"), []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("../../examples/recrawl.sh")
	if err != nil {
		t.Fatal(err)
	}
	start := func(stale, name string, args ...string) (*exec.Cmd, *bytes.Buffer) {
		var output bytes.Buffer
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "SITE="+server.URL, "PIPEWORKS_DB=sqlite:"+filepath.Join(dir, "test.db"), "STALE="+stale)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Stdout, cmd.Stderr = &output, &output
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, &output
	}
	count := func() int {
		text, _ := os.ReadFile(filepath.Join(dir, "fresh.jsonl"))
		return bytes.Count(text, []byte("\n"))
	}

	kills := 0
	for ended := false; !ended; {
		enough := count() + step
		cmd, output := start("2000", "bash", script)
		status := make(chan error, 1)
		go func() { status <- cmd.Wait() }()
		for waiting := true; waiting; {
			select {
			case err := <-status:
				if err != nil || output.Len() > 0 {
					t.Fatalf("%v\n%s", err, output)
				}
				waiting, ended = false, true
			case <-time.After(time.Millisecond):
				if count() >= enough {
					_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
					<-status
					waiting = false
					kills++
				}
			}
		}
	}
	if kills == 0 {
		t.Error("it was never killed")
	}
	table := func() string {
		cmd, output := start("", "sqlpipe", "-f", "csv", "-e", "SELECT count(*) AS n, count(DISTINCT title) AS titles, min(status) AS least FROM watched")
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		return output.String()
	}
	want := fmt.Sprintf("n,titles,least\n%d,%d,200\n", pages, pages)
	if got := table(); got != want {
		t.Errorf("after %d kills the table has\n%s", kills, got)
	}

	mu.Lock()
	plain, conditional = 0, 0
	mu.Unlock()
	cmd, output := start("9999", "bash", script)
	if err := cmd.Wait(); err != nil || output.Len() > 0 {
		t.Fatalf("%v\n%s", err, output)
	}
	if plain != 0 || conditional != pages {
		t.Errorf("the next run sent %d requests with a condition, and %d without", conditional, plain)
	}
	if got := table(); got != want {
		t.Errorf("after the next run the table has\n%s", got)
	}
}
