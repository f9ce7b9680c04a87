package fifomerge

import (
	"bytes"
	"context"
	"errors"
	"io"

	"pipeworks/internal/database"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// script splits a question into statements.
func (s *server) script(question []byte) *sqltext.Scanner {
	return sqltext.NewTextScanner(question, sqltext.ScanOptions{
		Dialect: s.cfg.DB.Dialect,
		Source:  "query",
		EOFRun:  true, // its end is unmistakable
	})
}

// runScript runs the statements of a question on a connection and writes their
// rows to w. clean says that nothing is left of them on the connection, such as
// an open transaction, a variable or a temporary table; broken, that it is of no
// use any more.
func runScript(ctx context.Context, c *conn, sql *sqltext.Scanner, g Guard, w record.Writer) (clean, broken bool, err error) {
	w = g.rows(w)
	clean = true
	for {
		st, err := sql.Next()
		if err == io.EOF {
			return clean, false, nil
		}
		if err != nil {
			return clean, false, err
		}
		if err = g.check(st.Text); err == nil {
			clean = clean && leavesNothing(st.Text)
			_, err = database.Run(ctx, c, st.Text, w, nil)
			broken = !staysUsable(err)
		}
		if err != nil {
			return clean, broken, &database.StatementError{Line: st.Line, Err: err}
		}
	}
}

// staysUsable reports whether a connection can be used after an error.
func staysUsable(err error) bool {
	_, limited := errors.AsType[*limitError](err)
	_, said := errors.AsType[*database.Error](err)
	return err == nil || limited || said && !isLost(err)
}

// isLost reports whether an error is that the connection is gone.
func isLost(err error) bool {
	e, ok := errors.AsType[*database.Error](err)
	return ok && e.ConnectionLost()
}

// leavesNothing reports whether a statement, outside a transaction, leaves
// nothing behind in its session. It says no too often rather than too rarely;
// but it cannot see what a stored function or a trigger does.
func leavesNothing(sql []byte) bool {
	into := " INTO "
	if bytes.HasPrefix(sql, []byte("/*")) { // what stands in /*! … */ some servers run, and others do not
		return false
	}
	switch sqltext.Verb(sql) {
	case "INSERT", "REPLACE":
		into = " INTO @"
	case "UPDATE", "DELETE", "SHOW", "EXPLAIN", "SELECT", "WITH", "VALUES":
	default:
		return false
	}
	if len(sql) > longStatement {
		return false
	}
	// A server may see several statements here.
	if bytes.IndexByte(sql, ';') >= 0 && (bytes.IndexByte(sql, '\\') >= 0 || !database.Packable(sql)) {
		return false
	}
	// Variables, locks by name, and the number that LAST_INSERT_ID(n) sets.
	upper := bytes.ToUpper(sql)
	for _, trace := range []string{":=", "GET_LOCK", "LAST_INSERT_ID", into} {
		if bytes.Contains(upper, []byte(trace)) {
			return false
		}
	}
	return true
}

// longStatement is one that takes so long that a new connection behind it does
// not count.
const longStatement = 1 << 20
