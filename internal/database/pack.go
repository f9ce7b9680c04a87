package database

import (
	"bytes"
	"context"
	"strings"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// Pack is a run of statements that travel to the server together. The zero
// value is empty.
type Pack struct {
	text []byte // what is sent
	ends []int  // of the statements in text
}

// A pack of this size saves all but a few of the round trips.
const (
	packBytes      = 64 << 10
	packStatements = 1000
)

// packSeparator stands between two statements. The line end closes a comment
// at the end of the first one.
const packSeparator = "\n;"

// Add puts a copy of sql, which must be Packable unless it stays alone, at the
// end.
func (p *Pack) Add(sql []byte) {
	if len(p.ends) > 0 {
		p.text = append(p.text, packSeparator...)
	}
	p.text = append(p.text, sql...)
	p.ends = append(p.ends, len(p.text))
}

// Len is the number of statements.
func (p *Pack) Len() int { return len(p.ends) }

// Full reports whether it is time to run the pack.
func (p *Pack) Full() bool { return len(p.text) >= packBytes || len(p.ends) >= packStatements }

// Reset empties the pack.
func (p *Pack) Reset() { p.text, p.ends = p.text[:0], p.ends[:0] }

// Statement is the text of the statement with the index i.
func (p *Pack) Statement(i int) []byte {
	from := 0
	if i > 0 {
		from = p.ends[i-1] + len(packSeparator)
	}
	return p.text[from:p.ends[i]]
}

// Packable reports whether a statement may travel in one packet with others:
// it cannot be taken for more or less than one statement, it leaves alone how
// the next ones are read and counted, and it does not ask about the one before.
func Packable(sql []byte) bool {
	switch sqltext.Verb(sql) {
	case "INSERT", "REPLACE", "UPDATE", "DELETE", "SELECT", "WITH", "VALUES":
		s := survey(sql)
		return s.single && !s.looksBack
	case "BEGIN", "COMMIT":
		return len(sql) == len("BEGIN") || len(sql) == len("COMMIT")
	}
	return false
}

// surveyed is what stands outside of quotes in a statement.
type surveyed struct {
	single    bool // nothing that could end it or hide its end: whatever reads it sees one statement
	looksBack bool // it asks what the statement before it did
	returning bool // it has the word RETURNING
	into      bool // it has the word INTO, perhaps as a part of another
}

func survey(sql []byte) (s surveyed) {
	s.single = true
	for i := 0; i < len(sql); i++ {
		switch rest := sql[i:]; rest[0] {
		case '\'', '"', '`':
			n := quoted(rest)
			s.single = s.single && n > 0
			i += max(n, 1) - 1
		case ';', '#', '\\', 0:
			s.single = false
		case '-':
			s.single = s.single && !bytes.HasPrefix(rest, []byte("--"))
		case '/':
			s.single = s.single && !bytes.HasPrefix(rest, []byte("/*"))
		case '@':
			s.looksBack = s.looksBack || bytes.HasPrefix(rest, []byte("@@"))
		case '_':
			s.looksBack = s.looksBack || calls(rest, "_COUNT") || calls(rest, "_ROWS")
		case 'r', 'R':
			s.returning = s.returning || hasFold(rest, "RETURNING")
		case 'i', 'I':
			s.into = s.into || hasFold(rest, "INTO")
		}
	}
	return s
}

// quoted is the length of the quoted text that s begins with, 0 if it has no
// end.
func quoted(s []byte) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case s[0]:
			return i + 1
		case '\\':
			if s[0] != '`' {
				i++
			}
		}
	}
	return 0
}

func hasFold(s []byte, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(string(s[:len(prefix)]), prefix)
}

// calls reports whether s begins with the end of a function's name and its
// parenthesis: ROW_COUNT(), FOUND_ROWS().
func calls(s []byte, name string) bool {
	return hasFold(s, name) && bytes.HasPrefix(bytes.TrimLeft(s[len(name):], " \t\r\n"), []byte("("))
}

// OnlyChanges reports whether a statement changes rows and gives none.
func OnlyChanges(sql []byte) bool {
	switch sqltext.Verb(sql) {
	case "INSERT", "REPLACE", "UPDATE", "DELETE":
		s := survey(sql)
		return s.single && !s.returning
	}
	return false
}

// GivesRows reports whether a statement is Packable and gives one result set, no
// more and no less.
func GivesRows(sql []byte) bool {
	if sqltext.Verb(sql) != "SELECT" {
		return false
	}
	s := survey(sql)
	return s.single && !s.looksBack && !s.into
}

// packer is a Conn on which a Pack saves time.
type packer interface {
	// packs reports whether the statements of p can go together now.
	packs(ctx context.Context, p *Pack) bool
	// packed is called behind a pack; err is its error, and results how many
	// result sets it gave, if each statement gives one, or -1. It returns how
	// many of the statements succeeded, and whether that is known.
	packed(ctx context.Context, p *Pack, results int, err error) (done int, known bool)
}

// UnknownError is the error of a pack of which it is not known how far it came.
type UnknownError struct{ Err error }

func (e *UnknownError) Error() string { return e.Err.Error() }
func (e *UnknownError) Unwrap() error { return e.Err }

// Output is where the rows of statements go.
type Output struct {
	Rows record.Writer
	Warn func(message string) // told of names that repeat in a result; nil: nobody is told

	// Each is called behind each statement that succeeded, with its index in
	// the pack, the number of its rows, and Rows.Affected. Where it is set the
	// statements go one by one.
	Each func(i int, rows, affected int64) error

	// Result is called behind each result set. Where it is set each statement
	// GivesRows.
	Result func() error
}

// RunPack runs the statements of p, which are Packable if they are several,
// from the one with the index from on, as if each were run alone up to the
// first that fails. It returns the number of rows, and the index of the
// statement behind the last that succeeded. That is not known if err is an
// *UnknownError, or none of a statement. Where one has failed already, the rest
// goes one by one: others may fail.
func RunPack(ctx context.Context, conn Conn, p *Pack, from int, o Output) (rows int64, done int, err error) {
	if packer, ok := conn.(packer); ok && from == 0 && p.Len() > 1 && o.Each == nil && packer.packs(ctx, p) {
		results := -1
		if result := o.Result; result != nil {
			results = 0
			o.Result = func() error {
				results++
				return result()
			}
		}
		rows, _, err = runResults(ctx, conn, p.text, o)
		done, known := packer.packed(ctx, p, results, err)
		if !known {
			err = &UnknownError{err}
		}
		return rows, done, err
	}
	for done = from; done < p.Len(); done++ {
		n, affected, err := runResults(ctx, conn, p.Statement(done), o)
		rows += n
		if err == nil && o.Each != nil {
			err = o.Each(done, n, affected)
		}
		if err != nil {
			return rows, done, err
		}
	}
	return rows, done, nil
}
