package dburl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Option files are read as the mysql client reads them (mysys/my_default.c of
// MariaDB), line by line and in one order: of the options of all groups the
// last one counts. What differs is that a malformed line is an error in an
// included file, too, that a last line may lack its end, and that a line may be
// longer than 4 KiB.

// optionGroups are those of the mariadb client, and our own.
var optionGroups = []string{"mysql", "mariadb-client", "client", "client-server", "client-mariadb", "sqlpipe"}

// option is one line of an option file: name, or name=value.
type option struct {
	name  string
	value string
	bare  bool // there is no =
	where string
}

// optionFiles collects options.
type optionFiles struct {
	groups  []string
	home    string
	warn    func(message string)
	options []option
}

// newOptionFiles honours the variables that add groups: client_test, say, for
// the suffix _test.
func newOptionFiles(getenv func(string) string, warn func(string)) *optionFiles {
	f := &optionFiles{groups: optionGroups, home: getenv("HOME"), warn: warn}
	suffix := getenv("MARIADB_GROUP_SUFFIX")
	if suffix == "" {
		suffix = getenv("MYSQL_GROUP_SUFFIX")
	}
	if suffix != "" {
		for _, g := range optionGroups {
			f.groups = append(f.groups, g+suffix)
		}
	}
	return f
}

// readDefaults reads the files that every client reads, and extra, unless it is
// empty, before the user's own.
func (f *optionFiles) readDefaults(getenv func(string) string, extra string) error {
	home := getenv("MARIADB_HOME")
	if home == "" {
		home = getenv("MYSQL_HOME")
	}
	paths := []string{"/etc/my.cnf", "/etc/mysql/my.cnf"}
	if home != "" {
		paths = append(paths, filepath.Join(home, "my.cnf"))
	}
	for _, path := range paths {
		if err := f.readIfThere(path, 0); err != nil {
			return err
		}
	}
	if extra != "" {
		if err := f.read(extra, 0); err != nil {
			return err
		}
	}
	if f.home == "" {
		return nil
	}
	return f.readIfThere(filepath.Join(f.home, ".my.cnf"), 0)
}

// readIfThere passes over a file that is not there or not for this user.
func (f *optionFiles) readIfThere(path string, depth int) error {
	err := f.read(path, depth)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// maxIncludes is how deep files may include others.
const maxIncludes = 10

// read reads a file that another one at depth has included.
func (f *optionFiles) read(path string, depth int) error {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && f.home != "" {
		path = filepath.Join(f.home, rest)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() && info.Mode()&0o002 != 0 {
		f.warn(fmt.Sprintf("the option file %s is not read: everybody can write to it", path))
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return f.parse(path, string(text), depth)
}

func (f *optionFiles) parse(path, text string, depth int) error {
	group, inGroup := "", false
	number := 0
	for line := range strings.Lines(text) {
		number++
		malformed := func(what string) error {
			return &usageError{fmt.Sprintf("option file %s: line %d: %s", path, number, what), hintOptionFile}
		}
		line = trimOption(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '!':
			if err := f.directive(trimOption(line[1:]), depth); errors.Is(err, errNoPath) {
				return malformed(err.Error())
			} else if err != nil {
				return err
			}
		case line[0] == '[':
			name, _, ok := strings.Cut(line[1:], "]")
			if !ok {
				return malformed("a group without its closing bracket")
			}
			group, inGroup = strings.TrimRight(name, optionSpace), true
		case !inGroup:
			return malformed("an option before the first [group]")
		case f.wanted(group):
			o := parseOption(line)
			if o.name == "" {
				return malformed("an option without a name")
			}
			o.where = fmt.Sprintf("option file %s: line %d", path, number)
			f.options = append(f.options, o)
		}
	}
	return nil
}

// unreadable is the error of an option file that must be read.
func unreadable(err error) error {
	if _, ok := errors.AsType[*usageError](err); ok {
		return err
	}
	return &usageError{"option file: " + err.Error(), hintOptionFile}
}

const hintOptionFile = "--no-defaults reads none, --defaults-file another"

func (f *optionFiles) wanted(group string) bool {
	for _, g := range f.groups {
		if strings.EqualFold(g, group) {
			return true
		}
	}
	return false
}

var errNoPath = errors.New("!include and !includedir take a path")

// directive is !include FILE, which need not be there, or !includedir DIR, for
// the files in it that end in .cnf, in the order of their names.
func (f *optionFiles) directive(line string, depth int) error {
	if depth == maxIncludes {
		f.warn("option files include each other too deep: !" + line)
		return nil
	}
	word, path := line, ""
	if i := strings.IndexAny(line, optionSpace); i >= 0 {
		word, path = line[:i], trimOption(line[i:])
	}
	switch word {
	case "include":
		if path == "" {
			return errNoPath
		}
		return f.readIfThere(path, depth+1)
	case "includedir":
		if path == "" {
			return errNoPath
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if filepath.Ext(e.Name()) != ".cnf" {
				continue
			}
			if err := f.readIfThere(filepath.Join(path, e.Name()), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseOption reads name or name=value.
func parseOption(line string) option {
	line = trimOption(cutOptionComment(line))
	name, value, ok := strings.Cut(line, "=")
	name = strings.TrimRight(name, optionSpace)
	if !ok {
		return option{name: name, bare: true}
	}
	value = trimOption(value)
	if n := len(value); n > 1 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	return option{name: name, value: unescapeOption(value)}
}

// cutOptionComment drops a # outside of quotes and what is behind it.
func cutOptionComment(line string) string {
	quote, escaped := byte(0), false
	for i := range len(line) {
		c := line[i]
		switch {
		case (c == '\'' || c == '"') && !escaped && quote == 0:
			quote = c
		case c == quote && !escaped:
			quote = 0
		case c == '#' && quote == 0:
			return line[:i]
		}
		escaped = quote != 0 && c == '\\' && !escaped
	}
	return line
}

// unescapeOption reads the escapes of a value; a backslash before any other
// byte stays.
func unescapeOption(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			if j := strings.IndexByte(`ntrbs"'\`, s[i+1]); j >= 0 {
				i++
				b.WriteByte("\n\t\r\b \"'\\"[j])
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// optionSpace is white space to the client, but for the byte 0xA0, which is one
// in Latin-1 and the end of letters in UTF-8.
const optionSpace = " \t\n\v\f\r"

func trimOption(s string) string { return strings.Trim(s, optionSpace) }
