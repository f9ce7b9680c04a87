package database

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

func TestSQLiteValues(t *testing.T) {
	conn := newSQLite(t).open(t, Options{})
	exec(t, conn, "CREATE TABLE t (a INTEGER, b)")
	tests := []struct{ sql, want string }{
		{"SELECT 1, -9223372036854775808, 'x', NULL, x'00ff', x'', ''", "number:1 number:-9223372036854775808 text:x null binary:\x00\xff binary: text:"},
		{"SELECT 1.0, 0.1 + 0.2, 1e20, -1e-7, 1.5e300", "number:1.0 number:0.30000000000000004 number:1.0e+20 number:-1.0e-07 number:1.5e+300"},
		{"SELECT 9e999, -9e999, 9e999 - 9e999", "text:Inf text:-Inf null"},
		{"SELECT 'a' || char(0) || 'b', CAST(x'ff' AS TEXT)", "text:a\x00b text:\xff"},
		{"SELECT count(*), sum(a), json('{\"a\": 1}'), date('2024-02-29') FROM t", "number:0 null text:{\"a\":1} text:2024-02-29"},
	}
	for _, tt := range tests {
		if got := strings.Join(values(t, conn, tt.sql), " "); got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.sql, got, tt.want)
		}
	}
}

var sqliteStatements = []struct{ sql, want string }{
	{"SELECT 1 AS a;", `{"a":1}` + "\n"},
	{"\n ; -- comment\n ;/* another */ SELECT 1 AS a ; -- last\n;", `{"a":1}` + "\n"},
	{"-- nothing", ""},
	{"/* open", ""},
	{"/*", `ERROR 1 (SQLITE_ERROR): near "/": syntax error`},
	{";", ""},
	{"SELECT 1; SELECT", "ERROR 1 (SQLITE_ERROR): more than one statement"},
	{"\x00SELECT 1", "ERROR 1 (SQLITE_ERROR): unrecognized token"},
	{"SELECT 1\x00; SELECT 2", "ERROR 1 (SQLITE_ERROR): more than one statement"},
	{"SELECT 1; x", "ERROR 1 (SQLITE_ERROR): more than one statement"},
	{"SELEC 1", `ERROR 1 (SQLITE_ERROR): near "SELEC": syntax error`},
	{"SELECT (", "ERROR 1 (SQLITE_ERROR): incomplete input"},
	{`SELECT "x"`, `ERROR 1 (SQLITE_ERROR): no such column: "x" - should this be a string literal in single-quotes?`},
	{"INSERT INTO c VALUES (9)", ""}, // as in the shell, foreign keys are not enforced
	{"INSERT INTO p VALUES (NULL)", "ERROR 19 (SQLITE_CONSTRAINT_NOTNULL): NOT NULL constraint failed: p.id"},
	{"INSERT INTO p VALUES (-1)", "ERROR 19 (SQLITE_CONSTRAINT_CHECK): CHECK constraint failed: id > 0"},
	{"INSERT INTO p VALUES (1), (1)", "ERROR 19 (SQLITE_CONSTRAINT_UNIQUE): UNIQUE constraint failed: p.id"},
}

func TestSQLiteStatement(t *testing.T) {
	conn := newSQLite(t).open(t, Options{})
	exec(t, conn, "CREATE TABLE p (id INT NOT NULL UNIQUE CHECK (id > 0))", "CREATE TABLE c (id INT REFERENCES p (id))")
	for _, tt := range sqliteStatements {
		got, err := jsonl(t.Context(), conn, tt.sql)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: %q, want %q", tt.sql, got, tt.want)
		}
	}
}

// TestSkipBlank: of every text made of a few pieces, what is skipped is blank to
// SQLite, and what is not is not.
func TestSkipBlank(t *testing.T) {
	db, err := sqlite3.Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	blank := func(sql string) bool {
		stmt, _, err := db.Prepare(sql)
		stmt.Close()
		return stmt == nil && err == nil
	}
	check := func(sql string) {
		rest := skipBlank(sql)
		skipped, ok := strings.CutSuffix(sql, rest)
		// The library stops at a semicolon.
		if !ok || !blank(strings.ReplaceAll(skipped, ";", " ")) {
			t.Errorf("of %q was skipped %q", sql, skipped)
		}
		if rest != "" && blank(rest) {
			t.Errorf("of %q is left %q", sql, rest)
		}
	}
	texts := []string{""}
	for range 4 {
		var longer []string
		for _, text := range texts {
			for _, piece := range []string{" ", "\t", "\v", "\r", "\n", ";", "-", "--", "/", "/*", "*/", "x", "'", "é"} {
				longer = append(longer, text+piece)
			}
		}
		texts = longer
		for _, text := range texts {
			check(text)
		}
	}
}

