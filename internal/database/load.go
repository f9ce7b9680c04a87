package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/go-sql-driver/mysql"
	"github.com/ncruces/go-sqlite3"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// Loading is a table to fill.
type Loading struct {
	Table   sqltext.Table
	Columns []string

	// Next returns the values of the next row, one for each column, and io.EOF
	// behind the last one. The values are valid until the next call.
	Next func() ([]record.Value, error)
}

// loader is what both implementations of Conn are.
type loader interface {
	load(ctx context.Context, l *Loading) (rows int64, err error)
}

// Load fills a table by the fastest way that the database has, and returns the
// number of rows. A value that does not fit is an error; rows may be in the
// table then, so that a transaction has to be around it.
func Load(ctx context.Context, conn Conn, l Loading) (rows int64, err error) {
	d := sqltext.MySQL
	if _, ok := conn.(*sqliteConn); ok {
		d = sqltext.SQLite
	}
	if err := d.CheckTable(l.Table); err != nil {
		return 0, fmt.Errorf("table: %w", err)
	}
	for _, name := range l.Columns {
		if err := d.CheckIdent(name); err != nil {
			return 0, fmt.Errorf("column: %w", err)
		}
	}
	return conn.(loader).load(ctx, &l)
}

func (l *Loading) appendColumns(dst []byte, d sqltext.Dialect) []byte {
	for i, name := range l.Columns {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = d.AppendIdent(dst, name)
	}
	return dst
}

// loads numbers the readers that the driver is given.
var loads atomic.Int64

// LoadError is rows that did not go in as they were.
type LoadError struct {
	Sent, Loaded int64
	Warnings     []string // the first ones, as the client prints them
}

func (e *LoadError) Error() string {
	message := "not every row would be what it is"
	if e.Loaded != e.Sent {
		message = fmt.Sprintf("%d of %d rows would be left out", e.Sent-e.Loaded, e.Sent)
	}
	return strings.Join(append([]string{message}, e.Warnings...), "\n")
}

// load sends the rows by LOAD DATA LOCAL, through a reader that the driver
// hands out for this statement alone. The server makes warnings of errors then,
// whatever the sql_mode, so these are looked at.
func (c *mysqlConn) load(ctx context.Context, l *Loading) (int64, error) {
	name := "load" + strconv.FormatInt(loads.Add(1), 10)
	in := &loadReader{next: l.Next}
	mysql.RegisterReaderHandler(name, func() io.Reader { return in })
	defer mysql.DeregisterReaderHandler(name)
	sql := fmt.Appendf(nil, "LOAD DATA LOCAL INFILE 'Reader::%s' INTO TABLE ", name)
	sql = sqltext.MySQL.AppendTable(sql, l.Table)
	sql = append(sql, " CHARACTER SET utf8mb4 FIELDS TERMINATED BY x'09' ESCAPED BY x'5c' LINES TERMINATED BY x'0a' ("...)
	sql = append(l.appendColumns(sql, sqltext.MySQL), ')')

	if _, err := Ask(ctx, c, "SET SESSION max_error_count = 65535"); err != nil {
		return 0, err
	}
	c.counting.known = false
	c.run = c.start(ctx)
	result, err := c.conn.(driver.ExecerContext).ExecContext(context.Background(), string(sql), nil)
	if err != nil {
		err = c.fail(err)
	}
	c.finish()
	switch {
	case in.err != nil && in.err != io.EOF:
		return 0, in.err
	case err != nil:
		return 0, localInfile(err)
	}
	loaded, err := result.RowsAffected()
	if err != nil {
		return 0, err
	}
	failure := &LoadError{Sent: in.rows, Loaded: loaded}
	answers, err := Ask(ctx, c, "SHOW WARNINGS")
	for ; len(answers) >= 3; answers = answers[3:] {
		const enough = 10
		if answers[0] != "Note" && len(failure.Warnings) < enough { // what is noted is what an INSERT does, too
			failure.Warnings = append(failure.Warnings, fmt.Sprintf("%s (Code %s): %s", answers[0], answers[1], answers[2]))
		}
	}
	if err == nil && (len(failure.Warnings) > 0 || loaded != in.rows) {
		err = failure
	}
	return loaded, err
}

