package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pipeworks/internal/cmdline"
)

// completionFile is the completion script of a tool, where the shell looks for it.
func completionFile(t *testing.T, tool, shell string) string {
	t.Helper()
	var script, errs bytes.Buffer
	if status := cmdline.Run(t.Context(), tools[tool](), []string{"--completion", shell}, cmdline.Streams{Out: &script, Err: &errs}); status != 0 {
		t.Fatalf("status %d: %s", status, errs.Bytes())
	}
	path := filepath.Join(t.TempDir(), "_"+tool)
	if err := os.WriteFile(path, script.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// shellOutput runs a script in a shell, and skips the test if there is none.
func shellOutput(t *testing.T, shell, script string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(shell); err != nil {
		t.Skip(err)
	}
	flags := []string{"-c", script, shell}
	if shell == "fish" {
		flags = []string{"--no-config", "-c", script}
	}
	cmd := exec.CommandContext(t.Context(), shell, append(flags, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_DATA_HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir())
	cmd.Dir = t.TempDir()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%s: %v\n%s", shell, err, errs.Bytes())
	}
	return string(out)
}

// A line, as it is when TAB is pressed, and the words that it can go on with.
var completionCases = []struct {
	line  string
	words []string
}{
	{"gensql up", []string{"update", "upsert"}},
	{"gensql --ver", []string{"--verbose", "--version"}},
	{"gensql insert --dialect ", []string{"mariadb", "mysql", "sqlite"}},
	{"gensql insert -i js", []string{"json", "jsonl"}},
	{"gensql ranges --s", []string{"--sql", "--step", "--summary"}},
	{"sqlpipe --format ", []string{"csv", "jsonl", "table", "tsv"}},
	{"sqlpipe --eof ", []string{"newline", "run"}},
	{"sqlpipe --bin", []string{"--binary"}},
	{"fifomerge call --bin", []string{"--binary"}},
}

func TestBashCompletion(t *testing.T) {
	for _, tt := range append(completionCases, struct {
		line  string
		words []string
	}{"sqlpipe --format = t", []string{"table", "tsv"}}) { // bash has split --format=t so
		words := strings.Split(tt.line, " ")
		file := completionFile(t, words[0], "bash")
		out := shellOutput(t, "bash", fmt.Sprintf(`source %s; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _%s; printf "%%s\n" "${COMPREPLY[@]}"`, file, words[0]), words...)
		compareWords(t, tt.line, out, tt.words)
	}
}

func TestFishCompletion(t *testing.T) {
	for _, tt := range completionCases {
		file := completionFile(t, strings.Fields(tt.line)[0], "fish")
		out := shellOutput(t, "fish", fmt.Sprintf("source %s; complete -C '%s' | string replace -r '\t.*' ''", file, tt.line))
		compareWords(t, tt.line, out, tt.words)
	}
}

func compareWords(t *testing.T, line, out string, want []string) {
	t.Helper()
	got := strings.Fields(out)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%q is completed with %q, want %q", line, got, want)
	}
}

// zsh completes only in its line editor: TAB is pressed in a terminal, and what
// the line became is written to a file.
func TestZshCompletion(t *testing.T) {
	for _, tt := range []struct{ tool, line, want string }{
		{"gensql", "gensql ins", "gensql insert "},
		{"gensql", "gensql --vers", "gensql --version "},
		{"gensql", "gensql insert --dialect sq", "gensql insert --dialect sqlite "},
		{"gensql", "gensql insert --dial", "gensql insert --dialect="},
		{"gensql", "gensql ranges --st", "gensql ranges --step="},
		{"sqlpipe", "sqlpipe -f c", "sqlpipe -f csv "},
		{"sqlpipe", "sqlpipe --eof=r", "sqlpipe --eof=run "},
		{"sqlpipe", "sqlpipe --out", "sqlpipe --output="},
		{"fifomerge", "fifomerge ca", "fifomerge call "},
	} {
		dir := filepath.Dir(completionFile(t, tt.tool, "zsh"))
		got := shellOutput(t, "zsh", `
			zmodload zsh/zpty
			zpty shell zsh -f -i
			zpty -w shell "fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D"
			zpty -w shell "show() { print -r -- \"\$BUFFER\" > $1/shown; mv $1/shown $1/line; }; zle -N show; bindkey '^X' show; bindkey '^I' complete-word; : > $1/ready"
			until [[ -e $1/ready ]] { sleep 0.05 }
			zpty -w -n shell "$2"$'\t\x18'
			until [[ -e $1/line ]] { sleep 0.05 }
			print -r -- "$(<$1/line)"
			zpty -d shell`, dir, tt.line)
		if got = strings.TrimSuffix(got, "\n"); got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.line, got, tt.want)
		}
	}
}

// The completions that are installed are those of the flags.
func TestCompletionsAreFresh(t *testing.T) {
	for tool := range tools {
		for shell, name := range map[string]string{"bash": tool, "zsh": "_" + tool, "fish": tool + ".fish"} {
			committed, err := os.ReadFile(filepath.Join("../../completions", shell, name))
			if err != nil {
				t.Error(err)
				continue
			}
			fresh, err := os.ReadFile(completionFile(t, tool, shell))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(committed, fresh) {
				t.Errorf("completions/%s/%s is not what the flags say: make completions", shell, name)
			}
		}
	}
}
