package cmdline

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// writeHelp prints all that a person needs to use the command, the examples
// first.
func (c *Command) writeHelp(w io.Writer, path string) {
	c.writeHead(w, path, c.Examples)
	if c.Description != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.Description))
	}
	c.writeVerbs(w, path)
	fmt.Fprintf(w, "\nFlags:\n")
	flags := c.AllFlags()
	rows := make([][2]string, len(flags))
	for i, f := range flags {
		rows[i] = flagHelp(f)
	}
	writeColumns(w, rows)
}

// writeShortHelp prints a screen of help: two examples, the usual flags, and
// the names of the others. It is the answer to a call without input, too.
func (c *Command) writeShortHelp(w io.Writer, path string, usual []string) {
	c.writeHead(w, path, c.Examples[:min(2, len(c.Examples))])
	c.writeVerbs(w, path)
	var rows [][2]string
	others := []string{"Also:"}
	for _, f := range c.AllFlags() {
		name := f.Names()[0]
		if !slices.Contains(usual, name) {
			others = append(others, "--"+name)
			continue
		}
		row := flagHelp(f)
		row[1], _, _ = strings.Cut(row[1], " (default")
		row[1], _, _ = strings.Cut(row[1], "; ")
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		writeColumns(w, rows)
	}
	fmt.Fprintf(w, "\n%s\n%s --help tells all.\n", strings.Join(wrap(strings.Join(others, " "), helpWidth), "\n"), path)
}

func (c *Command) writeHead(w io.Writer, path string, examples []Example) {
	fmt.Fprintf(w, "%s: %s\n\nusage: %s", path, c.Summary, path)
	if len(c.Verbs) > 0 {
		fmt.Fprint(w, " VERB")
	}
	fmt.Fprint(w, " [flags]")
	if c.Operands != "" {
		fmt.Fprint(w, " "+c.Operands)
	}
	fmt.Fprintln(w)
	for _, e := range examples {
		fmt.Fprintf(w, "\n  # %s\n  %s\n", e.Comment, e.Line)
	}
}

func (c *Command) writeVerbs(w io.Writer, path string) {
	if len(c.Verbs) == 0 {
		return
	}
	fmt.Fprintf(w, "\nVerbs:\n")
	rows := make([][2]string, len(c.Verbs))
	for i, verb := range c.Verbs {
		rows[i] = [2]string{verb.Name, verb.Summary}
	}
	writeColumns(w, rows)
	fmt.Fprintf(w, "\n%s VERB -h tells more.\n", path)
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
