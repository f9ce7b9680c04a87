package cmdline

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipeworks/internal/reject"
	"pipeworks/internal/stream"
)

// copyInput is the least tool there is: cat.
func copyInput(ctx context.Context, inv *Invocation) error {
	in, err := inv.Inputs(inv.Operands())
	if err != nil {
		return err
	}
	out, err := inv.Output(in)
	if err != nil {
		return err
	}
	return in.Each(ctx, func(input *stream.Input) error {
		_, err := io.Copy(out, input)
		return err
	})
}

func TestStreams(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "a", "A")
	writeFile(t, "b", "B")
	for _, tt := range []struct {
		args string
		want result
	}{
		{"", result{0, "input", ""}},
		{"a - b", result{0, "AinputB", ""}},
		{"a -o -", result{0, "A", ""}},
		{"a -o out", result{0, "", ""}},
		{"missing", result{2, "", "sample: open missing: no such file or directory\n"}},
		{".", result{2, "", "sample: open .: is a directory\n"}},
		{"- -", result{2, "", "sample: standard input (\"-\") is named twice\n"}},
		{"a b -o ./b", result{2, "", "sample: the output ./b is also the input b\n"}},
		{"a -o /dev/full", result{1, "", "sample: write /dev/full: no space left on device\n"}},
		{"a -o no/out", result{1, "", "sample: create no/out: no such file or directory\n"}},
	} {
		compare(t, tt.args, tt.want, runTool(t, sample(copyInput), split(tt.args), strings.NewReader("input")))
	}
	for name, want := range map[string]string{"a": "A", "b": "B", "out": "A"} {
		if got := readFile(t, name); got != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The output file is there after every success, and not touched by a run that
// failed before its first output.
func TestOutputFile(t *testing.T) {
	failure := errors.New("broken")
	for _, tt := range []struct {
		name  string
		write string
		err   error
		want  string
	}{
		{"success without output", "", nil, ""},
		{"success", "new", nil, "new"},
		{"rejects without output", "", &reject.RejectedError{Count: 1}, ""},
		{"failure before output", "", failure, "old"},
		{"failure behind output", "new", failure, "new"},
	} {
		path := filepath.Join(t.TempDir(), "out")
		writeFile(t, path, "old")
		runSample(t, []string{"-o", path}, func(_ context.Context, inv *Invocation) error {
			out, err := inv.Output(stream.Inputs{})
			if err != nil {
				return err
			}
			if tt.write != "" {
				if _, err := io.WriteString(out, tt.write); err != nil {
					return err
				}
			}
			return tt.err
		})
		if got := readFile(t, path); got != tt.want {
			t.Errorf("%s: the file has %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRejects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rejects.jsonl")
	action := func(_ context.Context, inv *Invocation) error {
		sink, err := inv.Rejects(stream.Inputs{})
		if err != nil {
			return err
		}
		for i := range 2 {
			err := sink.Add(reject.Record{Source: "stdin", Line: i + 1, Err: errors.New("bad"), Input: []byte("x")})
			if err != nil {
				return err
			}
		}
		return sink.Err()
	}
	lines := `{"tool":"sample","source":"stdin","line":1,"error":"bad","retryable":false,"input":"x"}
{"tool":"sample","source":"stdin","line":2,"error":"bad","retryable":false,"input":"x"}
`
	for _, tt := range []struct {
		args string
		want result
	}{
		{"", result{1, "", "sample: bad\n"}},
		{"--force", result{3, "", "sample: 2 records rejected\n"}},
		{"--force --max-rejects 2", result{3, "", "sample: 2 records rejected\n"}},
		{"--force --max-rejects 1", result{1, "", "sample: more than 1 record rejected, the last: bad\n"}},
		{"--rejects " + path, result{3, "", "sample: 2 records rejected\n"}},
		{"--rejects /dev/full", result{1, "", "sample: write a reject: write /dev/full: no space left on device\n"}},
	} {
		compare(t, tt.args, tt.want, runSample(t, split(tt.args), action))
	}
	if got := readFile(t, path); got != lines {
		t.Errorf("the rejects are %s", got)
	}
}
