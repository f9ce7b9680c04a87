package database

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// newSQLiteError names the error as SQLite's documentation does.
func newSQLiteError(err error) error {
	var extended sqlite3.ExtendedErrorCode
	if !errors.As(err, &extended) {
		return err
	}
	primary := extended.Code()
	name, ok := sqliteExtended[extended]
	if !ok {
		if name, ok = sqlitePrimary[primary]; !ok {
			name = fmt.Sprintf("SQLITE_%d", extended)
		}
	}
	// The library writes "sqlite3: ", the code's meaning, and the message or
	// the operating system's error. The meaning only helps with the latter.
	message := err.Error()
	if own, ok := strings.CutPrefix(message, extended.Error()+": "); ok && errors.Unwrap(err) == nil {
		message = own
	}
	return &Error{Number: int(primary), State: name, Message: strings.TrimPrefix(message, "sqlite3: ")}
}

// noMemory, deferred, makes an error of the library's panic when it has no memory
// for a value: it can go on.
func noMemory(err *error) {
	failure := recover()
	if failure == nil {
		return
	}
	if e, ok := failure.(error); !ok || e.Error() != sqlite3.NOMEM.Error() {
		panic(failure) //nolint:forbidigo // it is as it was
	}
	*err = &Error{Number: int(sqlite3.NOMEM), State: sqlitePrimary[sqlite3.NOMEM], Message: "out of memory: SQLite holds a value, and what it makes of it, in memory"}
}

// Names of result codes: https://sqlite.org/rescode.html
var sqlitePrimary = map[sqlite3.ErrorCode]string{
	sqlite3.ERROR:      "SQLITE_ERROR",
	sqlite3.INTERNAL:   "SQLITE_INTERNAL",
	sqlite3.PERM:       "SQLITE_PERM",
	sqlite3.ABORT:      "SQLITE_ABORT",
	sqlite3.BUSY:       "SQLITE_BUSY",
	sqlite3.LOCKED:     "SQLITE_LOCKED",
	sqlite3.NOMEM:      "SQLITE_NOMEM",
	sqlite3.READONLY:   "SQLITE_READONLY",
	sqlite3.INTERRUPT:  "SQLITE_INTERRUPT",
	sqlite3.IOERR:      "SQLITE_IOERR",
	sqlite3.CORRUPT:    "SQLITE_CORRUPT",
	sqlite3.NOTFOUND:   "SQLITE_NOTFOUND",
	sqlite3.FULL:       "SQLITE_FULL",
	sqlite3.CANTOPEN:   "SQLITE_CANTOPEN",
	sqlite3.PROTOCOL:   "SQLITE_PROTOCOL",
	sqlite3.SCHEMA:     "SQLITE_SCHEMA",
	sqlite3.TOOBIG:     "SQLITE_TOOBIG",
	sqlite3.CONSTRAINT: "SQLITE_CONSTRAINT",
	sqlite3.MISMATCH:   "SQLITE_MISMATCH",
	sqlite3.MISUSE:     "SQLITE_MISUSE",
	sqlite3.NOLFS:      "SQLITE_NOLFS",
	sqlite3.AUTH:       "SQLITE_AUTH",
	sqlite3.RANGE:      "SQLITE_RANGE",
	sqlite3.NOTADB:     "SQLITE_NOTADB",
}

// The extended codes that say more than the primary one to a user.
var sqliteExtended = map[sqlite3.ExtendedErrorCode]string{
	sqlite3.BUSY_RECOVERY:         "SQLITE_BUSY_RECOVERY",
	sqlite3.BUSY_SNAPSHOT:         "SQLITE_BUSY_SNAPSHOT",
	sqlite3.BUSY_TIMEOUT:          "SQLITE_BUSY_TIMEOUT",
	sqlite3.CANTOPEN_ISDIR:        "SQLITE_CANTOPEN_ISDIR",
	sqlite3.CONSTRAINT_CHECK:      "SQLITE_CONSTRAINT_CHECK",
	sqlite3.CONSTRAINT_DATATYPE:   "SQLITE_CONSTRAINT_DATATYPE",
	sqlite3.CONSTRAINT_FOREIGNKEY: "SQLITE_CONSTRAINT_FOREIGNKEY",
	sqlite3.CONSTRAINT_NOTNULL:    "SQLITE_CONSTRAINT_NOTNULL",
	sqlite3.CONSTRAINT_PRIMARYKEY: "SQLITE_CONSTRAINT_PRIMARYKEY",
	sqlite3.CONSTRAINT_ROWID:      "SQLITE_CONSTRAINT_ROWID",
	sqlite3.CONSTRAINT_TRIGGER:    "SQLITE_CONSTRAINT_TRIGGER",
	sqlite3.CONSTRAINT_UNIQUE:     "SQLITE_CONSTRAINT_UNIQUE",
	sqlite3.IOERR_FSYNC:           "SQLITE_IOERR_FSYNC",
	sqlite3.IOERR_READ:            "SQLITE_IOERR_READ",
	sqlite3.IOERR_WRITE:           "SQLITE_IOERR_WRITE",
	sqlite3.READONLY_CANTINIT:     "SQLITE_READONLY_CANTINIT",
	sqlite3.READONLY_DBMOVED:      "SQLITE_READONLY_DBMOVED",
	sqlite3.READONLY_DIRECTORY:    "SQLITE_READONLY_DIRECTORY",
}
