package stream

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
