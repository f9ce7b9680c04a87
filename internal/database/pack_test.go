package database

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

var packables = []struct {
	sql  string
	want bool
}{
	{"INSERT INTO t VALUES (1, 'a;b -- /* # @@x')", true},
	{"insert into t values (\"it''s\", 'it\\'s; ', `a;`)", true},
	{"SELECT @a, a-1, a/2, count(*) FROM t", true},
	{"BEGIN", true},
	{"COMMIT", true},
	{"COMMIT RELEASE", false},
	{"SET sql_mode = ''", false},
	{"CALL p()", false},
	{"INSERT INTO t VALUES (1); DELETE FROM t", false},
	{"SELECT 1 -- one", false},
	{"SELECT 1 # one", false},
	{"SELECT /* one */ 1", false},
	{"/*! SELECT 1 */", false},
	{"SELECT 'open", false},
	{"SELECT 'open\\'", false},
	{"SELECT row_count ()", false},
	{"SELECT FOUND_ROWS()", false},
	{"SELECT @@warning_count", false},
	{"INSERT INTO t (row_count) VALUES (1)", true},
	{"", false},
}

func TestPackable(t *testing.T) {
	for _, tt := range packables {
		if got := Packable([]byte(tt.sql)); got != tt.want {
			t.Errorf("%s: %t", tt.sql, got)
		}
	}
}

func TestGivesRows(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT 1":                   true,
		"select 'into' from t":       true,
		"SELECT 1 INTO @a":           false,
		"SELECT 1 into outfile 'x'":  false,
		"SELECT pinto FROM t":        false, // better safe
		"SELECT 1; SELECT 2":         false,
		"SELECT FOUND_ROWS()":        false,
		"INSERT INTO t VALUES (1)":   false,
		"WITH x AS (SELECT 1) TABLE": false, // in MySQL an UPDATE may follow
		"/*! SELECT */ DO 1":         false,
	} {
		if got := GivesRows([]byte(sql)); got != want {
			t.Errorf("%s: %t", sql, got)
		}
	}
}

func pack(statements ...string) *Pack {
	p := &Pack{}
	for _, s := range statements {
		p.Add([]byte(s))
	}
	return p
}

