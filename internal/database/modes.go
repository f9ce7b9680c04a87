package database

import (
	"context"
	"errors"

	"pipeworks/internal/sqltext"
)

// Modes asks a MySQL session for the parts of its sql_mode that decide where
// the statements of a script end.
func Modes(ctx context.Context, conn Conn) (m sqltext.Modes, err error) {
	values, err := Ask(ctx, conn, "SELECT @@sql_mode")
	switch {
	case err != nil:
		return m, err
	case len(values) == 0:
		return m, errors.New("the server does not tell its sql_mode: is its sql_select_limit 0?")
	}
	return sqltext.ParseModes(values[0]), nil
}
