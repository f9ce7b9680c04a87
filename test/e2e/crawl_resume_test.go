package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// resumes runs a crawl of pages again and again, killing it when its output has
// grown by some records, until it comes to its end. The input is all pages, or
// only the first, which leads to the others. It returns how often each page has a
// record, how often the crawl was killed, and how many requests there were.
func resumes(t *testing.T, all bool, line string) (records map[string]int, kills, requests int) {
	t.Helper()
	const pages, step = 300, 70
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil || n >= pages {
			http.NotFound(w, r)
			return
		}
		asked.Add(1)
		time.Sleep(time.Millisecond) // so that there is time to be killed
		links := ""
		for next := 2*n + 1; next <= 2*n+2 && next < pages; next++ {
			links += fmt.Sprintf("<a href=/%d>x</a>", next)
		}
		page("<title>x</title>"+links+strings.Repeat("<p>text", 200))(w, r)
	}))
	defer server.Close()
	dir := t.TempDir()
	var input strings.Builder
	for i := range pages {
		if i == 0 || all {
			fmt.Fprintf(&input, "{\"url\": %q, \"n\":%d}\n", fmt.Sprint(server.URL, "/", i), i)
		}
	}
	output := func() (whole []byte) {
		files, _ := filepath.Glob(filepath.Join(dir, "out*"))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			whole = append(whole, text[:bytes.LastIndexByte(text, '\n')+1]...)
		}
		return whole
	}
	count := func() int { return bytes.Count(output(), []byte("\n")) }
	for ended := false; !ended; {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", "exec "+line)
		cmd.Dir = dir
		cmd.Stdin = strings.NewReader(input.String())
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		enough := count() + step
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		status := make(chan error, 1)
		go func() { status <- cmd.Wait() }()
		for waiting := true; waiting; {
			select {
			case err := <-status:
				if err != nil || stderr.Len() > 0 {
					t.Fatalf("%v\n%s", err, stderr.Bytes())
				}
				waiting, ended = false, true
			case <-time.After(time.Millisecond):
				if count() >= enough {
					_ = cmd.Process.Kill()
					<-status
					waiting = false
					kills++
				}
			}
		}
	}
	records = map[string]int{}
	for line := range bytes.Lines(output()) {
		var r struct {
			Status   int
			FinalURL string `json:"final_url"`
		}
		if err := json.Unmarshal(line, &r); err != nil || r.Status != 200 {
			t.Fatalf("%v in %s", err, line)
		}
		records[r.FinalURL]++
	}
	if len(records) != pages {
		t.Errorf("%d pages of %d have a record", len(records), pages)
	}
	if kills == 0 {
		t.Error("it was never killed")
	}
	return records, kills, int(asked.Load())
}

// Killed at any instant, a run goes on where its own output ends: each input has
// one record, and each page that it leads to.
func TestResume(t *testing.T) {
	for _, c := range []struct {
		all  bool
		line string
	}{
		{true, "crawl -o out.jsonl --resume --body"},
		{false, "crawl -o out.jsonl --resume --body --depth 20 --cache kept"},
	} {
		records, kills, requests := resumes(t, c.all, c.line)
		for url, times := range records {
			if times != 1 {
				t.Errorf("%s: %s has %d records", c.line, url, times)
			}
		}
		if most := len(records) + kills*(64+16); requests > most {
			t.Errorf("%s: %d requests after %d kills, want no more than %d", c.line, requests, kills, most)
		}
	}
}

// By a state nothing is lost, and no more is twice than was under way.
func TestResumeByState(t *testing.T) {
	for _, c := range []struct {
		all  bool
		line string
	}{
		{true, "crawl --state state --body > out.$$"},
		{false, "crawl --state state --body --depth 20 --cache kept > out.$$"},
	} {
		records, kills, _ := resumes(t, c.all, c.line)
		twice := 0
		for _, times := range records {
			twice += times - 1
		}
		if twice > kills*(64+16) {
			t.Errorf("%s: %d records are twice after %d kills", c.line, twice, kills)
		}
	}
}