// runPack returns the rows as JSON Lines.
func runPack(t *testing.T, conn Conn, p *Pack) (out string, done int, err error) {
	t.Helper()
	var buf bytes.Buffer
	w, err := record.NewWriter(&buf, record.JSONL, record.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n, done, err := RunPack(t.Context(), conn, p, 0, Output{Rows: w})
	w.Flush()
	if lines := strings.Count(buf.String(), "\n"); int64(lines) != n {
		t.Errorf("%d rows, %d lines", n, lines)
	}
	return buf.String(), done, err
}

// TestPackErrors plants an error at a random statement: what comes before it is
// in, what comes after it is not, and it is known which one it was.
func TestPackErrors(t *testing.T) {
	bad := []string{
		"INSERT INTO t VALUES (0)", "INSERT INTO missing VALUES (1)", "SELEC 1", "INSERT INTO t VALUES (1", "SELECT nope",
		"SELECT i, IF(i >= 0, (SELECT 1 UNION SELECT 2), 0) AS x FROM t", "UPDATE t SET i = 'x'",
	}
	eachEngine(t, func(t *testing.T, e engine) {
		conn := e.open(t, Options{Multi: true})
		exec(t, conn, "CREATE TABLE t (i INT PRIMARY KEY CHECK (i + 0 = i))", "INSERT INTO t VALUES (0)")
		random := rand.New(rand.NewPCG(1, 2))
		for round := range 50 {
			exec(t, conn, "DELETE FROM t WHERE i > 0")
			p := &Pack{}
			n := 2 + random.IntN(300)
			at := random.IntN(n)
			wantRows := ""
			for i := range n {
				switch {
				case i == at:
					p.Add([]byte(e.pick(bad[round%len(bad)], bad[0])))
				case random.IntN(3) == 0:
					p.Add(fmt.Appendf(nil, "SELECT %d AS i, 'a\\;b' AS t", i))
					if i < at {
						wantRows += fmt.Sprintf("{\"i\":%d,\"t\":%s}\n", i, e.pick(`"a;b"`, `"a\\;b"`))
					}
				default:
					p.Add(fmt.Appendf(nil, "INSERT INTO t VALUES (%d)", i+1))
				}
			}
			out, done, err := runPack(t, conn, p)
			if _, ok := errors.AsType[*Error](err); !ok || done != at {
				t.Errorf("round %d: %d of %d ran, want %d; error %v", round, done, n, at, err)
			}
			if !strings.HasPrefix(out, wantRows) || strings.Contains(strings.TrimPrefix(out, wantRows), `"t"`) {
				t.Errorf("round %d: rows %s\nwant %s", round, out, wantRows)
			}
			expect(t, conn, fmt.Sprintf("SELECT max(i) <= %d AS a FROM t", at), `{"a":1}`+"\n")
		}
	})
}

// A pack goes in one round trip where it can, and one by one where it cannot.
func TestPackFallback(t *testing.T) {
	for name, set := range map[string]string{
		"packs":               "DO 0",
		"no backslash":        "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
		"a character set":     "SET character_set_client = gbk",
		"several not allowed": "",
	} {
		e := newMySQL(t)
		conn := e.open(t, Options{Multi: set != ""})
		if set != "" {
			exec(t, conn, set)
		}
		out, done, err := runPack(t, conn, pack(`SELECT 'a\\b' IS NULL AS a`, "SELECT 2 AS b", "SELECT 3 AS c"))
		if err != nil || done != 3 || out != "{\"a\":0}\n{\"b\":2}\n{\"c\":3}\n" {
			t.Errorf("%s: %s, %d, error %v", name, out, done, err)
		}
		if packed := conn.(*mysqlConn).counting.known; packed != (name == "packs") {
			t.Errorf("%s: packed %t", name, packed)
		}
	}
}

func TestAffected(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		conn := e.open(t, Options{})
		exec(t, conn, "CREATE TABLE t (i INT)")
		for _, tt := range []struct {
			sql  string
			want int64
		}{
			{"INSERT INTO t VALUES (1), (2)", 2},
			{"UPDATE t SET i = i + 1", 2},
			{"INSERT INTO t VALUES (7) RETURNING i", -1},
			{"SELECT * FROM t", -1},
			{"DELETE FROM t WHERE i = 99", 0},
			{"DROP TABLE t", -1},
		} {
			rows, err := conn.Query(t.Context(), []byte(tt.sql))
			if err != nil {
				t.Fatal(err)
			}
			if got := rows.Affected(); got != tt.want {
				t.Errorf("%s: %d rows affected, want %d", tt.sql, got, tt.want)
			}
			rows.Close()
		}
	})
}

// Whatever may be in a pack is one statement to what splits a script.
func FuzzPackable(f *testing.F) {
	for _, tt := range packables {
		f.Add(tt.sql)
	}
	next := func(s *sqltext.Scanner) string {
		st, err := s.Next()
		if err != nil {
			return err.Error()
		}
		return string(st.Text)
	}
	f.Fuzz(func(t *testing.T, script string) {
		sql := next(sqltext.NewScanner(strings.NewReader(script), sqltext.ScanOptions{EOFRun: true}))
		if !Packable([]byte(sql)) {
			return
		}
		p := pack(sql, "SELECT 2")
		split := sqltext.NewScanner(strings.NewReader(string(p.text)+";"), sqltext.ScanOptions{})
		for _, want := range []string{sql, "SELECT 2", io.EOF.Error()} {
			if got := next(split); got != want {
				t.Fatalf("%q is split into %q, where %q was packed", p.text, got, want)
			}
		}
	})
}
