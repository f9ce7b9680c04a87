package sqltext

import (
	"bytes"
)

// mysqlSplitter splits as the mysql client (client/mysql.cc of MariaDB and
// MySQL) does in batch mode: it looks for the delimiter outside of quotes and
// comments, and for its own commands. As the client, it takes the carriage
// returns off the line ends of a statement, but for those in quotes: a value is
// what was written. Unlike the client it keeps the comments.
type mysqlSplitter struct {
	lexer
	delimiter []byte
	stops     [256]bool // the bytes that mean something in a statement
	lineStart bool      // nothing but white space was on this line
	returns   []int     // the places in the statement of the carriage returns that go
}

func newMySQLSplitter() *mysqlSplitter {
	m := &mysqlSplitter{lexer: lexer{client: true}, lineStart: true}
	m.setDelimiter([]byte{';'})
	return m
}

func (m *mysqlSplitter) setDelimiter(delimiter []byte) {
	m.delimiter = bytes.Clone(delimiter)
	m.stops = [256]bool{}
	for _, c := range []byte("'\"`\\#-/*\n") {
		m.stops[c] = true
	}
	m.stops[delimiter[0]] = true
}

func (m *mysqlSplitter) open(inHand bool) string {
	if what := m.lexer.open(); what != "" {
		return what
	}
	if inHand && string(m.delimiter) != ";" {
		return "a statement that the delimiter " + string(m.delimiter) + " should end"
	}
	return ""
}

func (m *mysqlSplitter) next(s *Scanner) (step, error) {
	for {
		if m.mode != inText && !m.skipHidden(s) {
			return step{}, nil
		}
		if s.begin < 0 {
			if st, err := m.gap(s); err != nil || st.kind != more || s.begin < 0 && m.mode == inText {
				return st, err
			}
			continue
		}
		if st, err := m.body(s); err != nil || st.kind != more || m.mode == inText {
			return st, err
		}
	}
}

// skipHidden is skip, but for the line ends in a comment.
func (m *mysqlSplitter) skipHidden(s *Scanner) bool {
	from, inComment := s.pos, m.mode == inComment
	closed := m.skip(s)
	if s.begin >= 0 && inComment {
		m.noteReturns(s, from, s.pos)
	}
	return closed
}

// noteReturns notes the carriage returns before the line feeds of a part of the
// statement in hand.
func (m *mysqlSplitter) noteReturns(s *Scanner, from, to int) {
	for i := from; i < to; i++ {
		if s.buf[i] == '\n' && i > s.begin && s.buf[i-1] == '\r' {
			m.returns = append(m.returns, i-1-s.begin)
		}
	}
}

// withoutReturns is a text without the carriage returns that go.
func (m *mysqlSplitter) withoutReturns(text []byte) []byte {
	if len(m.returns) == 0 || m.returns[0] >= len(text) {
		return text
	}
	kept := make([]byte, 0, len(text))
	from := 0
	for _, i := range m.returns {
		if i < len(text) {
			kept = append(kept, text[from:i]...)
			from = i + 1
		}
	}
	return append(kept, text[from:]...)
}

// gap goes over what stands between statements. It stops in front of one, in a
// comment, or behind a command.
func (m *mysqlSplitter) gap(s *Scanner) (step, error) {
	for s.pos < len(s.buf) {
		c := s.buf[s.pos]
		if isSpace(c) {
			if c == '\n' {
				m.lineStart, m.macro = true, false
			}
			s.pos++
			continue
		}
		if m.lineStart {
			st, none := m.lineCommand(s)
			if !none {
				return st, nil
			}
			m.lineStart = false
		}
		rest := s.buf[s.pos:]
		if whole, partial := hasPrefix(rest, string(m.delimiter)); whole {
			s.pos += len(m.delimiter)
			continue
		} else if partial && !s.eof {
			return step{}, nil
		}
		switch c {
		case '#':
			m.enterLine()
			return step{}, nil
		case '-':
			if whole, partial := hasPrefix(rest, "--"); partial && !s.eof || whole && s.trailerCut(rest) {
				return step{}, nil
			} else if whole {
				m.enterLine()
				return step{}, nil
			}
		case '/':
			if len(rest) < len(sandbox) && bytes.HasPrefix([]byte(sandbox), rest) && !s.eof {
				return step{}, nil
			}
			if isComment(rest) || bytes.HasPrefix(rest, []byte(sandbox)) {
				m.enterComment(s)
				return step{}, nil
			}
		case '\\':
			if st, none, err := m.shortCommand(s); err != nil || !none {
				return st, err
			}
		}
		s.start()
		m.returns = m.returns[:0]
		return step{}, nil
	}
	return step{}, nil
}

