package sqlpipe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"pipeworks/internal/database"
	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
	"pipeworks/internal/reject"
)

// onServer is the configuration for a database of the test's own on the server
// of $PIPEWORKS_TEST_MYSQL.
func onServer(t *testing.T) Config {
	t.Helper()
	url := os.Getenv("PIPEWORKS_TEST_MYSQL")
	if url == "" {
		t.Skip("PIPEWORKS_TEST_MYSQL names no MariaDB server, such as mysql://root@127.0.0.1/")
	}
	u, err := dburl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{DB: u, Format: record.JSONL}
	name := "sqlpipe_" + strings.ToLower(rand.Text())
	if _, _, err := runScript(t, cfg, "CREATE DATABASE "+name+";"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := Run(ctx, Config{DB: u, Format: record.JSONL}, stdin("DROP DATABASE "+name+";"), io.Discard); err != nil {
			t.Error(err)
		}
	})
	cfg.DB.Database = name
	return cfg
}

// TestPlantedErrors plants an error at a random statement of 5,000: the line
// named is right, what comes before it is in, and nothing that comes after it.
// PIPEWORKS_TEST_ROUNDS=200 is the long form.
func TestPlantedErrors(t *testing.T) {
	cfg := onServer(t)
	rounds := 4
	if n, err := strconv.Atoi(os.Getenv("PIPEWORKS_TEST_ROUNDS")); err == nil {
		rounds = n
	}
	if _, _, err := runScript(t, cfg, "CREATE TABLE t (i INT PRIMARY KEY);"); err != nil {
		t.Fatal(err)
	}
	bad := []string{"INSERT INTO t VALUES (0)", "INSERT INTO nope VALUES (1)", "SELEC 1", "UPDATE t SET i = (SELECT 1", "SELECT nope FROM t", "SET nope = 1", "SELECT i,\n(SELECT 1 UNION SELECT 2) FROM t"}
	for round := range rounds {
		if _, _, err := runScript(t, cfg, "DELETE FROM t; INSERT INTO t VALUES (0);"); err != nil {
			t.Fatal(err)
		}
		const n = 5000
		at := mathrand.IntN(n)
		var script strings.Builder
		line, want := 1, 0
		inserted, selected := 1, 0
		for i := range n {
			text := fmt.Sprintf("INSERT INTO t\nVALUES (%d);", i+1)
			switch {
			case i == at:
				want = line
				text = bad[round%len(bad)] + ";"
			case mathrand.IntN(10) == 0:
				text = "SELECT ';' AS a; "
				if i < at {
					selected++
				}
			case mathrand.IntN(200) == 0:
				text = "SET @a = 1; # not in a pack"
			case i < at:
				inserted++
			}
			script.WriteString(text + "\n")
			line += strings.Count(text, "\n") + 1
		}
		out, sum, err := runScript(t, cfg, script.String())
		failed, ok := errors.AsType[*database.StatementError](err)
		if !ok || failed.Line != want || failed.Last != 0 {
			t.Fatalf("round %d: error %v, want line %d", round, err, want)
		}
		if got := strings.Count(out, "\n"); got != selected && !strings.Contains(bad[round%len(bad)], "UNION") || sum.Out != int64(got) {
			t.Errorf("round %d: %d rows before the error, want %d; %+v", round, got, selected, sum)
		}
		out, _, err = runScript(t, cfg, "SELECT COUNT(*) AS n FROM t;")
		if want := fmt.Sprintf("{\"n\":%d}\n", inserted); err != nil || out != want {
			t.Errorf("round %d: %s in the table, want %s; error %v", round, out, want, err)
		}
	}
}

// What a pack does is what its statements do one by one, in order.
func TestPacksAsOneByOne(t *testing.T) {
	cfg := onServer(t)
	const script = `CREATE TABLE t (i INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(20));
INSERT INTO t (s) VALUES ('a;b'), ('c');
SELECT LAST_INSERT_ID() AS id;
UPDATE t SET s = CONCAT(s, '!');
SELECT ROW_COUNT() AS n;
INSERT INTO t (s) VALUES ('x') RETURNING i, s;
SELECT SQL_CALC_FOUND_ROWS i FROM t LIMIT 1;
SELECT FOUND_ROWS() AS n;
BEGIN;
DELETE FROM t WHERE i = 1;
ROLLBACK;
SET sql_mode = 'NO_BACKSLASH_ESCAPES';
SELECT 'a\\b' AS a;
SELECT 1 AS b;
SET sql_mode = '';
SELECT 1 AS none FROM t WHERE i = 99;
DELIMITER //
CREATE PROCEDURE p() BEGIN SELECT 1 AS a; SELECT 2 AS b; END//
CALL p()//
SELECT 5 AS a; SELECT 6 AS a//
DELIMITER ;
SELECT * FROM t;
`
	cfg.Format = record.CSV
	var outs []string
	for _, noPack := range []bool{false, true} {
		cfg.NoPack = noPack
		out, sum, err := runScript(t, cfg, script+"DROP TABLE t; DROP PROCEDURE p;\n")
		if err != nil || sum.Out != 14 {
			t.Fatalf("%+v, error %v\n%s", sum, err, out)
		}
		outs = append(outs, out)
	}
	if outs[0] != outs[1] {
		t.Errorf("packed\n%s\none by one\n%s", outs[0], outs[1])
	}
}

// After a statement of a pack was rejected the rest of it goes on.
func TestPackRejects(t *testing.T) {
	cfg := onServer(t)
	var script strings.Builder
	script.WriteString("CREATE TABLE t (i INT PRIMARY KEY);\n")
	for i := range 500 {
		fmt.Fprintf(&script, "INSERT INTO t VALUES (%d);\n", i/2)
	}
	var out bytes.Buffer
	cfg.Rejects = &reject.Sink{Tool: "sqlpipe", Out: &out}
	_, sum, err := runScript(t, cfg, script.String())
	if sum.Rejected != 250 || sum.In != 501 || message(err) != "250 records rejected" {
		t.Errorf("%+v, error %v", sum, err)
	}
	if got := out.String(); !strings.Contains(got, `"line":3,`) || strings.Count(got, "\n") != 250 || strings.Contains(got, `"line":4,`) {
		t.Errorf("rejects\n%s", got)
	}
}
