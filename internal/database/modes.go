package database

import (
	"context"

	"pipeworks/internal/sqltext"
)

// Modes asks a MySQL session for the parts of its sql_mode that decide where
// the statements of a script end.
func Modes(ctx context.Context, conn Conn) (m sqltext.Modes, err error) {
	values, err := Ask(ctx, conn, "SELECT @@sql_mode")
	if err == nil {
		m = sqltext.ParseModes(values[0])
	}
	return m, err
}
