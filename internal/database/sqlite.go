package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
)

// busyTimeout is how long a statement waits for another process's lock. The
// tools of one pipe read and write the same file at the same time.
const busyTimeout = 10 * time.Second

// maxMemory is what a connection may take: the library's own limit of 256 MiB is
// little for sorting a few values as long as a statement may be.
const maxMemory = 1 << 30

// sqliteConn is one handle of the library, set up as the sqlite3 shell is.
type sqliteConn struct {
	db      *sqlite3.Conn
	rows    *sqliteRows // not closed yet
	onWait  func() error
	waitErr error // what onWait said

	timeout     time.Duration // for a statement; 0: none
	busyTimeout time.Duration
	busy        time.Time // since when the statement waits for a lock
}

func openSQLite(ctx context.Context, u dburl.URL, o Options) (Conn, error) {
	if u.Default {
		if err := os.MkdirAll(filepath.Dir(u.File), 0o700); err != nil {
			return nil, fmt.Errorf("open the default database: %w", err)
		}
	}
	db, err := sqlite3.OpenContext(sqlite3.WithMaxMemory(ctx, maxMemory), u.File)
	if err != nil {
		return nil, fmt.Errorf("open %v: %w", u, newSQLiteError(err))
	}
	c := &sqliteConn{db: db, busyTimeout: busyTimeout}
	if err := c.setUp(ctx, u); err != nil {
		return nil, errors.Join(fmt.Errorf("open %v: %w", u, err), db.Close())
	}
	c.onWait, c.timeout = o.OnWait, o.Timeout
	return c, nil
}

// setUp undoes what the library does unlike the shell, which does not enforce
// foreign keys. The default database is ours, and is in WAL mode: there a
// writer does not wait until a reader, who may be the slow head of the same
// pipe, is done. The mode of other files is their owner's business.
func (c *sqliteConn) setUp(ctx context.Context, u dburl.URL) error {
	if err := c.db.BusyHandler(c.wait); err != nil {
		return newSQLiteError(err)
	}
	c.db.SetInterrupt(ctx)
	defer c.db.SetInterrupt(context.Background())
	// The version is read to find out whether the file is a database.
	if err := c.db.Exec("PRAGMA foreign_keys=OFF; PRAGMA schema_version"); err != nil {
		return c.fail(ctx, err)
	}
	if !u.Default {
		return nil
	}
	for start := time.Now(); ; {
		err := c.db.Exec("PRAGMA journal_mode=WAL")
		// A change of mode does not wait for locks by itself, and several
		// tools may be creating the file.
		if err == nil || !errors.Is(err, sqlite3.BUSY) || time.Since(start) > c.busyTimeout || !pause(ctx) {
			return c.fail(ctx, err)
		}
	}
}

// wait is called when another process holds a lock; count is how often it was
// before for the same lock. It reports whether to try again.
func (c *sqliteConn) wait(ctx context.Context, count int) bool {
	if count == 0 {
		c.busy = time.Now()
		if c.onWait != nil {
			if c.waitErr = c.onWait(); c.waitErr != nil {
				return false
			}
		}
	}
	return time.Since(c.busy) <= c.busyTimeout && pause(ctx)
}

// pause is a moment of no fixed length, so that those who wait for the same
// lock do not ask in step. It reports whether ctx still holds.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(1+rand.IntN(10)) * time.Millisecond):
		return true
	}
}

func (c *sqliteConn) Close() error {
	if c.rows != nil {
		c.rows.Close()
	}
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("close the database: %w", newSQLiteError(err))
	}
	return nil
}

// What a MySQL server refuses as a syntax error, and the library would pass
// over.
var (
	errNoStatement   = &Error{Number: int(sqlite3.ERROR), State: "SQLITE_ERROR", Message: "unrecognized token"}
	errTwoStatements = &Error{Number: int(sqlite3.ERROR), State: "SQLITE_ERROR", Message: "more than one statement"}
)

