package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"pipeworks/internal/cmdline"
)

// documents are those whose blocks are run one by one.
var documents = []string{"README.md", "docs/cookbook.md", "docs/ipc.md", "docs/scaling.md"}

// cmdReadme runs a block of a document as it stands there, then LINE in the
// same shell.
func cmdReadme(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: readme WORDS [LINE]")
	}
	blocks, err := documentBlocks()
	ts.Check(err)
	var found []string
	for _, block := range blocks {
		if strings.HasPrefix(block, args[0]) {
			found = append(found, block)
		}
	}
	if len(found) != 1 {
		ts.Fatalf("%d blocks of the documents begin with %q", len(found), args[0])
	}
	expect(ts, 0, "bash", "-o", "pipefail", "-c", here(ts, strings.TrimSuffix(found[0], "\n"))+strings.Join(args[1:], ""))
}

// here is a line of the manual for a machine without the servers that it names
// and with a /tmp, ports and shared memory that belong to others.
func here(ts *testscript.TestScript, line string) string {
	line = mysqlURL.ReplaceAllString(line, "sqlite:$1-$2.db")
	line = namedPort.ReplaceAllString(line, "${1}"+ts.Getenv("PORT"))
	return hereNames.Replace(line)
}

var hereNames = strings.NewReplacer("/tmp/", "$TMPDIR/", "shm:ipc", "shm:ipc-$$",
	"nats://broker/crawl", "$NATS", "kafka://broker/crawl", "$KAFKA", "'http://broker:8222/jsz?consumers=true'", "$NATS_MONITOR/jsz?consumers=true")

var namedPort = regexp.MustCompile(`\b(tcp://(?:localhost)?:)\d+`)

var mysqlURL = regexp.MustCompile(`mysql://\w+@(\w+)/(\w+)`)

// documentBlocks are the indented blocks of all documents, without their indent.
func documentBlocks() (blocks []string, err error) {
	for _, name := range documents {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, indentedBlocks(string(text))...)
	}
	return blocks, nil
}

func indentedBlocks(text string) (blocks []string) {
	inBlock := false
	for line := range strings.Lines(text) {
		code, ok := strings.CutPrefix(line, "    ")
		switch {
		case ok && inBlock:
			blocks[len(blocks)-1] += code
		case ok:
			blocks = append(blocks, code)
		}
		inBlock = ok
	}
	return blocks
}

// cmdExample runs an example of a tool's help as it stands there, then LINE in
// the same shell.
func cmdExample(ts *testscript.TestScript, neg bool, args []string) {
	n := slices.IndexFunc(args, func(arg string) bool { _, err := strconv.Atoi(arg); return err == nil })
	if neg || n < 1 {
		ts.Fatalf("usage: example TOOL [VERB] N [LINE]")
	}
	number, _ := strconv.Atoi(args[n])
	examples := allExamples()[strings.Join(args[:n], " ")]
	if number < 1 || number > len(examples) {
		ts.Fatalf("there are %d examples", len(examples))
	}
	expect(ts, 0, "bash", "-o", "pipefail", "-c", here(ts, examples[number-1].Line)+strings.Join(args[n+1:], ""))
}

// allExamples are the examples of every tool and verb, by its name.
func allExamples() map[string][]cmdline.Example {
	examples := map[string][]cmdline.Example{}
	for name, command := range tools {
		c := command()
		examples[name] = c.Examples
		for _, verb := range c.Verbs {
			examples[name+" "+verb.Name] = verb.Examples
		}
	}
	return examples
}

// cmdPage runs an example of a manual page as it stands there, then LINE in the
// same shell.
func cmdPage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: page NAME N [LINE]")
	}
	lines, err := pageExamples("../../man/" + args[0])
	ts.Check(err)
	number := statusArg(ts, args[1])
	if number < 1 || number > len(lines) {
		ts.Fatalf("there are %d examples", len(lines))
	}
	expect(ts, 0, "bash", "-o", "pipefail", "-c", here(ts, lines[number-1])+strings.Join(args[2:], ""))
}

// pageExamples are the lines that a manual page shows by themselves.
func pageExamples(path string) ([]string, error) {
	page, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	roff := strings.NewReplacer(`\(aq`, "'", `\(dq`, `"`, `\e`, `\`, `\&`, "")
	var lines []string
	for _, match := range regexp.MustCompile(`(?m)^\.Dl (.*)$`).FindAllStringSubmatch(string(page), -1) {
		if strings.Contains(match[1], `"`) {
			return nil, fmt.Errorf(`%s: a double quote that is not written \(dq does not show: %s`, path, match[1])
		}
		lines = append(lines, roff.Replace(match[1]))
	}
	return lines, nil
}

// notRun are the blocks that no script runs, and why.
var notRun = map[string]string{
	"make demo":  "it builds the tools, and runs the tests",
	"#!/usr/bin": "the first lines of a script",
	"MAILTO":     "a crontab",
}

// TestManualIsRun fails for an example of the help, or a block of a document,
// that no script runs.
func TestManualIsRun(t *testing.T) {
	scripts := ""
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		scripts += string(text)
	}
	for name, examples := range allExamples() {
		for i, e := range examples {
			command := "example " + name + " " + strconv.Itoa(i+1)
			if !regexp.MustCompile(`(?m)^(\[exec:\w+\] )?` + command + `( |$)`).MatchString(scripts) {
				t.Errorf("no script has the line %q: %s", command, e.Line)
			}
		}
	}

	pages, err := filepath.Glob("../../man/*.7")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, path := range pages {
		lines, err := pageExamples(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range lines {
			command := "page " + filepath.Base(path) + " " + strconv.Itoa(i+1)
			if !regexp.MustCompile(`(?m)^(\[exec:\w+\] )?` + command + `( |$)`).MatchString(scripts) {
				t.Errorf("no script has the line %q: %s", command, line)
			}
		}
	}

	var begins []string
	for _, match := range readmeLine.FindAllStringSubmatch(scripts, -1) {
		begins = append(begins, strings.ReplaceAll(match[1], "''", "'"))
	}
	for words := range notRun {
		begins = append(begins, words)
	}
	blocks, err := documentBlocks()
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks {
		if !slices.ContainsFunc(begins, func(words string) bool { return strings.HasPrefix(block, words) }) {
			t.Errorf("no script runs the block\n%s", block)
		}
	}
}

var readmeLine = regexp.MustCompile(`(?m)^readme '((?:[^']|'')+)'`)
