package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The committed figures are those of the committed results.
func TestFresh(t *testing.T) {
	const committed = "../../../docs/figures"
	dir := t.TempDir()
	if err := drawAll("../results", dir); err != nil {
		t.Fatal(err)
	}
	for _, f := range figures {
		name := f.name + ".svg"
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(committed, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("docs/figures/%s is stale: run make figures", name)
		}
	}
}

func TestResults(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const head = "# machine\ncommand median s ratio seconds\n"
	write("tool-2024-01-02.txt", head+"a 9 1 9 9 9\nb 9 1 9 9 9\n")
	write("tool-2024-11-02.txt", head+"a 9 1 9 9 9\n# the next one\n"+head+"a 2 1 1.0 3.0 2.0\nb 4 2 4.0 4.0 4.0\n")
	write("bad-2024-01-02.txt", head+"a 1 1 1.0 never\n")

	tests := []struct {
		c    comparison
		want ratio
		err  string
	}{
		{comparison{"", "tool", 2, "a", "b"}, ratio{0.25, 0.5, 0.75}, ""},
		{comparison{"", "tool", 2, "a", "c"}, ratio{}, "table 2: no rounds of a and c"},
		{comparison{"", "tool", 3, "a", "b"}, ratio{}, "has no table 3"},
		{comparison{"", "none", 1, "a", "b"}, ratio{}, "no results of none"},
		{comparison{"", "bad", 1, "a", "a"}, ratio{}, `bad-2024-01-02.txt:3: "never" is no time`},
	}
	for _, test := range tests {
		ratios, err := figure{comparisons: []comparison{test.c}}.read(dir)
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%v: %v, want %s", test.c, err, test.err)
			}
		case err != nil:
			t.Errorf("%v: %v", test.c, err)
		case ratios[0] != test.want:
			t.Errorf("%v: %v, want %v", test.c, ratios[0], test.want)
		}
	}
}
