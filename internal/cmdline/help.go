package cmdline

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"
)

// writeHelp prints all that a person needs to use the command, the examples
// first.
func (c *Command) writeHelp(w io.Writer, path string) {
	fmt.Fprintf(w, "%s: %s\n\n", path, c.Summary)
	c.writeUsage(w, path)
	c.writeExamples(w, c.Examples)
	if c.Description != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.Description))
	}
	if len(c.Verbs) > 0 {
		fmt.Fprintf(w, "\nVerbs:\n")
		rows := make([][2]string, len(c.Verbs))
		for i, verb := range c.Verbs {
			rows[i] = [2]string{verb.Name, verb.Summary}
		}
		writeColumns(w, rows)
		fmt.Fprintf(w, "\n%s VERB --help tells more.\n", path)
	}
	fmt.Fprintf(w, "\nFlags:\n")
	flags := c.AllFlags()
	rows := make([][2]string, len(flags))
	for i, f := range flags {
		rows[i] = flagHelp(f)
	}
	writeColumns(w, rows)
}

func (c *Command) writeUsage(w io.Writer, path string) {
	usage := "usage: " + path
	if len(c.Verbs) > 0 {
		usage += " VERB"
	}
	usage += " [flags]"
	if c.Operands != "" {
		usage += " " + c.Operands
	}
	fmt.Fprintln(w, usage)
}

func (c *Command) writeExamples(w io.Writer, examples []Example) {
	for _, e := range examples {
		fmt.Fprintf(w, "\n  # %s\n  %s\n", e.Comment, e.Line)
	}
}

// writeShortHelp is the answer to a call without input.
func (c *Command) writeShortHelp(w io.Writer, path string) {
	c.writeUsage(w, path)
	c.writeExamples(w, c.Examples[:min(2, len(c.Examples))])
	fmt.Fprintf(w, "\n%s --help tells more.\n", path)
}

const (
	helpWidth  = 80
	maxNameCol = 26 // a longer name has its text on the next line
)

// writeColumns prints names and texts side by side, the texts wrapped.
func writeColumns(w io.Writer, rows [][2]string) {
	column := 0
	for _, row := range rows {
		if n := len(row[0]) + 4; n <= maxNameCol {
			column = max(column, n)
		}
	}
	for _, row := range rows {
		left := "  " + row[0]
		for i, text := range wrap(row[1], helpWidth-column) {
			if i == 0 && len(left)+2 > column {
				fmt.Fprintln(w, left)
				left = ""
			}
			fmt.Fprintf(w, "%-*s%s\n", column, left, text)
			left = ""
		}
	}
}

// wrap breaks text into lines of at most width characters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// flagHelp is a flag's names and text.
func flagHelp(f cli.Flag) [2]string {
	doc := f.(cli.DocGenerationFlag)
	value, text := unquoteUsage(doc.GetUsage())
	names := "    "
	for _, name := range f.Names() {
		if len(name) == 1 {
			names = "-" + name + ", "
		}
	}
	names += "--" + f.Names()[0]
	if doc.TakesValue() {
		names += " " + value
	}
	if def := doc.GetValue(); doc.TakesValue() && def != "" && def != "0" && def != "0s" && def != "[]" {
		text += " (default " + def + ")"
	}
	return [2]string{names, text}
}

// unquoteUsage takes the name of the value, in backquotes, out of a usage.
func unquoteUsage(usage string) (value, text string) {
	before, rest, ok := strings.Cut(usage, "`")
	if !ok {
		return "VALUE", usage
	}
	value, after, _ := strings.Cut(rest, "`")
	return value, before + value + after
}

// Version is the version of the build.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// version is the build's own account of what it is.
func version(tool string) string {
	return fmt.Sprintf("%s (pipeworks) %s %s %s/%s", tool, Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
