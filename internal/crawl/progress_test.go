package crawl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipeworks/internal/record"
)

const outputLines = `{"seq":1,"url":"http://a.test/","status":200,"input":{"url":"http://a.test/", "n":1.50}}
{"seq":2,"url":"http://b.test/é","status":null}
{"seq":3,"url":null,"error":{},"input":{"n":3}}
{"seq":4,"url":"http://a.test/","input":null}
{"seq":5,"url":"http://a.test/"}
`

func testTask(url, raw string) *task {
	in := &input{}
	if url != "" {
		in.url = record.String(url)
	}
	if raw != "" {
		in.raw = []byte(raw)
	}
	return &task{input: in}
}

// What the output has is done, as often as it has it, and nothing else is.
func TestReadOutput(t *testing.T) {
	for _, torn := range []string{"", `{"seq":6,"url":"http://c.te`, `{"seq":6,"url":"http://c.test/"}`} {
		path := filepath.Join(t.TempDir(), "out.jsonl")
		if err := os.WriteFile(path, []byte(outputLines+torn), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := ReadOutput(path, false)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for _, c := range []struct {
			url, raw string
			done     bool
		}{
			{"http://a.test/", `{"url":"http://a.test/", "n":1.50}`, true},
			{"http://a.test/", `{"url":"http://a.test/", "n":1.50}`, false},
			{"http://a.test/", `{"url":"http://a.test/", "n":1.5}`, false},
			{"http://b.test/é", "", true},
			{"", `{"n":3}`, true},
			{"http://a.test/", "", true},
			{"http://a.test/", "", true},
			{"http://a.test/", "", false},
			{"http://c.test/", "", false},
		} {
			if done, err := p.has(testTask(c.url, c.raw)); done != c.done || err != nil {
				t.Errorf("%s %s is done: %v, %v", c.url, c.raw, done, err)
			}
		}
		if text, err := os.ReadFile(path); string(text) != outputLines || err != nil {
			t.Errorf("the file is now %q, %v", text, err)
		}
	}
}

// Of a page with several records the last one is done again.
func TestReadOutputOfEach(t *testing.T) {
	for lines, want := range map[int]string{0: "", 1: "", 2: "", 3: "1", 4: "1", 5: "1 2"} {
		all := strings.SplitAfter(`{"seq":1,"url":"1","item":1}
{"seq":1,"url":"1","item":2}
{"seq":7,"url":"2","item":1}
{"seq":7,"url":"2","item":2}
{"seq":3,"url":"3","item":1}
`, "\n")
		path := filepath.Join(t.TempDir(), "out.jsonl")
		if err := os.WriteFile(path, []byte(strings.Join(all[:lines], "")), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := ReadOutput(path, true)
		if err != nil {
			t.Fatal(err)
		}
		var done []string
		for _, url := range []string{"1", "2", "3"} {
			if ok, err := p.has(testTask(url, "")); err != nil {
				t.Fatal(err)
			} else if ok {
				done = append(done, url)
			}
		}
		p.Close()
		if got := strings.Join(done, " "); got != want {
			t.Errorf("of %d lines %q is done, want %q", lines, got, want)
		}
		text, err := os.ReadFile(path)
		if kept := strings.Join(all[:2*len(done)], ""); string(text) != kept || err != nil {
			t.Errorf("of %d lines %q is left", lines, text)
		}
	}
}

func TestReadOutputOfOthers(t *testing.T) {
	for _, text := range []string{"url,title\n", "{}\n", `{"seq":1}` + "\n", "\n", `{"seq":"x","url":"y"}` + "\n"} {
		path := filepath.Join(t.TempDir(), "out.jsonl")
		if err := os.WriteFile(path, []byte(text+"torn"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadOutput(path, false); err == nil || !strings.Contains(err.Error(), "line 1 is not a record") {
			t.Errorf("%q: %v", text, err)
		}
		if left, _ := os.ReadFile(path); string(left) != text+"torn" {
			t.Errorf("%q was changed to %q", text, left)
		}
	}
	if _, err := ReadOutput(os.DevNull, false); err == nil {
		t.Error("/dev/null was read")
	}
}

// A state notes what is done, survives a torn end, belongs to one run, and goes
// when the run has come to its end.
func TestState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	p, err := OpenState(path)
	if err != nil {
		t.Fatal(err)
	}
	a, b := testTask("http://a.test/", ""), testTask("http://b.test/", `{"x":1}`)
	if err := p.note([]uint64{a.key(), b.key(), a.key()}); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenState(path); err == nil || !strings.HasSuffix(err.Error(), ": another crawl goes by this state") {
		t.Errorf("opened twice: %v", err)
	}
	p.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range keyLine {
		if err := os.WriteFile(path, text[:len(text)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if p, err = OpenState(path); err != nil {
			t.Fatal(err)
		}
		times := 0
		for range 3 {
			if done, err := p.has(a); err != nil {
				t.Fatal(err)
			} else if done {
				times++
			}
		}
		if want := 2 - min(cut, 1); times != want {
			t.Errorf("with %d bytes less, a was done %d times, want %d", cut, times, want)
		}
		if done, _ := p.has(b); !done {
			t.Errorf("with %d bytes less, b is not done", cut)
		}
		p.Close()
	}
	if p, err = OpenState(path); err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the state is still there: %v", err)
	}
}

func TestStateOfOthers(t *testing.T) {
	for _, text := range []string{"hello\n", stateHeader + "2000-01-01T00:00:00Z\nhello\n", "0123456789abcdef\n", stateHeader + "2000-01-01T00:00:00Z\n0123456789abcdefg\n", stateHeader + "then\n"} {
		path := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenState(path); err == nil || !strings.HasSuffix(err.Error(), ": not a state file of crawl") {
			t.Errorf("%q: %v", text, err)
		}
		if left, _ := os.ReadFile(path); string(left) != text {
			t.Errorf("%q was changed to %q", text, left)
		}
	}
}
