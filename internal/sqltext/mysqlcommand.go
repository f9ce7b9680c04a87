package sqltext

import (
	"bytes"
	"strings"
)

// clientCommands are the mysql client's own words, and whether they take an
// argument. A word that takes none is a command only when it stands alone.
var clientCommands = map[string]bool{
	"?": true, "help": true, "clear": false, "connect": true, "delimiter": true, "edit": false,
	"ego": false, "exit": false, "go": false, "nopager": false, "notee": false, "pager": true,
	"print": false, "prompt": true, "quit": false, "rehash": false, "source": true,
	"status": false, "system": true, "tee": true, "use": true, "charset": true,
	"warnings": false, "nowarning": false, "resetconnection": false,
}

// longestCommand is the length of the longest of them.
const longestCommand = len("resetconnection")

const refuseHint = "sqlpipe runs SQL alone, and no command of the mysql client but DELIMITER, USE, \\g and \\G"

// command is the client command that text begins with, in lower case, "" if it
// begins with none. The word ends at a blank or at the end of text.
func command(text []byte) (name string, argument []byte) {
	word := text
	if i := bytes.IndexAny(text, " \t"); i >= 0 {
		word, argument = text[:i], bytes.TrimSpace(text[i:])
	}
	if len(word) > longestCommand {
		return "", nil
	}
	name = strings.ToLower(string(word))
	takesArgument, ok := clientCommands[name]
	if !ok || len(argument) > 0 && !takesArgument {
		return "", nil
	}
	return name, argument
}

// lineCommand takes the line at s.pos if it is a command: DELIMITER is obeyed,
// USE is a statement that needs no terminator, any other is refused. As in the
// client, a line with the delimiter in it is none, but for DELIMITER. none is
// true if the line is no command; the zero step asks for more input.
func (m *mysqlSplitter) lineCommand(s *Scanner) (st step, none bool, err error) {
	line, _, whole := bytes.Cut(s.buf[s.pos:], []byte{'\n'})
	whole = whole || s.eof
	line = bytes.TrimRight(line, "\r")
	name, argument := command(line)
	if !whole {
		// Wait for the line only if it can still become a command.
		if name == "" && !mayBecomeCommand(line) {
			return step{}, true, nil
		}
		if !maybeDelimiter(line) && m.ends(line) {
			return step{}, true, nil
		}
		return step{}, false, nil
	}
	if name == "" || name != "delimiter" && m.ends(line) {
		return step{}, true, nil
	}
	begin := s.pos
	s.pos += len(line)
	switch name {
	case "delimiter":
		return step{kind: dropped}, false, m.delimiterCommand(s, begin, argument)
	case "use":
		s.begin = begin
		return step{kind: done, end: s.pos}, false, nil
	}
	refused := s.fail(begin, "the client command %s", name)
	refused.hint = refuseHint
	return step{}, false, refused
}

// ends reports whether a terminator stands in the line.
func (m *mysqlSplitter) ends(line []byte) bool {
	return bytes.Contains(line, m.delimiter) || bytes.Contains(line, []byte(`\g`))
}

// maybeDelimiter reports whether a line begins with the word DELIMITER, or is
// the beginning of it.
func maybeDelimiter(line []byte) bool {
	const word = "delimiter"
	n := min(len(line), len(word))
	return strings.EqualFold(string(line[:n]), word[:n])
}

// mayBecomeCommand reports whether the first word of an unfinished line is the
// beginning of a command.
func mayBecomeCommand(line []byte) bool {
	word := line
	if i := bytes.IndexAny(line, " \t"); i >= 0 {
		return false // the word is whole, and command knows it
	}
	if len(word) > longestCommand {
		return false
	}
	lower := strings.ToLower(string(word))
	for name := range clientCommands {
		if strings.HasPrefix(name, lower) {
			return true
		}
	}
	return false
}

func (m *mysqlSplitter) delimiterCommand(s *Scanner, begin int, argument []byte) error {
	delimiter := argument
	if len(argument) > 0 && strings.IndexByte("'\"`", argument[0]) >= 0 {
		quote := argument[0]
		delimiter, _, _ = bytes.Cut(argument[1:], []byte{quote})
	} else if i := bytes.IndexAny(argument, " \t"); i >= 0 {
		delimiter = argument[:i]
	}
	switch {
	case len(delimiter) == 0:
		return s.fail(begin, "DELIMITER needs an argument")
	case bytes.IndexByte(delimiter, '\\') >= 0:
		return s.fail(begin, "DELIMITER cannot be a backslash")
	}
	m.setDelimiter(delimiter)
	return nil
}

// check refuses a statement that is a client command.
func (m *mysqlSplitter) check(s *Scanner, end int) error {
	name, _ := command(bytes.TrimRight(s.buf[s.begin:end], "\r\n"))
	if name == "" || name == "use" {
		return nil
	}
	err := s.fail(s.begin, "the client command %s", name)
	err.hint = refuseHint
	return err
}
