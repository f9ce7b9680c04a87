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
	"print": false, "prompt": true, "quit": false, "rehash": false, "sandbox": false, "source": true,
	"status": false, "system": true, "tee": true, "use": true, "charset": true,
	"warnings": false, "nowarning": false, "resetconnection": false, "query_attributes": true,
	"ssl_session_data_print": true,
}

// longestCommand is the length of the longest of them.
const longestCommand = len("ssl_session_data_print")

// command is the client command that text begins with, in lower case, and what
// stands behind its word; "" if it begins with none. The word ends at a blank
// or at the end of text.
func command(text []byte) (name string, rest []byte) {
	word := text
	if i := bytes.IndexAny(text, " \t"); i >= 0 {
		word, rest = text[:i], text[i:]
	}
	if len(word) > longestCommand {
		return "", nil
	}
	name = strings.ToLower(string(word))
	takesArgument, ok := clientCommands[name]
	if !ok {
		return "", nil
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		if arg, _ := argument(rest, true); !takesArgument || len(arg) == 0 {
			return "", nil
		}
	}
	return name, rest
}

// argument is the first argument in text, as the client reads it, and what
// stands behind it: up to a blank, or in quotes. A backslash hides the next
// byte, but not in backticks, and so does a quote inside its quotes if doubled
// is true. It is empty if the closing quote is missing.
func argument(text []byte, doubled bool) (arg, rest []byte) {
	for len(text) > 0 && isSpace(text[0]) {
		text = text[1:]
	}
	closing := byte(' ')
	if len(text) > 0 && strings.IndexByte("'\"`", text[0]) >= 0 {
		closing, text = text[0], text[1:]
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == closing && (closing == ' ' || !doubled || i+1 == len(text) || text[i+1] != c) {
			return arg, text[i+1:]
		}
		if i+1 < len(text) && (c == '\\' && closing != '`' || c == closing) {
			i++
		}
		arg = append(arg, text[i])
	}
	if closing != ' ' {
		return nil, nil
	}
	return arg, nil
}

// lineCommand takes the line at s.pos if it is a command that needs no
// terminator. As in the client, a line with a terminator in it is none, but for
// DELIMITER. none is true if the line is no command; the zero step asks for
// more input.
func (m *mysqlSplitter) lineCommand(s *Scanner) (st step, none bool) {
	line, whole := s.restOfLine()
	name, _ := command(line)
	if !whole {
		// Wait for the line only if it can still become a command.
		if name == "" && !mayBecomeCommand(line) {
			return step{}, true
		}
		if !maybeDelimiter(line) && m.ends(line) {
			return step{}, true
		}
		return step{}, false
	}
	if name == "" || m.ends(line) && name != "delimiter" || bytes.Contains(line, []byte(`\g`)) {
		return step{}, true
	}
	s.start()
	m.returns = m.returns[:0]
	s.pos += len(line)
	return step{kind: done, end: s.pos}, false
}

// restOfLine is the line from s.pos on without its end; whole is false if the
// buffer ends first.
func (s *Scanner) restOfLine() (line []byte, whole bool) {
	line, _, whole = bytes.Cut(s.buf[s.pos:], []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), whole || s.eof
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
		word = line[:i]
	}
	if len(word) > longestCommand {
		return false
	}
	lower := strings.ToLower(string(word))
	if len(word) < len(line) {
		_, ok := clientCommands[lower]
		return ok // its argument may not be whole
	}
	for name := range clientCommands {
		if strings.HasPrefix(name, lower) {
			return true
		}
	}
	return false
}

