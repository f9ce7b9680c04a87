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
	"strings"
	"testing"
	"time"
)

// resumes runs a crawl of pages again and again, killing it when its output has
// grown by some records, until it comes to its end. It returns how often each
// input has a record and how often the crawl was killed.
func resumes(t *testing.T, line string) (records map[string]int, kills int) {
	t.Helper()
	const pages, step = 600, 90
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Millisecond) // so that there is time to be killed
		page("<title>x</title>"+strings.Repeat("<p>text", 200))(w, r)
	}))
	defer server.Close()
	dir := t.TempDir()
	var input strings.Builder
	for i := range pages {
		fmt.Fprintf(&input, "{\"url\": %q, \"n\":%d}\n", fmt.Sprint(server.URL, "/", i), i)
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
			Status int
			Input  struct{ N json.Number }
		}
		if err := json.Unmarshal(line, &r); err != nil || r.Status != 200 {
			t.Fatalf("%v in %s", err, line)
		}
		records[r.Input.N.String()]++
	}
	if len(records) != pages {
		t.Errorf("%d inputs of %d have a record", len(records), pages)
	}
	return records, kills
}

// Killed at any instant, a run goes on where its own output ends: each input has
// one record.
func TestResume(t *testing.T) {
	records, kills := resumes(t, "crawl -o out.jsonl --resume --body")
	if kills == 0 {
		t.Error("it was never killed")
	}
	for n, times := range records {
		if times != 1 {
			t.Errorf("input %s has %d records", n, times)
		}
	}
}

// By a state nothing is lost, and no more is twice than was under way.
func TestResumeByState(t *testing.T) {
	records, kills := resumes(t, "crawl --state state --body > out.$$")
	if kills == 0 {
		t.Error("it was never killed")
	}
	twice := 0
	for _, times := range records {
		twice += times - 1
	}
	if twice > kills*(64+16) {
		t.Errorf("%d records are twice after %d kills", twice, kills)
	}
}