func (c *sqliteConn) Query(ctx context.Context, sql []byte) (Rows, error) {
	if c.rows != nil {
		return nil, errRowsOpen
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	text := skipBlank(string(sql))
	if text == "" {
		return &sqliteRows{conn: c, ended: true, expire: func() {}}, nil
	}
	ctx, expire := withTimeout(ctx, c.timeout, 0)
	c.db.SetInterrupt(ctx)
	c.waitErr = nil
	r, err := c.query(ctx, text)
	if err != nil {
		expire()
		return nil, err
	}
	r.changes, r.expire = OnlyChanges(sql), expire
	c.rows = r
	return r, nil
}

func (c *sqliteConn) query(ctx context.Context, text string) (r *sqliteRows, err error) {
	var stmt *sqlite3.Stmt
	defer func() {
		if err != nil && stmt != nil {
			finalize(stmt)
		}
	}()
	defer noMemory(&err)
	stmt, tail, err := c.db.Prepare(text)
	if err != nil {
		return nil, c.fail(ctx, err)
	}
	if stmt == nil { // it ends at a NUL for the library
		return nil, errNoStatement
	}
	if skipBlank(tail) != "" {
		return nil, errTwoStatements
	}
	// The first step does the work of a statement without rows.
	r = &sqliteRows{conn: c, ctx: ctx, stmt: stmt}
	r.waiting = stmt.Step()
	if err := stmt.Err(); err != nil {
		return nil, c.fail(ctx, err)
	}
	r.columns = make([]Column, stmt.ColumnCount())
	for i := range r.columns {
		r.columns[i] = Column{Name: stmt.ColumnName(i), Type: strings.ToUpper(stmt.ColumnDeclType(i))}
	}
	r.ended = !r.waiting
	return r, nil
}

// fail is the statement's error: why it was stopped, if it was.
func (c *sqliteConn) fail(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case context.Cause(ctx) == errTimeout:
		return &Error{Number: int(sqlite3.INTERRUPT), State: "SQLITE_INTERRUPT", Message: tookTooLong(c.timeout)}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.waitErr != nil:
		return c.waitErr
	}
	return newSQLiteError(err)
}

// skipBlank skips white space, comments and semicolons. The library does not
// say where it stopped when there was nothing before the first semicolon.
func skipBlank(s string) string {
	for {
		s = strings.TrimLeft(s, " \t\n\f\r;")
		switch {
		case strings.HasPrefix(s, "--"):
			_, s, _ = strings.Cut(s, "\n")
		case strings.HasPrefix(s, "/*") && len(s) > 2: // at the very end it begins no comment
			_, s, _ = strings.Cut(s[2:], "*/")
		default:
			return s
		}
	}
}

// sqliteRows are the rows of one statement, which has one result set.
type sqliteRows struct {
	conn    *sqliteConn
	ctx     context.Context
	stmt    *sqlite3.Stmt
	columns []Column
	waiting bool // a row is there that Next has not given yet
	ended   bool
	changes bool // it is of a kind that changes rows
	expire  context.CancelFunc
}

func (r *sqliteRows) Affected() int64 {
	if !r.changes {
		return -1
	}
	return r.conn.db.Changes()
}

func (r *sqliteRows) Columns() []Column { return r.columns }

func (r *sqliteRows) Next(dst []record.Value) (err error) {
	defer noMemory(&err)
	if r.ended {
		return io.EOF
	}
	if !r.waiting && !r.stmt.Step() {
		return r.end(r.stmt.Err())
	}
	r.waiting = false
	for i := range dst {
		dst[i] = r.value(i)
	}
	if err := r.stmt.Err(); err != nil { // out of memory for a value
		return r.end(err)
	}
	return nil
}

// end is called behind the last row.
func (r *sqliteRows) end(err error) error {
	r.ended = true
	if err != nil {
		return r.conn.fail(r.ctx, err)
	}
	return io.EOF
}

// value goes by the value's storage class: a column may hold any of them. The
// text of numbers is SQLite's own.
func (r *sqliteRows) value(i int) record.Value {
	switch r.stmt.ColumnType(i) {
	case sqlite3.INTEGER:
		return record.Value{Kind: record.Number, Bytes: r.stmt.ColumnRawText(i)}
	case sqlite3.FLOAT:
		if math.IsInf(r.stmt.ColumnFloat(i), 0) { // no number anywhere else
			return record.Value{Kind: record.Text, Bytes: r.stmt.ColumnRawText(i)}
		}
		return record.Value{Kind: record.Number, Bytes: r.stmt.ColumnRawText(i)}
	case sqlite3.TEXT:
		return record.Value{Kind: record.Text, Bytes: r.stmt.ColumnRawText(i)}
	case sqlite3.BLOB:
		return record.Value{Kind: record.Binary, Bytes: r.stmt.ColumnRawBlob(i)}
	}
	return record.Value{}
}

// NextResult ends the statement's result set if that was not read to its end
// and it has more to do than to give rows.
func (r *sqliteRows) NextResult() (more bool, err error) {
	defer noMemory(&err)
	for !r.ended && !r.stmt.ReadOnly() {
		if !r.stmt.Step() {
			if err := r.end(r.stmt.Err()); err != io.EOF {
				return false, err
			}
		}
	}
	r.ended = true
	return false, nil
}

func (r *sqliteRows) Close() error {
	if r.conn.rows == r {
		r.conn.rows = nil
	}
	r.expire()
	finalize(r.stmt)
	return nil
}

// finalize ends a statement. What the library reports then is the error that Step
// has reported.
func finalize(stmt *sqlite3.Stmt) {
	var reported error
	defer noMemory(&reported)
	stmt.Close()
}