// statement runs the command that the statement in hand is, and returns what
// is to be sent: nothing, but for USE.
func (m *mysqlSplitter) statement(s *Scanner, end int) ([]byte, error) {
	// The client drops all that cannot be seen at the end.
	text := m.withoutReturns(bytes.TrimRightFunc(s.buf[s.begin:end], func(r rune) bool { return r <= ' ' || r == 0x7f }))
	name, rest := command(text)
	if name == "" {
		// The client sees no comment.
		word, _, _ := bytes.Cut(text[:min(len(text), longestCommand+len("/*"))], []byte("/*"))
		if name, _ = command(word); name == "" || name == "use" || len(word) == len(text) {
			return text, nil
		}
		return nil, s.refuse(s.begin, "%s", name)
	}
	switch name {
	case "use":
		return s.use(text, rest)
	case "delimiter":
		// Behind a statement on the same line the client takes for the
		// delimiter what stands in the lines that follow, too.
		if bytes.IndexByte(text, '\n') >= 0 {
			return nil, s.refuse(s.begin, "delimiter, which is a line of its own")
		}
		arg, _ := argument(s.buf[s.begin+len(name):end], true)
		return nil, m.obeyDelimiter(s, s.begin, arg)
	case "source":
		return nil, s.source(s.begin, rest)
	}
	return nil, s.refuse(s.begin, "%s", name)
}

// use is a USE as SQL, which wants quotes where the client wants none: USE
// my-shop. What stands behind the name, which the client drops, may be a
// comment.
func (s *Scanner) use(text, rest []byte) ([]byte, error) {
	name, behind := argument(rest, true)
	if len(name) == 0 || bytes.ContainsFunc(name, func(r rune) bool { return r <= ' ' }) || !isOneComment(bytes.TrimSpace(behind)) {
		err := s.fail(s.begin, "USE takes one name")
		err.hint = "what follows it stands on a line of its own, or behind a terminator"
		return nil, err
	}
	if !bytes.ContainsFunc(name, func(r rune) bool { return r < 0x80 && !isWord(byte(r)) }) && bytes.Equal(bytes.TrimSpace(rest), name) {
		return text, nil
	}
	return MySQL.AppendIdent([]byte("USE "), string(name)), nil
}

// isOneComment reports whether text is a comment and no more, or nothing.
func isOneComment(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	if text[0] == '#' || bytes.HasPrefix(text, []byte("-- ")) {
		return bytes.IndexByte(text, '\n') < 0
	}
	return isComment(text) && bytes.Index(text[2:], []byte("*/"))+4 == len(text)
}

// shortCommand takes \d and \. between statements. none is true if another
// command stands at s.pos.
func (m *mysqlSplitter) shortCommand(s *Scanner) (st step, none bool, err error) {
	line, whole := s.restOfLine()
	if len(line) < 2 {
		return step{}, whole, nil
	}
	if line[1] != 'd' && line[1] != '.' || m.macro {
		return step{}, true, nil
	}
	if !whole {
		return step{}, false, nil
	}
	begin := s.pos
	if line[1] == '.' {
		s.pos += len(line)
		return step{kind: dropped}, false, s.source(begin, line[2:])
	}
	arg, _ := argument(line[2:], false)
	if err := m.obeyDelimiter(s, begin, arg); err != nil {
		return step{}, false, err
	}
	// The client goes on behind the first delimiter of the new kind: the argument.
	if i := bytes.Index(line[2:], m.delimiter); i >= 0 {
		s.pos += 2 + i + len(m.delimiter)
	} else {
		s.pos += len(line)
	}
	return step{kind: dropped}, false, nil
}

func (m *mysqlSplitter) obeyDelimiter(s *Scanner, begin int, delimiter []byte) error {
	switch {
	case len(delimiter) == 0:
		return s.fail(begin, "DELIMITER needs an argument")
	case bytes.IndexByte(delimiter, '\\') >= 0:
		return s.fail(begin, "DELIMITER cannot be a backslash")
	}
	m.setDelimiter(delimiter)
	return nil
}

// refuse is the error of a client command, which is named as in fmt.Sprintf.
func (s *Scanner) refuse(at int, format string, args ...any) *ScanError {
	err := s.fail(at, "the client command "+format, args...)
	err.hint = `sqlpipe runs SQL alone, and no command of the mysql client but DELIMITER, USE, \g, \G, \d and, with --allow-source, source`
	return err
}
