package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"pipeworks/internal/record"
)

// What both implementations promise.

func TestRows(t *testing.T) {
	tests := []struct{ sql, want string }{
		{"SELECT 1 AS a, 'x' AS b, NULL AS c", `{"a":1,"b":"x","c":null}` + "\n"},
		{"SELECT 1 AS a, 2 AS a, 3 AS a_2", `{"a":1,"a_3":2,"a_2":3}` + "\n"},
		{"SELECT '' AS empty, 'NULL' AS word", `{"empty":"","word":"NULL"}` + "\n"},
		{"SELECT 9223372036854775807 AS a, -9223372036854775807 AS b", `{"a":9223372036854775807,"b":-9223372036854775807}` + "\n"},
		{"SELECT X'00ff' AS b, X'' AS e", `{"b":"0x00ff","e":"0x"}` + "\n"},
		{"SELECT 'žluťoučký 🐎' AS t", `{"t":"žluťoučký 🐎"}` + "\n"},
		{"SELECT id FROM t WHERE id > 5", ""},
		{"SELECT id, name FROM t ORDER BY id", `{"id":1,"name":"one"}` + "\n" + `{"id":2,"name":null}` + "\n"},
		{"INSERT INTO t VALUES (3, 'three')", ""},
		{"INSERT INTO t (id, name) VALUES (4, 'four'), (5, 'five') RETURNING id, name", `{"id":4,"name":"four"}` + "\n" + `{"id":5,"name":"five"}` + "\n"},
		{"DELETE FROM t WHERE id > 2", ""},
		{"-- a comment\nSELECT 1 AS a -- another", `{"a":1}` + "\n"},
	}
	eachEngine(t, func(t *testing.T, e engine) {
		conn := e.open(t, Options{})
		exec(t, conn, "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20))", "INSERT INTO t VALUES (1, 'one'), (2, NULL)")
		for _, tt := range tests {
			expect(t, conn, tt.sql, tt.want)
		}
	})
}

func TestStatementErrors(t *testing.T) {
	tests := []struct{ sql, mysql, sqlite string }{
		{
			"SELECT * FROM missing",
			"ERROR 1146 (42S02) at line 7: Table 'DB.missing' doesn't exist",
			"ERROR 1 (SQLITE_ERROR) at line 7: no such table: missing",
		},
		{
			"SELECT wrong FROM t",
			"ERROR 1054 (42S22) at line 7: Unknown column 'wrong' in ",
			"ERROR 1 (SQLITE_ERROR) at line 7: no such column: wrong",
		},
		{
			"INSERT INTO t VALUES (1)",
			"ERROR 1062 (23000) at line 7: Duplicate entry '1' for key 'PRIMARY'",
			"ERROR 19 (SQLITE_CONSTRAINT_PRIMARYKEY) at line 7: UNIQUE constraint failed: t.id",
		},
		{
			"SELECT 1; SELECT 2",
			"ERROR 1064 (42000) at line 7: You have an error in your SQL syntax; ",
			"ERROR 1 (SQLITE_ERROR) at line 7: more than one statement",
		},
	}
	eachEngine(t, func(t *testing.T, e engine) {
		conn := e.open(t, Options{})
		exec(t, conn, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
		for _, tt := range tests {
			_, err := jsonl(t.Context(), conn, tt.sql)
			want := e.pick(strings.ReplaceAll(tt.mysql, "DB", e.url.Database), tt.sqlite)
			if got := (&StatementError{Source: "stdin", Line: 7, Err: err}).Error(); !strings.HasPrefix(got, want) { // messages differ in their ends between servers
				t.Errorf("%s:\n got %s\nwant %s…", tt.sql, got, want)
			}
			expect(t, conn, "SELECT id FROM t", `{"id":1}`+"\n") // the session goes on
		}
	})
}

// series is a statement that gives n rows with the numbers from 1 as i.
func (e engine) series(n int) string {
	return e.pick(
		fmt.Sprintf("SELECT seq AS i FROM seq_1_to_%d", n),
		fmt.Sprintf("WITH RECURSIVE s(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM s WHERE i < %d) SELECT i FROM s", n),
	)
}

func TestErrorHalfWay(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		conn := e.open(t, Options{})
		exec(t, conn, "CREATE TABLE t (i INT PRIMARY KEY)", "INSERT INTO t "+e.series(5))
		// The third row's value cannot be had.
		out, err := jsonl(t.Context(), conn, e.pick(
			"SELECT i, IF(i = 3, (SELECT 1 UNION SELECT 2), 0) AS x FROM t ORDER BY i",
			"SELECT i, CASE WHEN i = 3 THEN abs(-9223372036854775807 - 1) ELSE 0 END AS x FROM t ORDER BY i",
		))
		var dbErr *Error
		if !errors.As(err, &dbErr) {
			t.Fatalf("rows %s, error %v", out, err)
		}
		if want := e.pick("1242 21000", "1 SQLITE_ERROR"); fmt.Sprint(dbErr.Number, " ", dbErr.State) != want {
			t.Errorf("error %v, want %s", dbErr, want)
		}
		if want := `{"i":1,"x":0}` + "\n" + `{"i":2,"x":0}` + "\n"; out != want {
			t.Errorf("rows before the error: %s, want %s", out, want)
		}
		expect(t, conn, "SELECT COUNT(*) AS n FROM t", `{"n":5}`+"\n")
	})
}

