// Package database runs SQL statements on one connection to a MySQL or MariaDB
// server or to an SQLite file, and streams their rows with exact values. It is
// the only importer of the drivers.
//
// There is no pool and nothing is tried again behind the caller's back: a
// stream of statements is one session. A value's text is what the server
// itself prints; no value passes through a type that could change it.
package database

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// Conn is one session. It is for one goroutine.
type Conn interface {
	// Query sends one statement and waits until the server has begun to
	// answer. The Rows must be closed before the next Query. If ctx ends before
	// they are, the statement is stopped on the server, too, and the error is
	// context.Cause(ctx). An error of the statement is an *Error.
	Query(ctx context.Context, sql []byte) (Rows, error)
	// Close ends the session; an open transaction is rolled back.
	Close() error
}

// Rows are the result sets of one statement.
type Rows interface {
	// Columns are those of the result set in hand: none if the statement
	// gives no rows.
	Columns() []Column
	// Next sets dst, which has a place for each column, to the next row. It
	// returns io.EOF after the last one of the result set. The values' bytes
	// are valid until the next call.
	Next(dst []record.Value) error
	// NextResult goes on to the next result set, such as the next SELECT of a
	// stored procedure, and reports whether there is one.
	NextResult() (bool, error)
	// Affected is the number of rows that the statement has changed, -1 if it
	// is of another kind, or not known.
	Affected() int64
	// Close stops the statement on the server if it has more to say.
	Close() error
}

// Column describes a column of a result set.
type Column struct {
	Name string // as the server says: not always unique
	Type string // the server's or the table's word for it, in upper case; empty if it has none
}

// Options are the caller's wishes. The zero value has none.
type Options struct {
	// OnWait is called in Query, Next and NextResult before they wait: for the
	// server, because nothing has arrived, or for another process's lock on
	// the SQLite file. Pass on there what is pending. Its error stops the
	// statement and is what the call returns.
	OnWait func() error

	// Timeout is how long a statement may take, its rows included, until it is
	// stopped; 0: any time. The error is that of a statement.
	Timeout time.Duration

	// Multi lets several statements through where one is sent, as the mysql
	// client does: a Pack, and what stands between two delimiters.
	Multi bool
}

// Open connects to the database of u.
func Open(ctx context.Context, u dburl.URL, o Options) (Conn, error) {
	if u.Dialect == sqltext.SQLite {
		return openSQLite(ctx, u, o)
	}
	return openMySQL(ctx, u, o)
}

// errRowsOpen is a mistake of the program, not of its user.
var errRowsOpen = errors.New("the rows of the previous statement are not closed")

// ErrEnough is what a record.Writer returns instead of writing a row when it
// wants no more of this result set. It ends the result set, not the statement.
var ErrEnough = errors.New("enough rows")

// Run runs one statement and writes every result set of it to w. It returns the
// number of rows. Names that repeat in a result set get endings, as
// record.UniqueNames says, and warn, unless nil, is told of it.
func Run(ctx context.Context, conn Conn, sql []byte, w record.Writer, warn func(message string)) (n int64, err error) {
	n, _, err = runResults(ctx, conn, sql, Output{Rows: w, Warn: warn})
	return n, err
}

// Ask runs a query of the program's own and returns the values of all its rows.
func Ask(ctx context.Context, conn Conn, sql string) (values []string, err error) {
	rows, err := conn.Query(ctx, []byte(sql))
	if err != nil {
		return nil, err
	}
	for more := true; more && err == nil; {
		row := make([]record.Value, len(rows.Columns()))
		for err = rows.Next(row); err == nil; err = rows.Next(row) {
			for _, v := range row {
				values = append(values, string(v.Bytes))
			}
		}
		if err == io.EOF {
			more, err = rows.NextResult()
		}
	}
	return values, errors.Join(err, rows.Close())
}

// runResults is Run, and tells how many rows the statement has changed.
func runResults(ctx context.Context, conn Conn, sql []byte, o Output) (n, affected int64, err error) {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return 0, -1, err
	}
	n, err = copyResults(rows, o)
	affected = rows.Affected()
	return n, affected, errors.Join(err, rows.Close())
}

// copyResults writes every result set and returns the number of rows.
func copyResults(rows Rows, o Output) (n int64, err error) {
	for more := true; more; {
		if columns := rows.Columns(); len(columns) > 0 {
			m, err := copyResult(rows, columns, o)
			n += m
			if err == nil && o.Result != nil {
				err = o.Result()
			}
			if err != nil {
				return n, err
			}
		}
		if more, err = rows.NextResult(); err != nil {
			return n, err
		}
	}
	return n, nil
}

func copyResult(rows Rows, columns []Column, o Output) (n int64, err error) {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	names, repeated := record.UniqueNames(names)
	if repeated && o.Warn != nil {
		o.Warn("column names repeat; the fields are " + strings.Join(names, ", "))
	}
	if err := o.Rows.Begin(names); err != nil {
		return 0, err
	}
	row := make([]record.Value, len(columns))
	for ; ; n++ {
		if err := rows.Next(row); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
		if err := o.Rows.Write(row); errors.Is(err, ErrEnough) {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}