// noLocalError is a server that takes no LOAD DATA LOCAL.
type noLocalError struct{ error }

func (e noLocalError) Unwrap() error { return e.error }

// Hint is the way that every server takes.
func (noLocalError) Hint() string {
	return "local_infile is off there; gensql insert TABLE FILE | sqlpipe needs no such permission"
}

func localInfile(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Number {
		case 1148, 3948, 4166: // the command is not allowed, loading local data is disabled
			return noLocalError{err}
		}
	}
	return err
}

// loadReader is the rows as LOAD DATA reads them by default.
type loadReader struct {
	next func() ([]record.Value, error)
	buf  []byte
	rest []byte // of buf, that was not read yet
	rows int64
	err  error
}

// Read implements io.Reader.
func (r *loadReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.buf = r.buf[:0]
		for len(r.buf) < len(p) && r.err == nil {
			var values []record.Value
			if values, r.err = r.next(); r.err == nil {
				r.buf = appendLoadRow(r.buf, values)
				r.rows++
			}
		}
		r.rest = r.buf
	}
	if r.err != nil && r.err != io.EOF || len(r.rest) == 0 {
		return 0, r.err
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func appendLoadRow(dst []byte, values []record.Value) []byte {
	for i, v := range values {
		if i > 0 {
			dst = append(dst, '\t')
		}
		switch v.Kind {
		case record.Null:
			dst = append(dst, `\N`...)
		case record.Bool:
			dst = append(dst, number(v)...)
		default:
			dst = record.AppendTSV(dst, v.Bytes)
		}
	}
	return append(dst, '\n')
}

// number is a truth value as databases keep it.
func number(v record.Value) []byte {
	if string(v.Bytes) == "true" {
		return []byte{'1'}
	}
	return []byte{'0'}
}

// load runs one prepared INSERT for each row.
func (c *sqliteConn) load(ctx context.Context, l *Loading) (rows int64, err error) {
	defer noMemory(&err)
	sql := sqltext.SQLite.AppendTable([]byte("INSERT INTO "), l.Table)
	sql = l.appendColumns(append(sql, " ("...), sqltext.SQLite)
	sql = append(sql, ") VALUES (?"...)
	sql = append(sql, strings.Repeat(", ?", len(l.Columns)-1)...)
	stmt, _, err := c.db.Prepare(string(append(sql, ')')))
	if err != nil {
		return 0, c.fail(ctx, err)
	}
	defer finalize(stmt)
	c.db.SetInterrupt(ctx)
	for ; ; rows++ {
		values, err := l.Next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return 0, err
		}
		for i, v := range values {
			if err := bind(stmt, i+1, v); err != nil {
				return 0, c.fail(ctx, err)
			}
		}
		if err := stmt.Exec(); err != nil {
			return 0, c.fail(ctx, err)
		}
	}
}

// bind gives the parameter the value. A number goes as what it is where 64 bits
// hold it; the column's affinity makes one of a text, too.
func bind(stmt *sqlite3.Stmt, param int, v record.Value) error {
	switch v.Kind {
	case record.Null:
		return stmt.BindNull(param)
	case record.Binary:
		return stmt.BindBlob(param, v.Bytes)
	case record.Bool:
		v.Bytes = number(v)
		fallthrough
	case record.Number:
		if n, err := strconv.ParseInt(string(v.Bytes), 10, 64); err == nil {
			return stmt.BindInt64(param, n)
		}
		if f, err := strconv.ParseFloat(string(v.Bytes), 64); err == nil {
			return stmt.BindFloat(param, f)
		}
	}
	return stmt.BindRawText(param, v.Bytes)
}
