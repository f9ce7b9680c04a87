package sqltext

import (
	"bytes"
	"strings"
)

// sqliteSplitter splits as the sqlite3 shell does, by the rules of
// sqlite3_complete: a semicolon ends a statement, but in CREATE TRIGGER only
// the one behind "; END" does.
type sqliteSplitter struct {
	lexer
	lineStart bool
	begun     bool // next was called: the input begins at the start of a line
	head      head
	semicolon bool // in a trigger: the last token was a semicolon
	end       bool // in a trigger: the last tokens were a semicolon and END
}

// head is what the first words of a statement have shown.
type head uint8

const (
	atStart head = iota
	explain      // EXPLAIN, perhaps QUERY PLAN
	create       // CREATE, perhaps TEMP
	trigger
	other
)

func (q *sqliteSplitter) open(inHand bool) string {
	if what := q.lexer.open(); what != "" {
		return what
	}
	if inHand && q.head == trigger {
		return "the body of a trigger"
	}
	return ""
}

func (q *sqliteSplitter) next(s *Scanner) (step, error) {
	if !q.begun {
		q.begun, q.lineStart = true, true
	}
	for {
		if q.mode != inText && !q.skip(s) {
			return step{}, nil
		}
		if s.begin < 0 {
			if err := q.gap(s); err != nil || s.begin < 0 && q.mode == inText {
				return step{}, err
			}
			continue
		}
		if st := q.body(s); st.kind != more || q.mode == inText {
			return st, nil
		}
	}
}

func (q *sqliteSplitter) gap(s *Scanner) error {
	for s.pos < len(s.buf) {
		c := s.buf[s.pos]
		lineStart := q.lineStart
		q.lineStart = c == '\n' || lineStart && isSpace(c)
		switch {
		case isSpace(c) || c == ';':
			s.pos++
			continue
		case c == '.' && lineStart:
			err := s.fail(s.pos, "a command of the sqlite3 shell")
			err.hint = "sqlpipe runs SQL alone"
			return err
		case c == '#' && lineStart:
			q.enterLine()
			return nil
		}
		entered, unsure := q.comment(s)
		if c == '-' && entered && s.trailerCut(s.buf[s.pos:]) {
			q.mode, entered, unsure = inText, false, true
		}
		if unsure {
			q.lineStart = lineStart
		}
		if entered || unsure {
			return nil
		}
		q.head, q.semicolon, q.end = atStart, false, false
		s.start()
		return nil
	}
	return nil
}

// comment enters the comment that begins at s.pos, if one does; unsure means
// that the next byte must be seen first.
func (q *sqliteSplitter) comment(s *Scanner) (entered, unsure bool) {
	rest := s.buf[s.pos:]
	c := rest[0]
	switch {
	case c != '-' && c != '/':
		return false, false
	case len(rest) == 1:
		return false, !s.eof
	case c == '-' && rest[1] == '-':
		q.enterLine()
		return true, false
	case c == '/' && rest[1] == '*':
		q.enterComment(s)
		return true, false
	}
	return false, false
}

func (q *sqliteSplitter) body(s *Scanner) step {
	for s.pos < len(s.buf) {
		c := s.buf[s.pos]
		switch {
		case isSpace(c):
			s.pos++
			continue
		case c == ';':
			end := s.pos
			s.pos++
			if q.head != trigger || q.end {
				return step{kind: done, end: end}
			}
			q.semicolon, q.end = true, false
			continue
		case isWord(c):
			n := bytes.IndexFunc(s.buf[s.pos:], func(r rune) bool { return r < 0x80 && !isWord(byte(r)) })
			if n < 0 {
				if !s.eof {
					return step{}
				}
				n = len(s.buf) - s.pos
			}
			q.word(s.buf[s.pos : s.pos+n])
			s.pos += n
			continue
		}
		if entered, unsure := q.comment(s); entered || unsure {
			return step{}
		}
		q.token()
		switch c {
		case '\'', '"', '`':
			q.enterQuotes(s, c, false)
			return step{}
		case '[':
			q.enterQuotes(s, ']', false)
			return step{}
		}
		s.pos++
	}
	return step{}
}

// word moves on by a word.
func (q *sqliteSplitter) word(w []byte) {
	is := func(name string) bool { return len(w) == len(name) && strings.EqualFold(string(w), name) }
	switch q.head {
	case trigger:
		q.end = q.semicolon && is("END")
		q.semicolon = false
		return
	case other:
		return
	}
	switch {
	case is("EXPLAIN") && q.head == atStart:
		q.head = explain
	case q.head == explain && (is("QUERY") || is("PLAN")):
	case is("CREATE") && q.head != create:
		q.head = create
	case q.head == create && (is("TEMP") || is("TEMPORARY")):
	case q.head == create && is("TRIGGER"):
		q.head = trigger
	default:
		q.head = other
	}
}

// token moves on by what is no word, semicolon, white space or comment.
func (q *sqliteSplitter) token() {
	if q.head == trigger {
		q.semicolon, q.end = false, false
	} else {
		q.head = other
	}
}

// statement lets everything pass: what SQLite does not know it refuses.
func (q *sqliteSplitter) statement(s *Scanner, end int) ([]byte, error) {
	return bytes.TrimRight(s.buf[s.begin:end], " \t\r\n\f\v"), nil
}