// defaultEngine is the embedded default below a directory that does not exist.
func defaultEngine(t *testing.T) engine {
	t.Helper()
	u, err := dburl.Resolve("", func(name string) string {
		if name == "XDG_DATA_HOME" {
			return filepath.Join(t.TempDir(), "data")
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine{u}
}

// TestDefaultDatabase: the tools of one pipe create it, read it and write it
// at the same time, and none of them meets a lock.
func TestDefaultDatabase(t *testing.T) {
	e := defaultEngine(t)
	const tools, statements = 4, 25
	var wg sync.WaitGroup
	failed := make(chan error, tools)
	for n := range tools {
		wg.Go(func() {
			failed <- func() error {
				conn, err := Open(t.Context(), e.url, Options{})
				if err != nil {
					return err
				}
				defer conn.Close()
				if _, err := jsonl(t.Context(), conn, "CREATE TABLE IF NOT EXISTS t (i INT)"); err != nil {
					return err
				}
				for i := range statements {
					if _, err := jsonl(t.Context(), conn, fmt.Sprintf("INSERT INTO t VALUES (%d)", n*statements+i)); err != nil {
						return err
					}
				}
				return nil
			}()
		})
	}
	wg.Wait()
	for range tools {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Stat(filepath.Dir(e.url.File)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v; want mode 700", info.Mode(), err)
	}

	reader, writer := e.open(t, Options{}), e.open(t, Options{})
	rows, err := reader.Query(t.Context(), []byte("SELECT i FROM t"))
	if err != nil {
		t.Fatal(err)
	}
	row := make([]record.Value, 1)
	for n := 0; ; n++ {
		if err := rows.Next(row); err == io.EOF {
			if n != tools*statements {
				t.Errorf("%d rows, want %d: the reader saw what came after it", n, tools*statements)
			}
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exec(t, writer, "INSERT INTO t VALUES (0)") // while the reader is open
	}
	rows.Close()
	expect(t, reader, "SELECT count(*) AS n FROM t", fmt.Sprintf("{\"n\":%d}\n", 2*tools*statements))
}

// TestSQLiteBusy: another file keeps its journal mode, in which a writer waits
// for readers, and the error says what to do.
func TestSQLiteBusy(t *testing.T) {
	e := newSQLite(t)
	reader, writer := e.open(t, Options{}), e.open(t, Options{})
	exec(t, reader, "CREATE TABLE t (i INT)", "INSERT INTO t VALUES (1), (2)")
	expect(t, reader, "PRAGMA journal_mode", `{"journal_mode":"delete"}`+"\n")
	rows, err := reader.Query(t.Context(), []byte("SELECT i FROM t"))
	if err != nil {
		t.Fatal(err)
	}
	writer.(*sqliteConn).busyTimeout = 0
	_, err = jsonl(t.Context(), writer, "DELETE FROM t")
	var dbErr *Error
	if !errors.As(err, &dbErr) || !dbErr.Retryable() || dbErr.ConnectionLost() {
		t.Fatalf("error %v", err)
	}
	if got, want := dbErr.Error(), "ERROR 5 (SQLITE_BUSY): database is locked"; got != want {
		t.Errorf("error %s, want %s", got, want)
	}
	if !strings.Contains(dbErr.Hint(), "PRAGMA journal_mode=WAL") {
		t.Errorf("hint %s", dbErr.Hint())
	}

	// What is pending leaves before the wait; if it cannot, that is the error.
	closed := errors.New("the output is closed")
	another := e.open(t, Options{OnWait: func() error { return closed }})
	if _, err := jsonl(t.Context(), another, "DELETE FROM t"); err != closed {
		t.Errorf("OnWait's error: %v", err)
	}

	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	exec(t, writer, "DELETE FROM t")
	exec(t, another, "DELETE FROM t")
}

func TestSQLiteOpen(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ file, want string }{
		{filepath.Join(dir, "new.db"), ""},
		{":memory:", ""},
		{filepath.Join(dir, "missing", "x.db"), "open sqlite:" + dir + "/missing/x.db: ERROR 14 (SQLITE_CANTOPEN): unable to open database file: lstat " + dir + "/missing: no such file or directory"},
		{dir, "open sqlite:" + dir + ": ERROR 14 (SQLITE_CANTOPEN_ISDIR): "},
		{text, "open sqlite:" + text + ": ERROR 26 (SQLITE_NOTADB): file is not a database"},
	}
	for _, tt := range tests {
		conn, err := Open(t.Context(), dburl.URL{Dialect: sqltext.SQLite, File: tt.file}, Options{})
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			exec(t, conn, "CREATE TABLE t (i INT)")
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
		if !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s:\n got %s\nwant %s", tt.file, got, tt.want)
		}
	}
}
