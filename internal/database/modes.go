package database

import (
	"context"
	"errors"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// Modes asks a MySQL session for the parts of its sql_mode that decide where
// the statements of a script end.
func Modes(ctx context.Context, conn Conn) (sqltext.Modes, error) {
	rows, err := conn.Query(ctx, []byte("SELECT @@sql_mode"))
	if err != nil {
		return sqltext.Modes{}, err
	}
	row := make([]record.Value, len(rows.Columns()))
	if err := rows.Next(row); err != nil {
		return sqltext.Modes{}, errors.Join(err, rows.Close())
	}
	return sqltext.ParseModes(string(row[0].Bytes)), rows.Close()
}
