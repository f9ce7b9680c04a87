package database

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// engine is a database of the test's own, on one of the implementations.
type engine struct {
	url dburl.URL
}

// eachEngine runs a test of what every implementation promises: on SQLite,
// and on the server of $PIPEWORKS_TEST_MYSQL if it is set: a MariaDB, which has
// the sequence tables and INSERT … RETURNING that are used here.
func eachEngine(t *testing.T, test func(t *testing.T, e engine)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newSQLite(t)) })
	t.Run("mysql", func(t *testing.T) { test(t, newMySQL(t)) })
}

func newSQLite(t *testing.T) engine {
	t.Helper()
	return engine{dburl.URL{Dialect: sqltext.SQLite, File: filepath.Join(t.TempDir(), "test.db")}}
}

func newMySQL(t *testing.T) engine {
	t.Helper()
	u := mysqlURL(t)
	admin := engine{u}.open(t, Options{})
	u.Database = "pipeworks_" + rand.Text()
	exec(t, admin, "CREATE DATABASE "+u.Database+" CHARACTER SET utf8mb4")
	t.Cleanup(func() { exec(t, admin, "DROP DATABASE "+u.Database) })
	return engine{u}
}

// mysqlURL is the test server's.
func mysqlURL(t *testing.T) dburl.URL {
	t.Helper()
	s := os.Getenv("PIPEWORKS_TEST_MYSQL")
	if s == "" {
		t.Skip("PIPEWORKS_TEST_MYSQL names no MariaDB server, such as mysql://root@127.0.0.1/")
	}
	u, err := dburl.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// pick chooses between two spellings.
func (e engine) pick(mysql, sqlite string) string {
	if e.url.Dialect == sqltext.MySQL {
		return mysql
	}
	return sqlite
}

func (e engine) open(t *testing.T, o Options) Conn {
	t.Helper()
	conn, err := Open(t.Context(), e.url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return conn
}

// jsonl executes a statement and returns its rows as JSON Lines.
func jsonl(ctx context.Context, conn Conn, sql string) (string, error) {
	rows, err := conn.Query(ctx, []byte(sql))
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	w, err := record.NewWriter(&out, record.JSONL, record.WriterOptions{Binary: record.Hex})
	if err != nil {
		return "", err
	}
	_, err = copyResults(rows, Output{Rows: w})
	if closeErr := rows.Close(); err == nil {
		err = closeErr
	}
	w.Flush()
	return out.String(), err
}

// exec executes statements that must succeed.
func exec(t *testing.T, conn Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		// Also when the test's own context has ended: at its end it cleans up.
		if _, err := jsonl(context.WithoutCancel(t.Context()), conn, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// expect executes a statement and compares its rows.
func expect(t *testing.T, conn Conn, sql, want string) {
	t.Helper()
	got, err := jsonl(t.Context(), conn, sql)
	if err != nil {
		t.Errorf("%s: %v", sql, err)
	} else if got != want {
		t.Errorf("%s:\n got %s\nwant %s", sql, got, want)
	}
}
