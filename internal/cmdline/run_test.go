package cmdline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/reject"
	"pipeworks/internal/stream"
)

// result is all that a run leaves.
type result struct {
	status         int
	stdout, stderr string
}

func runSample(t *testing.T, args []string, action func(context.Context, *Invocation) error) result {
	t.Helper()
	return runTool(t, sample(action), args, strings.NewReader("input"))
}

func runTool(t *testing.T, tool *Command, args []string, stdin io.Reader) result {
	t.Helper()
	var stdout, stderr strings.Builder
	status := Run(t.Context(), tool, args, Streams{stdin, &stdout, &stderr})
	return result{status, stdout.String(), stderr.String()}
}

func compare(t *testing.T, name string, want, got result) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("%s: -want +got:\n%s", name, diff)
	}
}

type statusError struct {
	status int
	hint   string
}

func (e *statusError) Error() string   { return fmt.Sprintf("failed with %d", e.status) }
func (e *statusError) ExitStatus() int { return e.status }
func (e *statusError) Hint() string    { return e.hint }

// The status and the messages of what an Action returns.
func TestErrors(t *testing.T) {
	plain := errors.New("read stdin: broken")
	rejected := &reject.RejectedError{Count: 2}
	for _, tt := range []struct {
		name string
		err  error
		want result
	}{
		{"nothing", nil, result{0, "", ""}},
		{"any error", plain, result{1, "", "sample: read stdin: broken\n"}},
		{"usage", Usagef("no table named: %s TABLE", "insert"), result{2, "", "sample: no table named: insert TABLE\n"}},
		{"wrapped usage", Usage(plain), result{2, "", "sample: read stdin: broken\n"}},
		{"no error is no usage error", Usage(nil), result{0, "", ""}},
		{"rejects", rejected, result{3, "", "sample: 2 records rejected\n"}},
		{"wrapped", fmt.Errorf("a: %w", rejected), result{3, "", "sample: a: 2 records rejected\n"}},
		{"hint", &statusError{1, "try again"}, result{1, "", "sample: failed with 1\nsample: hint: try again\n"}},
		{"empty hint", &statusError{7, ""}, result{7, "", "sample: failed with 7\n"}},
		{"wrapped hint", fmt.Errorf("a: %w", &statusError{2, "try again"}), result{2, "", "sample: a: failed with 2\nsample: hint: try again\n"}},
		{"hint inside a usage error", Usage(&statusError{1, "try again"}), result{2, "", "sample: failed with 1\nsample: hint: try again\n"}},
		{"the database's own form", errors.New("ERROR 1146 (42S02) at line 12: Table 'shop.citis' doesn't exist"),
			result{1, "", "ERROR 1146 (42S02) at line 12: Table 'shop.citis' doesn't exist\n"}},
		{"closed output", stream.ErrClosed, result{141, "", ""}},
		{"wrapped closed output", fmt.Errorf("write a row: %w", stream.ErrClosed), result{141, "", ""}},
		{"joined: a failure outweighs rejects", errors.Join(rejected, plain),
			result{1, "", "sample: 2 records rejected\nsample: read stdin: broken\n"}},
		{"joined: usage outweighs rejects", errors.Join(rejected, errors.Join(Usagef("bad"))),
			result{2, "", "sample: 2 records rejected\nsample: bad\n"}},
		{"joined: every hint", errors.Join(&statusError{1, "one"}, errors.Join(nil, &statusError{2, "two"})),
			result{1, "", "sample: failed with 1\nsample: hint: one\nsample: failed with 2\nsample: hint: two\n"}},
		{"joined with a closed output", errors.Join(plain, stream.ErrClosed), result{141, "", ""}},
		{"one message of two errors", fmt.Errorf("%w, and then %w", &statusError{5, ""}, plain),
			result{5, "", "sample: failed with 5, and then read stdin: broken\n"}},
	} {
		got := runSample(t, nil, func(context.Context, *Invocation) error { return tt.err })
		compare(t, tt.name, tt.want, got)
	}
}

