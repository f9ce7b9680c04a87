package cmdline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"
)

// The flag parser under urfave/cli takes every argument behind the first
// operand for an operand, and knows neither -j4 nor -qv. normalise brings an
// argument list that follows POSIX and GNU habits into the one form that it
// reads right: the verb, flags as --name=value with the last one winning, "--",
// operands. It is idempotent.

// line is a normalised argument list.
type line struct {
	command  *Command // the verb's, or the tool's own
	path     string   // what calls it: the tool's name, and the verb's
	flags    []string // --name or --name=value
	operands []string
	brief    bool // help was asked for by -h
}

// args is the list that urfave/cli is given, without the verb.
func (l *line) args() []string {
	return append(append(slices.Clone(l.flags), "--"), l.operands...)
}

func (l *line) has(name string) bool { return slices.Contains(l.flags, "--"+name) }

// value is what a flag that takes one was given, empty if it was not given.
func (l *line) value(name string) string {
	for _, flag := range l.flags {
		if value, ok := strings.CutPrefix(flag, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}

// flagTable finds flags by any of their names.
type flagTable map[string]cli.Flag

func newFlagTable(flags []cli.Flag) flagTable {
	t := flagTable{}
	for _, f := range flags {
		for _, name := range f.Names() {
			t[name] = f
		}
	}
	return t
}

func takesValue(f cli.Flag) bool {
	doc, ok := f.(cli.DocGenerationFlag)
	return ok && doc.TakesValue()
}

func repeats(f cli.Flag) bool {
	slice, ok := f.(cli.DocGenerationSliceFlag)
	return ok && slice.IsSliceFlag()
}

func normalise(root *Command, args []string) (*line, error) {
	l := &line{command: root, path: root.Name}
	if len(root.Verbs) > 0 {
		var err error
		if args, err = l.takeVerb(root, args); err != nil {
			return l, err
		}
	}
	g := &given{line: l, table: newFlagTable(l.command.AllFlags()), values: map[string][]string{}}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case arg == "--":
			l.operands = append(l.operands, args...)
			args = nil
		case strings.HasPrefix(arg, "--"):
			args, err = g.long(arg[2:], args)
		case len(arg) > 1 && arg[0] == '-':
			args, err = g.short(arg[1:], args)
		default:
			l.operands = append(l.operands, arg)
		}
		if err != nil {
			return l, err
		}
	}
	l.flags = g.flags()
	return l, nil
}

// given are the flags of a line as they were given.
type given struct {
	*line
	table  flagTable
	values map[string][]string // by the flags' first names
	order  []string            // of these, as each came first
}

// long takes a flag that was given as --text, and its value out of args if that
// is there. It returns the rest of args.
func (g *given) long(text string, args []string) ([]string, error) {
	name, value, hasValue := strings.Cut(text, "=")
	f := g.table[name]
	switch {
	case f == nil || len(name) == 1:
		return args, g.unknownFlag("--" + name)
	case !takesValue(f) && hasValue:
		return args, Usagef("--%s takes no value", name)
	case takesValue(f) && !hasValue:
		if len(args) == 0 {
			return args, Usagef("--%s needs a value", name)
		}
		value, args = args[0], args[1:]
	}
	g.set(f, name, value)
	return args, nil
}

// short takes the flags that were given as -letters, and the value of the last
// one out of args if that is there. It returns the rest of args.
func (g *given) short(letters string, args []string) ([]string, error) {
	for letters != "" {
		name := letters[:1]
		f := g.table[name]
		if f == nil {
			return args, g.unknownFlag("-" + firstRune(letters))
		}
		letters = letters[1:]
		value := ""
		if takesValue(f) {
			if letters == "" {
				if len(args) == 0 {
					return args, Usagef("-%s needs a value", name)
				}
				letters, args = args[0], args[1:]
			}
			value, letters = letters, ""
		}
		g.set(f, name, value)
	}
	return args, nil
}

func (g *given) set(f cli.Flag, as, value string) {
	name := f.Names()[0]
	if name == "help" {
		g.brief = as == "h"
	}
	if _, again := g.values[name]; !again {
		g.order = append(g.order, name)
	}
	if _, ok := f.(*cli.DurationFlag); ok && isDecimal(value) {
		value += "s" // as curl and timeout read a bare number
	}
	if !repeats(f) {
		g.values[name] = nil
	}
	g.values[name] = append(g.values[name], value)
}

// flags are the flags of the normalised line.
func (g *given) flags() (flags []string) {
	for _, name := range g.order {
		for _, value := range g.values[name] {
			flag := "--" + name
			if takesValue(g.table[name]) {
				flag += "=" + value
			}
			flags = append(flags, flag)
		}
	}
	return flags
}

// takeVerb takes the verb, the first operand, out of args. Flags may stand
// before it, so that an alias may hold some.
func (l *line) takeVerb(root *Command, args []string) ([]string, error) {
	flags := root.AllFlags()
	for _, verb := range root.Verbs {
		flags = append(flags, verb.AllFlags()...)
	}
	table := newFlagTable(flags)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			break
		}
		if len(arg) > 1 && arg[0] == '-' {
			if valueFollows(table, arg) {
				i++
			}
			continue
		}
		for _, verb := range root.Verbs {
			if verb.Name == arg {
				l.command, l.path = verb, root.Name+" "+arg
				return slices.Delete(slices.Clone(args), i, i+1), nil
			}
		}
		names := root.verbNames()
		hint := "the verbs are " + strings.Join(names, ", ")
		if j := slices.IndexFunc(args[i:], func(s string) bool { return slices.Contains(names, s) }); j > 0 {
			hint = fmt.Sprintf("the verb stands first: %s %s", root.Name, args[i+j])
		}
		return args, &usageError{err: fmt.Errorf("unknown verb %q", arg), hint: suggest(arg, names, hint)}
	}
	return args, nil
}

// valueFollows reports whether arg is a flag whose value is the next argument.
func valueFollows(table flagTable, arg string) bool {
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		f := table[name]
		return f != nil && takesValue(f)
	}
	for i := 1; i < len(arg); i++ {
		if f := table[arg[i:i+1]]; f == nil {
			return false
		} else if takesValue(f) {
			return i == len(arg)-1
		}
	}
	return false
}

func isDecimal(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") == ""
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

func (g *given) unknownFlag(flag string) error {
	var names []string
	for name := range g.table {
		if len(name) > 1 {
			names = append(names, "--"+name)
		}
	}
	slices.Sort(names)
	hint := g.command.FlagHint
	if hint == "" {
		hint = g.path + " -h shows the flags"
	}
	return &usageError{err: fmt.Errorf("unknown flag %s", flag), hint: suggest(flag, names, hint)}
}

// suggest names the word that was probably meant.
func suggest(word string, words []string, otherwise string) string {
	best, distance := "", 3 // more than two typing errors are another word
	for _, w := range words {
		if d := smetrics.WagnerFischer(word, w, 1, 1, 1); d < distance && d < len(word)/2 {
			best, distance = w, d
		}
	}
	if best == "" {
		return otherwise
	}
	return "did you mean " + best + "?"
}
