package sqltext

import (
	"bytes"
	"fmt"
	"io"
)

// DefaultMaxStatement is the longest statement taken unless told otherwise: the
// largest packet that MySQL servers take without being configured for more.
const DefaultMaxStatement = 64 << 20

// ScanOptions say how a script is split. The zero value is for MySQL.
type ScanOptions struct {
	Dialect      Dialect
	Source       string // the input's name, for messages
	MaxStatement int    // bytes; 0 is DefaultMaxStatement
	EOFRun       bool   // take a last statement without terminator even if no line end follows it
	NeedTrailer  bool   // the input must end in the comment that gensql --header writes

	Modes Modes // MySQL: those of the session, until SetModes

	// Include opens what the mysql client's command source names; nil: the
	// command is refused.
	Include func(name string) (io.ReadCloser, error)
	depth   int // of Includes
}

// maxDepth is how deep a sourced file may source others: enough for people, and
// an end for a file that sources itself.
const maxDepth = 16

// Statement is one statement of a script.
type Statement struct {
	Text     []byte // without terminator, surrounding white space and leading comments; valid until the next Next
	Source   string // the input's name, or a sourced file's
	Line     int    // where Text begins, from 1
	Vertical bool   // ended by \G
}

// ScanError is a script that cannot be split.
type ScanError struct {
	Source string
	Line   int
	Err    error
	hint   string
}

func (e *ScanError) Error() string { return fmt.Sprintf("%s: line %d: %v", e.Source, e.Line, e.Err) }
func (e *ScanError) Unwrap() error { return e.Err }

// Hint is what to do about it.
func (e *ScanError) Hint() string { return e.hint }

// Scanner splits a script into statements as the dialect's own client does when
// it reads a file: mysql with DELIMITER and \g, or sqlite3 with triggers. It
// returns a statement as soon as its terminator was read and holds no more than
// that statement. Commands of the client, such as a shell escape, are errors.
//
// The text of a statement is as it came, comments inside it too. But in MySQL's
// dialect a USE that is no SQL becomes SQL, and the line ends of Windows become
// plain ones outside of quotes.
type Scanner struct {
	o     ScanOptions
	src   io.Reader
	split splitter

	buf     []byte
	pos     int  // what is before it is scanned
	begin   int  // where the statement in hand begins; -1: none yet
	eof     bool // buf holds the rest of the input
	err     error
	counted int // what is before it is counted in line
	line    int // of counted
	gapLine int // where the last comment between statements began
	begun   bool
	modes   Modes
	trailer bool // the last that was seen is gensql's trailer

	inner  *Scanner // of the file that is sourced
	closer io.Closer
}

// splitter finds the ends of statements in one dialect.
type splitter interface {
	// next scans on from s.pos. Before the first byte of a statement it calls
	// s.start; behind the last one it returns done.
	next(s *Scanner) (step, error)
	// statement returns what is to be sent of the statement in hand, which ends
	// at end: nothing if there is nothing.
	statement(s *Scanner, end int) ([]byte, error)
	// open names what is not closed at the end of the input, "" if nothing is.
	// inHand tells whether a statement has begun.
	open(inHand bool) string
}

// step is how a scan ended.
type step struct {
	kind     stepKind
	end      int  // done: where the text ends; s.pos is behind the terminator
	vertical bool // done: by \G
}

type stepKind uint8

const (
	more    stepKind = iota // the buffer ends first
	done                    // a statement is whole
	dropped                 // what was in hand is no statement after all
)

// NewScanner splits the script that r delivers.
func NewScanner(r io.Reader, o ScanOptions) *Scanner {
	s := newScanner(make([]byte, 0, 64<<10), o)
	s.src = r
	return s
}

// NewTextScanner splits a script that is all there. The statements are parts of
// its text.
func NewTextScanner(text []byte, o ScanOptions) *Scanner {
	s := newScanner(text, o)
	s.eof = true
	return s
}

func newScanner(buf []byte, o ScanOptions) *Scanner {
	if o.MaxStatement <= 0 {
		o.MaxStatement = DefaultMaxStatement
	}
	s := &Scanner{o: o, buf: buf, begin: -1, line: 1, modes: o.Modes}
	if o.Dialect == SQLite {
		s.split = &sqliteSplitter{}
	} else {
		s.split = newMySQLSplitter()
	}
	return s
}

// SetModes says that the session's sql_mode has changed.
func (s *Scanner) SetModes(m Modes) {
	s.modes = m
	if s.inner != nil {
		s.inner.SetModes(m)
	}
}

// Next returns the next statement, io.EOF after the last one. Every error is
// final.
func (s *Scanner) Next() (Statement, error) {
	if s.err != nil {
		return Statement{}, s.err
	}
	st, err := s.next()
	s.err = err
	return st, err
}

