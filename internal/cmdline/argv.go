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
	brief    bool // the help that is wanted was last asked for by -h
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
	table := newFlagTable(l.command.AllFlags())
	values := map[string][]string{} // of each flag given, by its first name
	var order []string
	set := func(f cli.Flag, value string) {
		name := f.Names()[0]
		l.brief = l.brief && name != "help"
		if _, given := values[name]; !given {
			order = append(order, name)
		}
		if _, ok := f.(*cli.DurationFlag); ok && isDecimal(value) {
			value += "s" // as curl and timeout read a bare number
		}
		if !repeats(f) {
			values[name] = nil
		}
		values[name] = append(values[name], value)
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			l.operands = append(l.operands, args...)
			args = nil
		case strings.HasPrefix(arg, "--"):
			name, value, hasValue := strings.Cut(arg[2:], "=")
			f := table[name]
			switch {
			case f == nil || len(name) == 1:
				return l, l.unknownFlag("--"+name, table)
			case !takesValue(f) && hasValue:
				return l, Usagef("--%s takes no value", name)
			case takesValue(f) && !hasValue:
				if len(args) == 0 {
					return l, Usagef("--%s needs a value", name)
				}
				value, args = args[0], args[1:]
			}
			set(f, value)
		case len(arg) > 1 && arg[0] == '-':
			for letters := arg[1:]; letters != ""; {
				f := table[letters[:1]]
				if f == nil {
					return l, l.unknownFlag("-"+firstRune(letters), table)
				}
				name := letters[:1]
				letters = letters[1:]
				if !takesValue(f) {
					set(f, "")
					l.brief = l.brief || name == "h"
					continue
				}
				if letters == "" {
					if len(args) == 0 {
						return l, Usagef("-%s needs a value", name)
					}
					letters, args = args[0], args[1:]
				}
				set(f, letters)
				letters = ""
			}
		default:
			l.operands = append(l.operands, arg)
		}
	}
	for _, name := range order {
		for _, value := range values[name] {
			flag := "--" + name
			if takesValue(table[name]) {
				flag += "=" + value
			}
			l.flags = append(l.flags, flag)
		}
	}
	return l, nil
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

func (l *line) unknownFlag(flag string, table flagTable) error {
	var names []string
	for name := range table {
		if len(name) > 1 {
			names = append(names, "--"+name)
		}
	}
	slices.Sort(names)
	hint := l.command.FlagHint
	if hint == "" {
		hint = l.path + " -h shows the flags"
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