// A call that is not understood does nothing and says so on stderr alone.
func TestUsageErrors(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"--jbos 4", "sample: unknown flag --jbos\nsample: hint: did you mean --jobs?\n"},
		{"-x", "sample: unknown flag -x\nsample: hint: sample -h shows the flags\n"},
		{"--jobs", "sample: --jobs needs a value\n"},
		{"--jobs x", "sample: invalid value \"x\" for --jobs\nsample: hint: it takes a whole number\n"},
		{"--timeout soon", "sample: invalid value \"soon\" for --timeout\nsample: hint: a TIME is 250ms, 10s, 1m30s or a number of seconds\n"},
		{"--quiet=yes", "sample: --quiet takes no value\n"},
	} {
		got := runSample(t, split(tt.args), func(context.Context, *Invocation) error {
			t.Errorf("%s: the tool was run", tt.args)
			return nil
		})
		compare(t, tt.args, result{2, "", tt.want}, got)
	}
	got := runTool(t, withVerbs(), split("inset cities"), strings.NewReader(""))
	compare(t, "verb", result{2, "", "kit: unknown verb \"inset\"\nkit: hint: did you mean insert?\n"}, got)
	got = runTool(t, withVerbs(), nil, strings.NewReader(""))
	compare(t, "no verb", result{2, "", kitHelp}, got)
}

// What -h shows, and who calls the tool without what it needs.
const (
	kitHelp = `kit: do one of two things

usage: kit VERB [flags] ...

  # the first
  kit insert cities

Verbs:
  insert  put rows in
  query   get rows out

kit VERB -h tells more.

Also: --quiet --verbose --help --version --completion
kit --help tells all.
`
	sampleHelp = `sample: copy records

usage: sample [flags] [FILE...]

  # a file
  sample in.csv

  # what comes down the pipe
  producer | sample -f csv

  -f, --format FORMAT     output FORMAT: jsonl, csv, tsv, table
  -p, --param NAME=VALUE  set a parameter, NAME=VALUE

Also: --input-format --null-as --max-record --jobs --dry-run --null --timeout
--output --summary --rejects --max-rejects --force --quiet --verbose --help
--version --completion
sample --help tells all.
`
)

func TestHelp(t *testing.T) {
	want := `sample: copy records

usage: sample [flags] [FILE...]

  # a file
  sample in.csv

  # what comes down the pipe
  producer | sample -f csv

  # slowly
  sample -j1 in.csv

Records come out as they went in.

Flags:
  -f, --format FORMAT     output FORMAT: jsonl, csv, tsv, table (default table
                          on a terminal, else jsonl)
  -i, --input-format FORMAT
                          input FORMAT: jsonl, json, csv, tsv, outfile (default:
                          seen from the data or the file's name)
      --null-as TEXT      TEXT that stands for NULL in csv, tsv and tables
      --max-record SIZE   longest record taken, a SIZE (default 64MiB)
  -j, --jobs N            do N things at once (default 2)
  -n, --dry-run           only say what would be done
  -0, --null              records end in NUL
      --timeout TIME      give up after TIME (default 30s)
  -p, --param NAME=VALUE  set a parameter, NAME=VALUE; repeatable
  -o, --output FILE       write to FILE, made at the first output; - is stdout
      --summary           print one JSON object of totals on stderr at the end
      --rejects FILE      write a bad record to FILE, as a JSON line, and go on
      --max-rejects N     go on after a bad record until more than N are
                          rejected
      --force             go on after a bad record, only counting it
  -q, --quiet             print errors only
  -v, --verbose           say on stderr what is being done
  -h, --help              show help: -h a screen of it, --help all
      --version           print the version
      --completion SHELL  print completions for the SHELL: bash, zsh, fish
`
	for _, args := range []string{"--help", "-h --help", "in.csv -q --help", "--help --version"} {
		compare(t, args, result{0, want, ""}, runSample(t, split(args), nil))
	}
	for _, args := range []string{"-h", "--help -h", "in.csv -qh", "-h --version"} {
		compare(t, args, result{0, sampleHelp, ""}, runSample(t, split(args), nil))
	}
	want = `kit: do one of two things

usage: kit VERB [flags] ...

  # the first
  kit insert cities

Verbs:
  insert  put rows in
  query   get rows out

kit VERB -h tells more.

Flags:
  -q, --quiet             print errors only
  -v, --verbose           say on stderr what is being done
  -h, --help              show help: -h a screen of it, --help all
      --version           print the version
      --completion SHELL  print completions for the SHELL: bash, zsh, fish
`
	compare(t, "kit --help", result{0, want, ""}, runTool(t, withVerbs(), []string{"--help"}, nil))
	compare(t, "kit -h", result{0, kitHelp, ""}, runTool(t, withVerbs(), []string{"-h"}, nil))
	want = `kit query: get rows out

usage: kit query [flags] SQL

Flags:
  -0, --null     end in NUL
  -q, --quiet    print errors only
  -v, --verbose  say on stderr what is being done
  -h, --help     show help: -h a screen of it, --help all
      --version  print the version
`
	compare(t, "kit --help query", result{0, want, ""}, runTool(t, withVerbs(), []string{"--help", "query"}, nil))
	want = `kit query: get rows out

usage: kit query [flags] SQL

  -0, --null  end in NUL

Also: --quiet --verbose --help --version
kit query --help tells all.
`
	compare(t, "kit -h query", result{0, want, ""}, runTool(t, withVerbs(), []string{"-h", "query"}, nil))
}