func TestEarlyClose(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		conn := e.open(t, Options{})
		exec(t, conn, "CREATE TABLE t (i INT)", "BEGIN", "INSERT INTO t VALUES (7)")
		for range 3 {
			rows, err := conn.Query(t.Context(), []byte(e.series(2_000_000_000)))
			if err != nil {
				t.Fatal(err)
			}
			row := make([]record.Value, len(rows.Columns()))
			if err := rows.Next(row); err != nil || string(row[0].Bytes) != "1" {
				t.Fatalf("first row %s, %v", row[0].Bytes, err)
			}
			if _, err := conn.Query(t.Context(), []byte("SELECT 1")); err != errRowsOpen {
				t.Errorf("a query between the rows of another: %v", err)
			}
			if err := rows.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if err := rows.Close(); err != nil {
				t.Errorf("second close: %v", err)
			}
		}
		expect(t, conn, "SELECT i FROM t", `{"i":7}`+"\n") // the transaction is still there
	})
}

func TestNextResultSkipsRows(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		conn := e.open(t, Options{})
		rows, err := conn.Query(t.Context(), []byte(e.series(100)))
		if err != nil {
			t.Fatal(err)
		}
		row := make([]record.Value, 1)
		if err := rows.Next(row); err != nil {
			t.Fatal(err)
		}
		if more, err := rows.NextResult(); more || err != nil {
			t.Errorf("another result: %t, %v", more, err)
		}
		if err := rows.Next(row); err != io.EOF {
			t.Errorf("a row behind the last result: %v", err)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
		expect(t, conn, "SELECT 1 AS a", `{"a":1}`+"\n")
	})
}

func TestCancel(t *testing.T) {
	endless := func(e engine) []byte { // no row ever comes
		return []byte(e.pick("SELECT BENCHMARK(1e15, SHA2('x', 512)) AS x", e.series(2_000_000_000_000)+" WHERE i < 0"))
	}
	eachEngine(t, func(t *testing.T, e engine) {
		conn := e.open(t, Options{})
		stopped := errors.New("stopped by the test")

		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cancel(stopped) })
		rows, err := conn.Query(ctx, endless(e))
		if err == nil {
			err = rows.Next(make([]record.Value, 1))
			rows.Close()
		}
		if err != stopped {
			t.Errorf("while it computes: %v", err)
		}
		if _, err := conn.Query(ctx, []byte("SELECT 1")); err != stopped {
			t.Errorf("after the end of the context: %v", err)
		}

		ctx, cancel = context.WithCancelCause(t.Context())
		defer cancel(nil)
		rows, err = conn.Query(ctx, []byte(e.series(2_000_000_000)))
		if err != nil {
			t.Fatal(err)
		}
		row := make([]record.Value, 1)
		for n := 0; err == nil; n++ {
			if n == 1000 {
				cancel(stopped)
			}
			err = rows.Next(row)
		}
		if err != stopped {
			t.Errorf("between rows: %v", err)
		}
		if err := rows.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		expect(t, conn, "SELECT 1 AS a", `{"a":1}`+"\n") // the session is still good
	})
}

// counter is a writer that counts rows and fails after some.
type counter struct{ rows, limit int }

func (c *counter) Begin([]string) error { return nil }
func (c *counter) Flush() error         { return nil }
func (c *counter) Write([]record.Value) error {
	if c.rows == c.limit {
		return io.ErrClosedPipe
	}
	c.rows++
	return nil
}

func TestMemoryIsConstant(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		conn := e.open(t, Options{})
		allocated := func(rows int) uint64 {
			r, err := conn.Query(t.Context(), []byte(e.series(rows)))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			w := counter{limit: rows}
			if _, err := copyResults(r, Output{Rows: &w}); err != nil || w.rows != rows {
				t.Fatalf("%d rows, %v; want %d", w.rows, err, rows)
			}
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		few, many := allocated(100), allocated(100_000)
		if many > few+1<<20 {
			t.Errorf("heap %d B after 100 rows, %d B after 100,000", few, many)
		}
	})
}

func TestWriteError(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		conn := e.open(t, Options{})
		rows, err := conn.Query(t.Context(), []byte(e.series(2_000_000_000)))
		if err != nil {
			t.Fatal(err)
		}
		n, err := copyResults(rows, Output{Rows: &counter{limit: 3}})
		if n != 3 || err != io.ErrClosedPipe {
			t.Errorf("copied %d, %v", n, err)
		}
		if err := rows.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}
