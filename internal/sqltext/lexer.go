package sqltext

import "bytes"

// lexer goes over what hides a terminator: quoted text and comments. It keeps
// its state where the buffer ends.
type lexer struct {
	mode    mode
	quote   byte // inQuotes: the closing one
	escapes bool // inQuotes: a backslash hides the next byte
	client  bool // comments are those of the mysql client, which nests them in its own way
	macro   bool // client: behind a /*! on this line that no */ has ended
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
	n, closed := len(rest), false
	switch l.mode {
	case inQuotes:
		n, closed = l.skipQuotes(rest, s.eof)
		l.macro = l.macro && bytes.IndexByte(rest[:n], '\n') < 0
	case inLine:
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			n, closed = i, true
		} else {
			closed = s.eof
		}
	case inComment:
		n, closed = l.skipComment(rest, s.eof)
	}
	s.pos += n
	if closed {
		l.mode = inText
	}
	return closed
}

func (l *lexer) skipQuotes(text []byte, eof bool) (n int, closed bool) {
	i := bytes.IndexByte(text, l.quote)
	switch {
	case i >= 0 && (!l.escapes || bytes.IndexByte(text[:i], '\\') < 0):
		return i + 1, true
	case !l.escapes:
		return len(text), false
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

// skipComment ends at the first */. For the client a /*! in a comment, or one
// before it on the same line, takes a */ of its own, and the star of a /* is
// none of a */.
func (l *lexer) skipComment(text []byte, eof bool) (n int, closed bool) {
	for {
		i := bytes.IndexAny(text[n:], "*/\n")
		if i < 0 {
			return len(text), false
		}
		n += i
		rest := text[n:]
		if len(rest) < len("/*M!") && !eof && rest[0] != '\n' && !bytes.HasPrefix(rest, []byte("*/")) {
			return n, false
		}
		switch {
		case rest[0] == '\n':
			l.macro = false
		case bytes.HasPrefix(rest, []byte("*/")):
			if !l.macro {
				return n + 2, true
			}
			l.macro = false
		case l.client && bytes.HasPrefix(rest, []byte("/*!")):
			l.macro = true
		case l.client && isComment(rest):
			n++
		}
		n++
	}
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
func (l *lexer) enterQuotes(s *Scanner, closing byte, escapes bool) {
	l.mode, l.quote, l.escapes = inQuotes, closing, escapes
	s.pos++
}

func (l *lexer) enterLine() { l.mode = inLine }

func (l *lexer) enterComment(s *Scanner) {
	l.mode = inComment
	if s.begin < 0 {
		s.gapLine = s.lineAt(s.pos)
	}
	s.pos += 2
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func isWord(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c >= 0x80
}