func (s *Scanner) next() (Statement, error) {
	if err := s.skipBOM(); err != nil {
		return Statement{}, err
	}
	s.begin = -1
	for {
		if s.inner != nil {
			if st, err := s.inner.Next(); err != io.EOF {
				return st, err
			}
			s.endSource()
		}
		step, err := s.split.next(s)
		if err != nil {
			return Statement{}, err
		}
		switch {
		case step.kind == done && s.begin >= 0:
			if st, err := s.statement(step); err != nil || len(st.Text) > 0 {
				return st, err
			}
			s.begin = -1
		case step.kind != more:
			s.begin = -1
		case s.eof:
			return s.last()
		default:
			if err := s.fill(); err != nil {
				return Statement{}, err
			}
		}
	}
}

// skipBOM drops the byte order mark that Windows editors put in front, and
// refuses that of UTF-16.
func (s *Scanner) skipBOM() error {
	const bom = "\ufeff"
	for !s.begun {
		little, partLittle := hasPrefix(s.buf, "\xff\xfe")
		big, partBig := hasPrefix(s.buf, "\xfe\xff")
		if little || big {
			err := s.fail(0, "the input is UTF-16")
			err.hint = "iconv -f utf-16 -t utf-8 makes UTF-8 of it"
			return err
		}
		whole, partial := hasPrefix(s.buf, bom)
		if whole {
			s.pos = len(bom)
		}
		if s.begun = !(partial || partLittle || partBig) || s.eof; !s.begun {
			if err := s.fill(); err != nil {
				return err
			}
		}
	}
	return nil
}

// start marks where a statement begins.
func (s *Scanner) start() { s.begin, s.trailer = s.pos, false }

// statement is the one in hand, without text if there is nothing to send.
func (s *Scanner) statement(step step) (Statement, error) {
	text, err := s.split.statement(s, step.end)
	return Statement{Text: text, Source: s.o.Source, Line: s.lineAt(s.begin), Vertical: step.vertical}, err
}

// last decides about what stands behind the last terminator.
func (s *Scanner) last() (Statement, error) {
	open := s.split.open(s.begin >= 0)
	switch {
	case open == "" && s.o.NeedTrailer && !s.trailer:
		err := s.fail(len(s.buf), "the input does not end in the comment that tells that it is whole")
		err.hint = "what wrote it may have died; gensql --header writes the comment at its end"
		return Statement{}, err
	case s.begin < 0 && open == "":
		return Statement{}, io.EOF
	case open == "" && (s.o.EOFRun || bytes.HasSuffix(s.buf, []byte{'\n'})):
		st, err := s.statement(step{end: len(s.buf)})
		s.pos, s.begin = len(s.buf), -1
		if err == nil && len(st.Text) == 0 { // a command, which may have opened a file
			return s.next()
		}
		return st, err
	}
	hint := "what wrote it may have died"
	if open == "" {
		open = "a statement without terminator"
		hint += "; --eof run takes a last statement as it is"
	} else {
		hint += ", or what ends that is missing"
	}
	line := s.gapLine
	if s.begin >= 0 {
		line = s.lineAt(s.begin)
	}
	err := &ScanError{Source: s.o.Source, Line: line, Err: fmt.Errorf("the input ends in %s: it was not run", open)}
	err.hint = hint
	return Statement{}, err
}

// fail is an error at a place in the buffer.
func (s *Scanner) fail(at int, format string, args ...any) *ScanError {
	return &ScanError{Source: s.o.Source, Line: s.lineAt(at), Err: fmt.Errorf(format, args...)}
}

// lineAt is the line of a place in the buffer, not before one asked for earlier
// unless nothing in between was a line end.
func (s *Scanner) lineAt(at int) int {
	if at > s.counted {
		s.line += bytes.Count(s.buf[s.counted:at], []byte{'\n'})
		s.counted = at
	}
	return s.line
}

// fill reads more behind what is there, dropping what was scanned and belongs
// to no statement.
func (s *Scanner) fill() error {
	keep := s.pos
	if s.begin >= 0 {
		keep = s.begin
	}
	if keep > 0 {
		s.lineAt(keep)
		s.buf = s.buf[:copy(s.buf, s.buf[keep:])]
		s.pos -= keep
		s.counted -= keep
		if s.begin >= 0 {
			s.begin = 0
		}
	}
	if len(s.buf) > s.o.MaxStatement {
		err := s.fail(0, "a statement of more than %d bytes", s.o.MaxStatement)
		err.hint = "--max-packet takes longer ones"
		return err
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = append(make([]byte, 0, 2*cap(s.buf)), s.buf...)
	}
	n, err := s.src.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if err == io.EOF {
		s.eof = true
	} else if err != nil {
		return err
	}
	return nil
}
