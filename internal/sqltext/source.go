package sqltext

import (
	"bytes"
	"errors"
	"regexp"
)

// source goes on with the file that stands in text, what is behind the word
// source or the \. at begin.
func (s *Scanner) source(begin int, text []byte) error {
	name := string(bytes.TrimSpace(text))
	switch {
	case s.o.Include == nil:
		return s.refuse(begin, "source")
	case name == "":
		return s.fail(begin, "source needs the name of a file")
	case s.o.depth == maxDepth:
		return s.fail(begin, "source %s: files source each other more than %d deep", name, maxDepth)
	}
	f, err := s.o.Include(name)
	if err != nil {
		return s.fail(begin, "source: %w", err)
	}
	o := s.o
	o.Source, o.Modes, o.NeedTrailer, o.depth = name, s.modes, false, o.depth+1
	s.inner, s.closer = NewScanner(f, o), f
	handDelimiter(s, s.inner)
	return nil
}

// endSource goes on behind the command that named the file. A delimiter that
// was set in it stays.
func (s *Scanner) endSource() {
	handDelimiter(s.inner, s)
	_ = s.closer.Close() // it was read to its end
	s.inner, s.closer = nil, nil
}

// handDelimiter is for MySQL: its client alone sources files.
func handDelimiter(from, to *Scanner) {
	to.split.(*mysqlSplitter).setDelimiter(from.split.(*mysqlSplitter).delimiter)
}

// Close closes the files that are being sourced.
func (s *Scanner) Close() error {
	if s.inner == nil {
		return nil
	}
	return errors.Join(s.inner.Close(), s.closer.Close())
}

// trailer is what gensql --header writes behind its last statement.
var trailer = regexp.MustCompile(`^-- gensql: the end of [0-9]+ statements$`)

// trailerCut looks at the comment that text begins with, if a trailer is asked
// for, and reports whether more of it must be seen to tell.
func (s *Scanner) trailerCut(text []byte) bool {
	if !s.o.NeedTrailer {
		return false
	}
	const longest = len("-- gensql: the end of 18446744073709551615 statements\r\n")
	line, _, whole := bytes.Cut(text, []byte{'\n'})
	if !whole && !s.eof && len(text) < longest {
		return true
	}
	s.trailer = whole && trailer.Match(bytes.TrimSuffix(line, []byte{'\r'}))
	return false
}
