package cmdline

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"
)

// shells are those that completions are written for.
var shells = []string{"bash", "zsh", "fish"}

// writeCompletion prints the completions of the tool c for a shell: a script
// that knows all of c's verbs and flags and never runs the tool.
func (c *Command) writeCompletion(w io.Writer, shell string) error {
	switch shell {
	case "bash":
		c.writeBash(w)
	case "zsh":
		c.writeZsh(w)
	case "fish":
		c.writeFish(w)
	default:
		return Usagef("--completion %s: the shells are %s", shell, strings.Join(shells, ", "))
	}
	return nil
}

// commands are what the flags can belong to: the tool itself, whose name on the
// command line is nothing, and its verbs.
func (c *Command) commands() []*Command { return append([]*Command{c}, c.Verbs...) }

// verbOf is the name of one of the commands behind that of the tool.
func (c *Command) verbOf(command *Command) string {
	if command == c {
		return ""
	}
	return command.Name
}

// completion is what a shell is told of one flag.
type completion struct {
	long, short string // without dashes; short may be empty
	text        string
	value       string   // what the help calls it; empty: the flag takes none
	choices     []string // of the value; nil: anything
	repeats     bool
}

func completionOf(f cli.Flag) completion {
	doc := f.(cli.DocGenerationFlag)
	c := completion{long: f.Names()[0], repeats: repeats(f)}
	for _, name := range f.Names() {
		if len(name) == 1 {
			c.short = name
		}
	}
	value, text := unquoteUsage(doc.GetUsage())
	c.text, _, _ = strings.Cut(text, " (default")
	if doc.TakesValue() {
		c.value, c.choices = value, choices(doc.GetUsage())
	}
	return c
}

var choiceList = regexp.MustCompile("`[A-Z]+`[^:`]*: ((?:[a-z0-9-]+(?: \\([^)]*\\))?, )+[a-z0-9-]+)")

// choices are the values that a flag's usage lists: they stand behind a colon,
// between commas. Nothing else lists them.
func choices(usage string) []string {
	match := choiceList.FindStringSubmatch(usage)
	if match == nil {
		return nil
	}
	list := regexp.MustCompile(` \([^)]*\)`).ReplaceAllString(match[1], "")
	return strings.Split(list, ", ")
}

// takesFiles reports whether the value is the name of a file or directory.
func (c *completion) takesFiles() bool { return c.value == "FILE" || c.value == "DIR" }

func completions(c *Command) []completion {
	flags := c.AllFlags()
	list := make([]completion, len(flags))
	for i, f := range flags {
		list[i] = completionOf(f)
	}
	return list
}

func (c *Command) verbNames() []string {
	names := make([]string, len(c.Verbs))
	for i, verb := range c.Verbs {
		names[i] = verb.Name
	}
	return names
}

// writeBash leaves files to bash itself: it completes them where COMPREPLY
// stays empty.
func (c *Command) writeBash(w io.Writer) {
	verbs := strings.Join(c.verbNames(), " ")
	fmt.Fprintf(w, `# bash completion for %[1]s, made by: %[1]s --completion bash
_%[1]s() {
  local cur=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]} verb='' words=''
  if [[ $cur == '=' ]]; then # bash splits --flag=value in three
    cur=''
  elif [[ $flag == '=' ]]; then
    flag=${COMP_WORDS[COMP_CWORD-2]}
  fi
`, c.Name)
	if verbs != "" {
		fmt.Fprintf(w, `  local word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in %s) verb=$word && break ;; esac
  done
`, strings.ReplaceAll(verbs, " ", " | "))
	}
	fmt.Fprintln(w, "  case $verb:$flag:$cur in")
	for _, command := range c.commands() {
		verb := c.verbOf(command)
		var flags []string
		for _, f := range completions(command) {
			flags = append(flags, "--"+f.long)
			if f.choices == nil {
				continue
			}
			pattern := fmt.Sprintf("%s:--%s:*", verb, f.long)
			if f.short != "" {
				pattern += fmt.Sprintf(" | %s:-%s:*", verb, f.short)
			}
			fmt.Fprintf(w, "    %s) words='%s' ;;\n", pattern, strings.Join(f.choices, " "))
		}
		fmt.Fprintf(w, "    %s:*:-*) words='%s' ;;\n", verb, strings.Join(flags, " "))
	}
	if verbs != "" {
		fmt.Fprintf(w, "    :*) words='%s' ;;\n", verbs)
	}
	fmt.Fprintf(w, `  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o bashdefault -o default -F _%[1]s %[1]s
`, c.Name)
}

