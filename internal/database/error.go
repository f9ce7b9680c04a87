package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pipeworks/internal/stream"
)

// Error is what the server, or SQLite, says of a statement. It prints as the
// mysql client prints it.
type Error struct {
	Number  int    // MySQL's error number, or SQLite's primary result code
	State   string // SQLSTATE, or the name of SQLite's extended result code
	Message string
	cause   error // what happened to the connection
}

func (e *Error) Error() string { return e.head() + ": " + e.body() }

func (e *Error) head() string { return fmt.Sprintf("ERROR %d (%s)", e.Number, e.State) }

func (e *Error) body() string {
	if e.cause != nil {
		return fmt.Sprintf("%s (%v)", e.Message, e.cause)
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.cause }

// Numbers that mean something here. Those of SQLite are below 1000.
const (
	sqliteError  = 1
	sqliteBusy   = 5
	sqliteLocked = 6

	erTooManyConnections = 1040
	erDatabaseDenied     = 1044
	erAccessDenied       = 1045
	erUnknownCommand     = 1047 // a Galera node that is not ready
	erNoDatabase         = 1046
	erUnknownDatabase    = 1049
	erServerShutdown     = 1053
	erBadField           = 1054
	erDuplicateEntry     = 1062
	erParse              = 1064
	erHostNotPrivileged  = 1130
	erNoSuchTable        = 1146
	erPacketTooLarge     = 1153
	erUnknownVariable    = 1193
	erLockWaitTimeout    = 1205
	erDeadlock           = 1213
	erQueryInterrupted   = 1317
	erXADeadlock         = 1614
	erAccessDeniedNoPass = 1698
	erConnectionKilled   = 1927 // MariaDB
	erSessionKilled      = 3169 // MySQL
	erClientTimeout      = 4031 // MySQL

	crUnknown      = 2000
	crServerGone   = 2006
	crServerLost   = 2013
	crLocalRefused = 2068

	stateGeneral = "HY000" // SQLSTATE of what has none of its own
)

// Retryable reports whether the same transaction may succeed if it is run
// again from its start: it met a deadlock or a lock.
func (e *Error) Retryable() bool {
	switch e.Number {
	case erLockWaitTimeout, erDeadlock, erXADeadlock, erUnknownCommand, sqliteBusy, sqliteLocked:
		return true
	}
	return false
}

// ConnectionLost reports whether the session is gone. Whether the server ran
// the statement is unknown.
func (e *Error) ConnectionLost() bool {
	switch e.Number {
	case crServerGone, crServerLost, erServerShutdown, erConnectionKilled, erSessionKilled, erClientTimeout:
		return true
	}
	return false
}

// NoTable reports whether there is no table of the name.
func (e *Error) NoTable() bool {
	return e.Number == erNoSuchTable || e.sqlite("no such table: ")
}

// NoColumn reports whether the table has no column of the name.
func (e *Error) NoColumn() bool {
	return e.Number == erBadField || e.sqlite("no such column: ") || e.sqlite("table ")
}

// Syntax reports whether it is no statement.
func (e *Error) Syntax() bool {
	return e.Number == erParse || e.sqlite("near ") || e.sqlite("unrecognized token: ")
}

// Duplicate reports whether there is a row of the key.
func (e *Error) Duplicate() bool {
	return e.Number == erDuplicateEntry || e.State == "SQLITE_CONSTRAINT_PRIMARYKEY" || e.State == "SQLITE_CONSTRAINT_UNIQUE"
}

// NoKey reports whether a table has no key for an upsert.
func (e *Error) NoKey() bool { return e.sqlite("ON CONFLICT clause does not match") }

// sqlite reports whether it is the error of SQLite whose message begins so:
// there is one code for all that is wrong with the text of a statement.
func (e *Error) sqlite(message string) bool {
	return e.Number == sqliteError && strings.HasPrefix(e.Message, message)
}

// Hint is what to do about the error; empty if the message says it all.
func (e *Error) Hint() string {
	switch e.Number {
	case sqliteBusy:
		return "another program is using the file; after PRAGMA journal_mode=WAL one can write while others read"
	case erAccessDeniedNoPass:
		return "the server takes that account from the system's user of the name alone, by the unix socket: mysql://user@/db"
	case erAccessDenied:
		return "user and password are in $PIPEWORKS_DB (mysql://user:password@host/db) or an option file, or --password-file tells the password"
	case erUnknownDatabase:
		return "a URL without a database name connects, too: sqlpipe --db mysql://user@host/ -e 'CREATE DATABASE name'"
	case erNoDatabase:
		return "the last part of the URL names it: mysql://user@host/NAME"
	case crServerLost:
		return "it is not known whether the statement was run"
	case erPacketTooLarge:
		return "the statement is longer than the server's max_allowed_packet"
	}
	return ""
}

// errTimeout ends a statement that takes longer than Options.Timeout.
var errTimeout = errors.New("timeout")

// withTimeout is a context that ends so long after d, which is 0 if there is
// no limit.
func withTimeout(ctx context.Context, d, grace time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d+grace, errTimeout)
}

func tookTooLong(d time.Duration) string {
	return fmt.Sprintf("interrupted: it took longer than %v", d)
}

// StatementError says which statement of a stream failed.
type StatementError struct {
	Source string // the input's name: a file, or stdin
	Line   int    // where it begins, from 1
	Err    error
	Last   int    // not 0: it is one of those from Line to this one, and not known which
	Cure   string // "": what Err says
}

func (e *StatementError) Error() string {
	where := fmt.Sprintf(" at line %d", e.Line)
	if e.Last > 0 {
		where = fmt.Sprintf(" somewhere from line %d to %d", e.Line, e.Last)
	}
	if e.Source != "" && e.Source != stream.Stdin && e.Source != stream.Argument {
		where += fmt.Sprintf(" in file: '%s'", e.Source)
	}
	if db, ok := errors.AsType[*Error](e.Err); ok {
		return db.head() + where + ": " + db.body()
	}
	return "ERROR" + where + ": " + e.Err.Error()
}

func (e *StatementError) Unwrap() error { return e.Err }

// Hint is what to do about the error.
func (e *StatementError) Hint() string {
	if inner, ok := e.Err.(interface{ Hint() string }); ok && e.Cure == "" {
		return inner.Hint()
	}
	return e.Cure
}
