package database

import (
	"context"
	"errors"
	"io"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// Modes asks a MySQL session for the parts of its sql_mode that decide where
// the statements of a script end.
func Modes(ctx context.Context, conn Conn) (m sqltext.Modes, err error) {
	rows, err := conn.Query(ctx, []byte("SELECT @@sql_mode"))
	if err != nil {
		return m, err
	}
	row := make([]record.Value, len(rows.Columns()))
	for err == nil { // to the end: what is left unread is stopped
		if err = rows.Next(row); err == nil {
			m = sqltext.ParseModes(string(row[0].Bytes))
		}
	}
	if err == io.EOF {
		_, err = rows.NextResult()
	}
	return m, errors.Join(err, rows.Close())
}
