package e2e

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pipeworks/internal/cmdline"
)

// A man page has every flag of its tool and no other, and the examples of the
// help, which are run by scripts.
func TestManPages(t *testing.T) {
	paths, err := filepath.Glob("../../man/*.1")
	if err != nil || len(paths) == 0 {
		t.Fatalf("man pages: %v, %v", paths, err)
	}
	for _, path := range paths {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".1")
		command := tools[name]()
		flags := map[string]bool{}
		var examples []string
		for _, c := range append([]*cmdline.Command{command}, command.Verbs...) {
			for _, f := range c.AllFlags() {
				flags[f.Names()[0]] = true
			}
			for _, e := range c.Examples {
				examples = append(examples, e.Line)
			}
		}
		var documented []string
		for _, match := range regexp.MustCompile(`Fl -([a-z0-9-]+)`).FindAllStringSubmatch(string(page), -1) {
			documented = append(documented, match[1])
			if !flags[match[1]] {
				t.Errorf("%s: there is no flag --%s", path, match[1])
			}
		}
		for flag := range flags {
			if !slices.Contains(documented, flag) {
				t.Errorf("%s: --%s is missing", path, flag)
			}
		}

		shown, err := pageExamples(path)
		if err != nil {
			t.Error(err)
		}
		for _, line := range shown {
			if !slices.Contains(examples, line) {
				t.Errorf("%s: the example is not one of the help: %s", path, line)
			}
		}
		for _, verb := range command.Verbs {
			if !slices.ContainsFunc(verb.Examples, func(e cmdline.Example) bool { return slices.Contains(shown, e.Line) }) {
				t.Errorf("%s: no example of %s", path, verb.Name)
			}
		}
	}
}

// -h is a screen, no help is wider than a terminal but for its examples, and the
// flags that -h tells of are those of the tool or of one of its verbs.
func TestHelpFits(t *testing.T) {
	for name, tool := range tools {
		command := tool()
		usual := map[string]bool{}
		for _, c := range append([]*cmdline.Command{command}, command.Verbs...) {
			args := []string{c.Name}
			if c == command {
				args = nil
			}
			for _, f := range c.Flags {
				usual[f.Names()[0]] = true
			}
			for flag, most := range map[string]int{"-h": 40, "--help": 200} {
				var help bytes.Buffer
				if status := cmdline.Run(t.Context(), command, append(args, flag), cmdline.Streams{Out: &help, Err: io.Discard}); status != 0 {
					t.Fatalf("%s %s %s: status %d", name, args, flag, status)
				}
				lines := strings.Split(help.String(), "\n")
				if len(lines) > most {
					t.Errorf("%s %s %s has %d lines", name, args, flag, len(lines))
				}
				for i, line := range lines {
					if len([]rune(line)) > 80 && (i == 0 || !strings.HasPrefix(lines[i-1], "  # ")) {
						t.Errorf("%s %s %s: too long: %s", name, args, flag, line)
					}
				}
			}
		}
		for _, flag := range command.Usual {
			if !usual[flag] {
				t.Errorf("%s: there is no flag --%s", name, flag)
			}
		}
	}
}

// mandoc warns of nothing.
func TestManLint(t *testing.T) {
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip(err)
	}
	pages, err := filepath.Glob("../../man/*.[17]")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	out, _ := exec.CommandContext(t.Context(), mandoc, append([]string{"-T", "lint", "-W", "warning"}, pages...)...).Output()
	if len(out) > 0 {
		t.Errorf("%s", out)
	}
}
