package fifomerge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// Guard limits what a question may do to the database.
type Guard struct {
	ReadOnly bool
	Timeout  time.Duration // of a question, its answer included; 0: none
	MaxRows  int64         // of an answer; 0: any number
}

// errReadOnly refuses a statement that could write, or undo the guard.
var errReadOnly = errors.New("this server only reads: it takes SELECT, SHOW and EXPLAIN")

// limitError is an answer that was cut off. The connection is as good as before.
type limitError struct{ rows int64 }

func (e *limitError) Error() string {
	return fmt.Sprintf("more than %d rows, and this server gives no more", e.rows)
}

// setup makes a new connection refuse what check lets pass: a SELECT may call a
// function that writes.
func (g Guard) setup(d sqltext.Dialect) string {
	switch {
	case !g.ReadOnly:
		return ""
	case d == sqltext.SQLite:
		return "PRAGMA query_only = ON"
	}
	return "SET SESSION TRANSACTION READ ONLY"
}

// check refuses a statement. It says no too often rather than too rarely.
func (g Guard) check(sql []byte) error {
	if g.ReadOnly && !sqltext.OnlyReads(sql) {
		return errReadOnly
	}
	return nil
}

// begin is the context of a question, for which the client may have a shorter
// time.
func (g Guard) begin(ctx context.Context, client time.Duration) (context.Context, context.CancelFunc) {
	timeout := g.Timeout
	if client > 0 && (timeout == 0 || client < timeout) {
		timeout = client
	}
	if timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, timeout, fmt.Errorf("stopped: the question took longer than %v", timeout))
}

// rows limits the rows of one answer.
func (g Guard) rows(w record.Writer) record.Writer {
	if g.MaxRows == 0 {
		return w
	}
	return &rowLimit{Writer: w, max: g.MaxRows}
}

type rowLimit struct {
	record.Writer
	n, max int64
}

func (l *rowLimit) Write(values []record.Value) error {
	if l.n++; l.n > l.max {
		return &limitError{l.max}
	}
	return l.Writer.Write(values)
}
