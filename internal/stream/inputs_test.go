package stream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// files makes files named like their contents and returns the directory.
func files(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestEach(t *testing.T) {
	t.Chdir(files(t, "a", "b", "./-c"))
	stop := errors.New("stop")
	tests := []struct {
		names []string
		want  string
	}{
		{nil, "stdin=input"},
		{[]string{"-"}, "stdin=input"},
		{[]string{"a"}, "a=a"},
		{[]string{"b", "-", "a", "./-c"}, "b=b stdin=input a=a ./-c=./-c"},
		{[]string{"a", "missing", "b"}, "a=a missing= ! open missing: no such file or directory"},
		{[]string{"."}, ".= ! read .: is a directory"},
		{[]string{"a", "stop", "b"}, "a=a ! stop"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.names, " "), func(t *testing.T) {
			var got []string
			inputs := Inputs{Stdin: strings.NewReader("input"), Names: tt.names}
			err := inputs.Each(t.Context(), func(in *Input) error {
				if in.Name() == "stop" {
					return stop
				}
				data, err := io.ReadAll(in)
				got = append(got, in.Name()+"="+string(data))
				return err
			})
			if err != nil {
				got = append(got, "! "+err.Error())
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// What Content makes of a file is read in its place; the error that it or its
// reader returns has the file's name. Standard input is left alone.
func TestEachContent(t *testing.T) {
	t.Chdir(files(t, "a", "twice", "bad", "worse"))
	bad := errors.New("bad data")
	content := func(name string, r io.Reader) (io.Reader, error) {
		switch name {
		case "twice":
			data, err := io.ReadAll(r)
			return strings.NewReader(string(data) + string(data)), err
		case "bad":
			return nil, bad
		case "worse":
			return io.MultiReader(r, iotest.ErrReader(bad)), nil
		}
		return r, nil
	}
	for name, want := range map[string]string{
		"a":     "a",
		"-":     "input",
		"twice": "twicetwice",
		"bad":   " ! read bad: bad data",
		"worse": "worse ! read worse: bad data",
	} {
		inputs := Inputs{Stdin: strings.NewReader("input"), Names: []string{name}, Content: content}
		var got string
		err := inputs.Each(t.Context(), func(in *Input) error {
			data, err := io.ReadAll(in)
			got = string(data)
			return err
		})
		if err != nil {
			got += " ! " + err.Error()
		}
		if got != want || err != nil && !errors.Is(err, bad) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// The input says that it waits also where Content reads the file, and stops
// with its context while it does.
func TestContentWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("line\n"); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	inputs := Inputs{Names: []string{path}, Content: func(_ string, r io.Reader) (io.Reader, error) {
		return bufio.NewReader(r), nil
	}}
	err = inputs.Each(ctx, func(in *Input) error {
		var read strings.Builder
		in.OnIdle(func() error {
			if read.String() == "line\n" {
				cancel(stop)
			}
			return nil
		})
		_, err := io.Copy(&read, in)
		return err
	})
	if err != stop {
		t.Errorf("got %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Chdir(files(t, "a", "b"))
	tests := []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"a", "-", "b", "a"}, ""},
		{[]string{"a", "missing", "."}, "open missing: no such file or directory"},
		{[]string{"a", "."}, "open .: is a directory"},
		{[]string{""}, "open : no such file or directory"},
		{[]string{"-", "a", "-"}, `standard input ("-") is named twice`},
	}
	for _, tt := range tests {
		got := ""
		err := Inputs{Names: tt.names}.Check()
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.names, got, tt.want)
		}
		if strings.Contains(tt.want, "no such") && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v is not fs.ErrNotExist", tt.names, err)
		}
	}
}

func TestReadsStdin(t *testing.T) {
	for _, tt := range []struct {
		names []string
		want  bool
	}{{nil, true}, {[]string{"a", "-"}, true}, {[]string{"a"}, false}} {
		if got := (Inputs{Names: tt.names}).ReadsStdin(); got != tt.want {
			t.Errorf("%q: %t", tt.names, got)
		}
	}
}

func TestOverwrittenBy(t *testing.T) {
	t.Chdir(files(t, "a", "b"))
	if err := os.Link("a", "link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", "symlink"); err != nil {
		t.Fatal(err)
	}
	a, err := os.OpenFile("a", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	tests := []struct {
		name string
		in   Inputs
		out  *Output
		want string
	}{
		{"the same path", Inputs{Names: []string{"b", "a"}}, CreateOutput("a"), "a"},
		{"another path to it", Inputs{Names: []string{"./a"}}, CreateOutput("a"), "./a"},
		{"a hard link", Inputs{Names: []string{"a"}}, CreateOutput("link"), "a"},
		{"a symbolic link", Inputs{Names: []string{"symlink"}}, CreateOutput("a"), "symlink"},
		{"another file", Inputs{Names: []string{"b"}}, CreateOutput("a"), ""},
		{"a new file", Inputs{Names: []string{"a"}}, CreateOutput("new"), ""},
		{"a directory", Inputs{Names: []string{"."}}, CreateOutput("."), ""},
		{"a device", Inputs{Names: []string{"/dev/null"}}, CreateOutput("/dev/null"), ""},
		{"redirected output", Inputs{Names: []string{"a"}}, NewOutput("stdout", a), "a"},
		{"redirected input", Inputs{Stdin: a}, CreateOutput("a"), "stdin"},
		{"redirected input by name", Inputs{Stdin: a, Names: []string{"b", "-"}}, CreateOutput("link"), "stdin"},
		{"redirected input that is not read", Inputs{Stdin: a, Names: []string{"b"}}, CreateOutput("a"), ""},
		{"redirected input and output", Inputs{Stdin: a}, NewOutput("stdout", a), "stdin"},
		{"the same device in and out", Inputs{Stdin: null}, NewOutput("stdout", null), ""},
		{"no files", Inputs{Stdin: strings.NewReader("")}, NewOutput("stdout", io.Discard), ""},
	}
	for _, tt := range tests {
		if got := tt.in.OverwrittenBy(tt.out); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