// sandbox begins the line with which newer dumps forbid their client commands.
// Here they are forbidden anyway.
const sandbox = `/*M!999999\-`

// isComment reports whether text begins with a comment that servers do not
// run, which /*! … */ and /*M! … */ are not.
func isComment(text []byte) bool {
	return bytes.HasPrefix(text, []byte("/*")) && !isMacro(text)
}

func isMacro(text []byte) bool {
	return bytes.HasPrefix(text, []byte("/*!")) || bytes.HasPrefix(text, []byte("/*M!"))
}

// body looks for the end of the statement in hand.
func (m *mysqlSplitter) body(s *Scanner) (step, error) {
	for {
		for s.pos < len(s.buf) && !m.stops[s.buf[s.pos]] {
			s.pos++
		}
		rest := s.buf[s.pos:]
		if len(rest) == 0 {
			return step{}, nil
		}
		c := rest[0]
		if c == '\\' {
			if len(rest) == 1 && !s.eof {
				return step{}, nil
			}
			if st, err := m.escape(s, rest[1:]); err != nil || st.kind == done {
				return st, err
			}
			continue
		}
		if whole, partial := hasPrefix(rest, string(m.delimiter)); whole {
			end := s.pos
			s.pos += len(m.delimiter)
			return step{kind: done, end: end}, nil
		} else if partial && !s.eof {
			return step{}, nil
		}
		switch c {
		case '\'', '"', '`':
			m.enterQuotes(s, c, s.modes.escapes(c))
			return step{}, nil
		case '#':
			m.enterLine()
			return step{}, nil
		case '-':
			if len(rest) < 3 && !s.eof {
				return step{}, nil
			}
			if bytes.HasPrefix(rest, []byte("--")) && (len(rest) == 2 || isSpace(rest[2])) {
				m.enterLine()
				return step{}, nil
			}
		case '/':
			if len(rest) < len("/*M!") && !s.eof {
				return step{}, nil
			}
			if isComment(rest) {
				m.enterComment(s)
				return step{}, nil
			}
			m.macro = m.macro || bytes.HasPrefix(rest, []byte("/*!")) // for the client /*M! opens nothing
		case '*':
			if len(rest) < 2 && !s.eof {
				return step{}, nil
			}
			if bytes.HasPrefix(rest, []byte("*/")) {
				m.macro = false
			}
		case '\n':
			m.macro = false
			m.noteReturns(s, s.pos, s.pos+1)
		}
		s.pos++
	}
}

// escape handles a backslash in a statement outside of quotes, behind which
// stands what rest begins with.
func (m *mysqlSplitter) escape(s *Scanner, rest []byte) (step, error) {
	at := s.pos
	if len(rest) == 0 {
		s.pos++
		return step{}, nil
	}
	s.pos += 2
	switch rest[0] {
	case 'g', 'G':
		return step{kind: done, end: at, vertical: rest[0] == 'G'}, nil
	case 'N': // NULL
		return step{}, nil
	case '\r', '\n':
		return step{}, s.fail(at, "a backslash outside of quotes")
	case 'd', '.':
		return step{}, s.refuse(at, `\%c inside a statement`, rest[0])
	}
	return step{}, s.refuse(at, `\%c`, rest[0])
}

// hasPrefix reports whether text begins with prefix, or with a part of it that
// the end of text cuts off.
func hasPrefix(text []byte, prefix string) (whole, partial bool) {
	if len(text) >= len(prefix) {
		return string(text[:len(prefix)]) == prefix, false
	}
	return false, string(text) == prefix[:len(text)]
}