func (c *Command) writeZsh(w io.Writer) {
	fmt.Fprintf(w, "#compdef %[1]s\n# zsh completion for %[1]s, made by: %[1]s --completion zsh\n_%[1]s() {\n", c.Name)
	if len(c.Verbs) == 0 {
		c.writeZshArguments(w, "  ", "_arguments -s -S", "'*: :_files'")
	} else {
		fmt.Fprint(w, "  local curcontext=$curcontext state line\n  local -a verbs=(\n")
		for _, verb := range c.Verbs {
			fmt.Fprintf(w, "    %s\n", quoteSh(verb.Name+":"+escape(verb.Summary, ":")))
		}
		fmt.Fprint(w, "  )\n")
		c.writeZshArguments(w, "  ", "_arguments -C -s -S", "'1: :->verb' '*:: :->rest'")
		fmt.Fprint(w, `  case $state in
    verb) _describe verb verbs ;;
    rest)
      case $line[1] in
`)
		for _, verb := range c.Verbs {
			fmt.Fprintf(w, "        %s)\n", verb.Name)
			verb.writeZshArguments(w, "          ", "_arguments -s -S", "'*: :_files'")
			fmt.Fprint(w, "          ;;\n")
		}
		fmt.Fprint(w, "      esac ;;\n  esac\n")
	}
	fmt.Fprintf(w, "}\n_%[1]s \"$@\"\n", c.Name)
}

// writeZshArguments prints the call of _arguments that tells the flags of c, and
// its operands.
func (c *Command) writeZshArguments(w io.Writer, indent, call, operands string) {
	fmt.Fprintf(w, "%s%s \\\n", indent, call)
	for _, f := range completions(c) {
		text := "[" + escape(f.text, "[]:") + "]"
		long, short := "--"+f.long, "-"+f.short
		if f.value != "" {
			long, short = long+"=", short+"+"
			text += ":" + f.value + ":"
			switch {
			case f.choices != nil:
				text += "(" + strings.Join(f.choices, " ") + ")"
			case f.takesFiles():
				text += "_files"
			}
		}
		before := ""
		if f.repeats {
			before = "*"
		} else if f.short != "" {
			before = fmt.Sprintf("(-%s --%s)", f.short, f.long)
		}
		if f.short != "" {
			fmt.Fprintf(w, "%s  %s \\\n", indent, quoteSh(before+short+text))
		}
		fmt.Fprintf(w, "%s  %s \\\n", indent, quoteSh(before+long+text))
	}
	fmt.Fprintf(w, "%s  %s\n", indent, operands)
}

func (c *Command) writeFish(w io.Writer) {
	fmt.Fprintf(w, "# fish completion for %[1]s, made by: %[1]s --completion fish\n", c.Name)
	none := ""
	if len(c.Verbs) > 0 {
		none = " -n 'not __fish_seen_subcommand_from " + strings.Join(c.verbNames(), " ") + "'"
	}
	for _, verb := range c.Verbs {
		fmt.Fprintf(w, "complete -c %s%s -f -a %s -d %s\n", c.Name, none, verb.Name, quoteFish(verb.Summary))
	}
	for _, command := range c.commands() {
		condition := none
		if verb := c.verbOf(command); verb != "" {
			condition = " -n '__fish_seen_subcommand_from " + verb + "'"
		}
		for _, f := range completions(command) {
			line := fmt.Sprintf("complete -c %s%s -l %s", c.Name, condition, f.long)
			if f.short != "" {
				line += " -s " + f.short
			}
			switch {
			case f.choices != nil:
				line += " -x -a '" + strings.Join(f.choices, " ") + "'"
			case f.takesFiles():
				line += " -r -F"
			case f.value != "":
				line += " -x"
			}
			fmt.Fprintf(w, "%s -d %s\n", line, quoteFish(f.text))
		}
	}
}

// quoteSh puts text in single quotes, in which a shell knows no escapes.
func quoteSh(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// quoteFish puts text in single quotes, in which fish knows two escapes.
func quoteFish(text string) string { return "'" + escape(text, `\'`) + "'" }

// escape puts a backslash before each of the special characters.
func escape(text, special string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
