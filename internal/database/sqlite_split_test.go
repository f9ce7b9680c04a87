package database

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"pipeworks/internal/sqltext"
)

var sqlitePieces = []string{
	"SELECT 1", "SELECT ';'", "SELECT 'it''s;'", `SELECT ";" AS "a;""b"`, "SELECT 1 AS [a;b]", "SELECT 1 AS `a``;b`", "SELECT 'a\\', 1",
	"SELECT x'3b', .5, 1.", "SELECT CASE WHEN 1 THEN 2 END", "SELECT 1 AS \"end\"", "SELECT 1 /* ; */", "SELECT 1 -- ;\n", "SELECT 1--1\n", "SELECT 'é;東'",
	"BEGIN", "END", "COMMIT", "EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN SELECT 1", "VALUES (1)", "/* ; */", "-- ;\n", "/**/", "/*/ ; */", "",
	"CREATE TABLE IF NOT EXISTS trigger_ (a, end_)", "DROP TABLE IF EXISTS nothing",
	"CREATE TRIGGER %r AFTER INSERT ON t BEGIN SELECT 1; END",
	"create temp trigger %r after insert on t begin select case when 1 then 2 end; end",
	"CREATE TEMPORARY TRIGGER IF NOT EXISTS %r AFTER UPDATE ON t BEGIN SELECT ';'; /* END; */ DELETE FROM t; -- END;\n END",
	"CREATE /* a */ TRIGGER -- b\n %r BEFORE DELETE ON t WHEN old.a > 1 BEGIN UPDATE t SET a = ';end;'; SELECT 1 AS \"end\"; END",
	"EXPLAIN CREATE TRIGGER %r AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END",
	"CREATE TRIGGER %r AFTER INSERT ON t BEGIN INSERT INTO t VALUES (1), (2) ; END",
}

// A script for SQLite is split as the library itself splits it: what it
// prepares, and the tail that it leaves.
func TestSQLiteSplitting(t *testing.T) {
	db, err := sqlite3.Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Exec("CREATE TABLE t (a)"); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 0))
	whole := 0
	for range 2000 {
		var script strings.Builder
		for range 1 + r.IntN(6) {
			piece := strings.ReplaceAll(sqlitePieces[r.IntN(len(sqlitePieces))], "%r", "r")
			script.WriteString(piece + []string{";", ";\n", " ; ", ";;", "\n;\n"}[r.IntN(5)])
		}
		want, ok := prepareAll(t, db, script.String())
		if !ok {
			continue // as far as SQLite is concerned this is no SQL
		}
		whole++
		scanner := sqltext.NewScanner(strings.NewReader(script.String()), sqltext.ScanOptions{Dialect: sqltext.SQLite})
		var got []string
		for {
			st, err := scanner.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%q: %v", script.String(), err)
			}
			got = append(got, string(st.Text))
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q:\n got %q\nwant %q", script.String(), got, want)
		}
	}
	if whole < 1000 {
		t.Errorf("only %d scripts of 2000 are SQL", whole)
	}
}

// prepareAll lets the library split a script. ok is false if it does not like
// a part of it.
func prepareAll(t *testing.T, db *sqlite3.Conn, script string) (texts []string, ok bool) {
	t.Helper()
	for script != "" {
		stmt, tail, err := db.Prepare(script)
		if err != nil {
			return nil, false
		}
		text := skipBlank(strings.TrimSuffix(script, tail))
		text = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(text, " \n"), ";"), " \n")
		if stmt != nil {
			texts = append(texts, text)
			stmt.Close()
		}
		script = tail
	}
	return texts, true
}