func TestVersion(t *testing.T) {
	want := fmt.Sprintf("sample (pipeworks) devel %s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	compare(t, "--version", result{0, want, ""}, runSample(t, []string{"--version"}, nil))
}

func TestCompletionShell(t *testing.T) {
	want := "sample: --completion tcsh: the shells are bash, zsh, fish\n"
	compare(t, "--completion tcsh", result{2, "", want}, runSample(t, []string{"--completion", "tcsh"}, nil))
}

func TestChoices(t *testing.T) {
	for usage, want := range map[string]string{
		"output `FORMAT`: jsonl, csv (default csv)":             "jsonl csv",
		"`WHEN` it runs: newline (its line has ended), run":     "newline run",
		"`HOW` it is synced: always, batch, none; see the page": "always batch none",
		"database `URL`: mysql://user@host/name, sqlite:FILE":   "",
		"parameter `NAME=TEXT`: a, b":                           "",
		"with -n: end each, or not":                             "",
		"permissions, `OCTAL`":                                  "",
	} {
		if got := strings.Join(choices(usage), " "); got != want {
			t.Errorf("%s: got %s, want %s", usage, got, want)
		}
	}
}

// Help that cannot be printed is an error like any other.
func TestHelpErrors(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	for _, arg := range []string{"--help", "--version", "--completion=bash"} {
		var stderr strings.Builder
		status := Run(t.Context(), sample(nil), []string{arg}, Streams{strings.NewReader(""), full, &stderr})
		compare(t, arg, result{1, "", "sample: write stdout: no space left on device\n"}, result{status, "", stderr.String()})
	}
}

// A terminal that nobody named is answered with short help.
func TestTerminalStdin(t *testing.T) {
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer pty.Close()
	got := runTool(t, sample(copyInput), nil, pty)
	compare(t, "terminal", result{2, "", sampleHelp}, got)
}

func TestMessages(t *testing.T) {
	action := func(_ context.Context, inv *Invocation) error {
		inv.Notef("%d%% done", 50)
		inv.Verbosef("more")
		return errors.New("broken")
	}
	for args, want := range map[string]string{
		"":      "sample: 50% done\nsample: broken\n",
		"-v":    "sample: 50% done\nsample: more\nsample: broken\n",
		"-q":    "sample: broken\n",
		"-q -v": "sample: broken\n",
	} {
		compare(t, args, result{1, "", want}, runSample(t, split(args), action))
	}
}

func TestSummarize(t *testing.T) {
	seconds := regexp.MustCompile(`[0-9]+\.[0-9]{3}}`)
	for _, tt := range []struct {
		totals any
		want   string
	}{
		{struct{}{}, `{"tool":"sample","seconds":S`},
		{struct {
			In int `json:"in"`
		}{3}, `{"tool":"sample","in":3,"seconds":S`},
		{struct {
			By map[string]map[string]int `json:"by"`
		}{map[string]map[string]int{"a": {"b": 1}}}, `{"tool":"sample","by":{"a":{"b":1}},"seconds":S`},
	} {
		action := func(_ context.Context, inv *Invocation) error {
			inv.Summarize(tt.totals, time.Now())
			return nil
		}
		got := runSample(t, []string{"-q", "--summary"}, action)
		got.stderr = seconds.ReplaceAllString(got.stderr, "S")
		compare(t, "summary", result{0, "", tt.want + "\n"}, got)
		compare(t, "not asked for", result{}, runSample(t, nil, action))
	}
}
