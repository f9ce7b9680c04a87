package sqlpipe

import (
	"context"
	"fmt"

	"pipeworks/internal/database"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// tell says what a statement has done, and what the server thinks of it.
func (s *session) tell(ctx context.Context, at place, rows, affected int64) error {
	if s.cfg.Note != nil {
		did := "done"
		switch {
		case affected >= 0:
			did = count(affected) + " affected"
		case rows > 0:
			did = count(rows)
		}
		s.cfg.Note(fmt.Sprintf("line %d: %s", at.line, did))
	}
	if s.cfg.Warnings == nil || s.db.Dialect == sqltext.SQLite {
		return nil
	}
	values, err := database.Ask(ctx, s.conn, "SHOW WARNINGS")
	for ; len(values) >= 3; values = values[3:] { // level, code, message
		s.cfg.Warnings(fmt.Sprintf("%s (Code %s): %s", values[0], values[1], values[2]))
	}
	return err
}

func count(rows int64) string {
	if rows == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", rows)
}

// limited writes no more than max rows of each result.
type limited struct {
	record.Writer
	max  int64
	left int64
}

// Begin implements record.Writer.
func (w *limited) Begin(fields []string) error {
	w.left = w.max
	return w.Writer.Begin(fields)
}

// Write implements record.Writer.
func (w *limited) Write(values []record.Value) error {
	if w.left == 0 {
		return database.ErrEnough
	}
	w.left--
	return w.Writer.Write(values)
}
