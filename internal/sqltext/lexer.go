package sqltext

import "bytes"

// lexer goes over what hides a terminator: quoted text and comments. It keeps
// its state where the buffer ends.
type lexer struct {
	mode     mode
	quote    byte // inQuotes: the closing one
	escapes  bool // a backslash in quotes hides the next byte (never in backticks)
	comments int  // inComment: how many */ close it
}

type mode uint8

const (
	inText mode = iota
	inQuotes
	inLine // a comment to the end of the line
	inComment
)

// skip goes on to the end of the quoted text or comment at s.pos, or to the end
// of the buffer, and reports whether it is back in the text.
func (l *lexer) skip(s *Scanner) bool {
	rest := s.buf[s.pos:]
	switch l.mode {
	case inQuotes:
		n, closed := l.skipQuotes(rest, s.eof)
		s.pos += n
		if !closed {
			return false
		}
	case inLine:
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			s.pos = len(s.buf)
			return s.eof && l.back()
		}
		s.pos += i
	case inComment:
		for ; l.comments > 0; l.comments-- {
			i := bytes.Index(rest, []byte("*/"))
			if i < 0 {
				if n := len(rest); n > 0 && rest[n-1] == '*' {
					rest = rest[n-1:] // its slash may follow
				} else {
					rest = nil
				}
				s.pos = len(s.buf) - len(rest)
				return false
			}
			rest = rest[i+2:]
		}
		s.pos = len(s.buf) - len(rest)
	}
	return l.back()
}

func (l *lexer) back() bool {
	l.mode = inText
	return true
}

func (l *lexer) skipQuotes(text []byte, eof bool) (n int, closed bool) {
	escapes := l.escapes && l.quote != '`'
	if !escapes {
		i := bytes.IndexByte(text, l.quote)
		if i < 0 {
			return len(text), false
		}
		return i + 1, true
	}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case l.quote:
			return i + 1, true
		case '\\':
			if i+1 == len(text) && !eof {
				return i, false
			}
			i++
		}
	}
	return len(text), false
}

// open names what the mode leaves open at the end of the input.
func (l *lexer) open() string {
	switch {
	case l.mode == inComment:
		return "a comment"
	case l.mode == inQuotes && l.quote == '\'':
		return "a string"
	case l.mode == inQuotes:
		return "quotes"
	}
	return ""
}

// enterQuotes and the others begin what the byte or bytes at s.pos open.
func (l *lexer) enterQuotes(s *Scanner, closing byte) {
	l.mode, l.quote = inQuotes, closing
	s.pos++
}

func (l *lexer) enterLine() { l.mode = inLine }

func (l *lexer) enterComment(s *Scanner, closers int) {
	l.mode, l.comments = inComment, closers
	if s.begin < 0 {
		s.gapLine = s.lineAt(s.pos)
	}
	s.pos += 2
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func isWord(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c >= 0x80
}
