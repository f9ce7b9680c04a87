package sqlpipe

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pipeworks/internal/database"
	"pipeworks/internal/sqltext"
)

// eachDatabase runs a test on SQLite, and on the server if there is one.
func eachDatabase(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Run("sqlite", func(t *testing.T) { test(t, onFile(t)) })
	t.Run("mysql", func(t *testing.T) { test(t, onServer(t)) })
}

// ok runs a script that must succeed and returns its rows.
func ok(t *testing.T, cfg Config, script string) string {
	t.Helper()
	cfg.Transaction, cfg.CommitEvery, cfg.Resume = false, 0, ""
	out, _, err := runScript(t, cfg, script)
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return out
}

func TestKinds(t *testing.T) {
	for _, tt := range []struct {
		text          string
		mysql, sqlite kind
	}{
		{"INSERT INTO t VALUES (1)", ordinary, ordinary},
		{"BEGIN", control, control},
		{"BEGIN NOT ATOMIC SELECT 1; END", ordinary, ordinary},
		{"start transaction read only", control, ordinary},
		{"COMMIT", control, control},
		{"ROLLBACK", control, control},
		{"ROLLBACK TO s", ordinary, ordinary},
		{"ROLLBACK WORK TO s", ordinary, ordinary},
		{"SAVEPOINT s", ordinary, ordinary},
		{"SET autocommit=0", control, ordinary},
		{"SET @@session.autocommit = 1", control, ordinary},
		{"/*!40101 SET NAMES utf8 */", ofSession, ordinary},
		{"SET @a = 1", ofSession, ordinary},
		{"SET GLOBAL a = 1", ordinary, ordinary},
		{"SET PASSWORD = ''", commits, ordinary},
		{"USE shop", ofSession, ordinary},
		{"PRAGMA foreign_keys = ON", ordinary, ofSession},
		{"CREATE TABLE t (i INT)", commits, ordinary},
		{"/*!50001 CREATE VIEW v AS SELECT 1 */", commits, ordinary},
		{"CREATE TEMPORARY TABLE t (i INT)", bound, bound},
		{"CREATE OR REPLACE TEMPORARY TABLE t (i INT)", bound, ordinary},
		{"TRUNCATE t", commits, ordinary},
		{"LOCK TABLES t WRITE", commits, ordinary},
		{"PREPARE s FROM 'SELECT 1'", bound, ordinary},
		{"END", ordinary, control},
		{"SELECT 1; COMMIT", control, ordinary},
		{"SET @a = 1; INSERT INTO t VALUES (@a)", ordinary, ordinary},
		{"SELECT 'x'';COMMIT' /* ; COMMIT */ -- ; COMMIT", ordinary, ordinary},
		{"BEGIN NOT ATOMIC INSERT INTO t VALUES (1); COMMIT; END", control, ordinary},
		{"CREATE PROCEDURE p() BEGIN START TRANSACTION; COMMIT; END", commits, ordinary},
	} {
		if got := kindOf([]byte(tt.text), sqltext.MySQL); got != tt.mysql {
			t.Errorf("MySQL: %s: %d, want %d", tt.text, got, tt.mysql)
		}
		if got := kindOf([]byte(tt.text), sqltext.SQLite); got != tt.sqlite {
			t.Errorf("SQLite: %s: %d, want %d", tt.text, got, tt.sqlite)
		}
	}
}

func TestMayWrite(t *testing.T) {
	for _, tt := range []struct {
		text          string
		mysql, sqlite bool
	}{
		{"SELECT 1", false, false},
		{"SELECT 1 INTO OUTFILE '/tmp/x'", true, true},
		{"INSERT INTO t VALUES (1)", false, false}, // which the session refuses
		{"SAVEPOINT s", false, false},
		{"ROLLBACK TO s", false, false},
		{"BEGIN", false, false},
		{"START TRANSACTION READ WRITE", true, true},
		{"BEGIN NOT ATOMIC SET SESSION TRANSACTION READ WRITE; END", true, true},
		{"SET NAMES utf8mb4", false, true},
		{"SET @a = 1", false, true},
		{"SET @a = 1, sql_mode = ''", true, true},
		{"USE shop", false, true},
		{"PRAGMA query_only = 0", true, true},
		{"VACUUM INTO 'x'", true, true},
		{"CREATE TABLE t (i INT)", true, true},
		{"LOAD DATA INFILE 'x' INTO TABLE t", true, true},
		{"KILL 1", true, true},
		{"SHUTDOWN", true, true},
		{"EXECUTE s", true, true},
	} {
		if got := mayWrite([]byte(tt.text), sqltext.MySQL); got != tt.mysql {
			t.Errorf("MySQL: %s: %t", tt.text, got)
		}
		if got := mayWrite([]byte(tt.text), sqltext.SQLite); got != tt.sqlite {
			t.Errorf("SQLite: %s: %t", tt.text, got)
		}
	}
}

func TestTransaction(t *testing.T) {
	eachDatabase(t, func(t *testing.T, cfg Config) {
		cfg.Transaction = true
		if _, _, err := runScript(t, cfg, "CREATE TABLE t (i INT PRIMARY KEY);\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2);\n"); err != nil {
			t.Fatal(err)
		}
		var undone string
		cfg.Warn = func(message string) { undone = message }
		if _, _, err := runScript(t, cfg, "INSERT INTO t VALUES (3);\nINSERT INTO t VALUES (4);\nINSERT INTO t VALUES (1);\n"); !strings.Contains(message(err), "at line 3: ") {
			t.Errorf("error %v", err)
		}
		if want := "undone: what was run of line 1 of stdin to line 3 of stdin"; undone != want {
			t.Errorf("%s, want %s", undone, want)
		}
		if _, _, err := runScript(t, cfg, "INSERT INTO t VALUES (1);\nCOMMIT;\n"); !strings.Contains(message(err), " at line 1: ") {
			t.Errorf("what comes before a statement that is refused: error %v", err)
		}
		for _, refused := range []string{"BEGIN", "COMMIT", "ROLLBACK"} {
			if _, _, err := runScript(t, cfg, "INSERT INTO t VALUES (5);\n"+refused+";\n"); message(err) != "ERROR at line 2: the stream has transactions of its own" {
				t.Errorf("%s: error %v", refused, err)
			}
		}
		if cfg.DB.Dialect == sqltext.MySQL {
			if _, _, err := runScript(t, cfg, "INSERT INTO t VALUES (5);\nCREATE TABLE u (i INT);\n"); message(err) != "ERROR at line 2: this would commit what came before it" {
				t.Errorf("error %v", err)
			}
		}
		if got := ok(t, cfg, "SELECT * FROM t;"); got != "{\"i\":1}\n{\"i\":2}\n" {
			t.Errorf("in the table: %s", got)
		}
	})
}

// A run that is stopped goes on with the first statement not committed.
func TestResume(t *testing.T) {
	eachDatabase(t, func(t *testing.T, cfg Config) {
		ok(t, cfg, "CREATE TABLE t (i INT);")
		var script strings.Builder
		for i := range 95 {
			fmt.Fprintf(&script, "INSERT INTO t VALUES (%d);\n", i)
		}
		cfg.CommitEvery, cfg.Resume = 10, "a job's"
		_, sum, err := runScript(t, cfg, script.String()+"INSERT INTO nope VALUES (1);\n")
		if !strings.Contains(message(err), " at line 96: ") || sum.In != 96 {
			t.Fatalf("%+v, error %v", sum, err)
		}
		if got := ok(t, cfg, "SELECT count(*) AS n FROM t; SELECT name, statements FROM pipeworks_progress;"); got != "{\"n\":90}\n{\"name\":\"a job's\",\"statements\":90}\n" {
			t.Errorf("after the error: %s", got)
		}
		shorter, _, _ := strings.Cut(script.String(), "INSERT INTO t VALUES (20)")
		for _, changed := range []string{strings.Replace(script.String(), "(5)", "(6)", 1), shorter} {
			_, _, err := runScript(t, cfg, changed)
			if failed, ok := errors.AsType[*changedError](err); !ok || failed.ExitStatus() != 2 {
				t.Errorf("a changed input: error %v", err)
			}
		}
		for _, skipped := range []int64{90, 96} {
			_, sum, err := runScript(t, cfg, script.String()+"SELECT 1 AS i;")
			if err != nil || sum.Skipped != skipped {
				t.Errorf("%+v, error %v", sum, err)
			}
		}
		if got := ok(t, cfg, "SELECT count(*) AS n, count(DISTINCT i) AS m FROM t;"); got != "{\"n\":95,\"m\":95}\n" {
			t.Errorf("at the end: %s", got)
		}
	})
}

// What sets up the session is run again; what commits by itself keeps its place.
func TestResumeSession(t *testing.T) {
	cfg := onServer(t)
	other := cfg.DB.Database + "_2"
	cfg.CommitEvery, cfg.Resume = 3, "job"
	script := "CREATE DATABASE " + other + ";\nCREATE TABLE " + other + ".t (i INT);\nUSE " + other + ";\nSET @a = 5;\nINSERT INTO t VALUES (@a);\nINSERT INTO t VALUES (@a + 1);\nALTER TABLE t ADD j INT;\n"
	defer ok(t, Config{DB: cfg.DB, Format: cfg.Format}, "DROP DATABASE IF EXISTS "+other+";")
	if _, _, err := runScript(t, cfg, script+"INSERT INTO t VALUES (1);\n"); !strings.Contains(message(err), "ERROR 1136 (21S01) at line 8") {
		t.Fatalf("error %v", err)
	}
	_, sum, err := runScript(t, cfg, script+"INSERT INTO t VALUES (@a + 2, 0);\n")
	if err != nil || sum.Skipped != 7 {
		t.Errorf("%+v, error %v", sum, err)
	}
	if got := ok(t, cfg, "SELECT * FROM "+other+".t; DROP DATABASE "+other+";"); got != "{\"i\":5,\"j\":null}\n{\"i\":6,\"j\":null}\n{\"i\":7,\"j\":0}\n" {
		t.Error(got)
	}
	if _, _, err := runScript(t, Config{DB: cfg.DB, Format: cfg.Format, CommitEvery: 1, Resume: "x"}, "CREATE TEMPORARY TABLE t (i INT);"); message(err) != "ERROR at line 1: what this makes ends with the connection: --resume could not go on behind it" {
		t.Errorf("error %v", err)
	}
}

// A statement that meets a lock is run again, in its chunk or alone.
func TestRetries(t *testing.T) {
	cfg := onServer(t)
	ok(t, cfg, "CREATE TABLE t (i INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 0), (2, 0);")
	for _, tt := range []struct {
		every  int
		update string
	}{{0, "UPDATE"}, {3, "UPDATE"}, {3, "UPDATE /* in no pack */"}, {4, "UPDATE /* in no pack */"}} {
		other, err := database.Open(t.Context(), cfg.DB, database.Options{})
		if err != nil {
			t.Fatal(err)
		}
		run := func(sql string) {
			t.Helper()
			rows, err := other.Query(t.Context(), []byte(sql))
			if err != nil {
				t.Fatal(err)
			}
			rows.Close()
		}
		run("BEGIN")
		run("UPDATE t SET n = n + 100 WHERE i = 2")
		cfg.CommitEvery, cfg.Retries = tt.every, 100
		notes := 0
		cfg.Note = func(message string) {
			if !strings.HasSuffix(message, "; trying again") {
				return
			}
			if !strings.HasPrefix(message, "ERROR 1205 (HY000) at line 3: ") {
				t.Errorf("noted: %s", message)
			}
			if notes++; notes == 2 {
				run("COMMIT")
			}
		}
		_, sum, err := runScript(t, cfg, "SET innodb_lock_wait_timeout = 0;\nUPDATE t SET n = n + 1 WHERE i = 1;\n"+tt.update+" t SET n = n + 1 WHERE i = 2;\n")
		if err != nil || sum.In != 3 {
			t.Errorf("%+v, error %v", sum, err)
		}
		other.Close()
	}
	if got := ok(t, cfg, "SELECT * FROM t;"); got != "{\"i\":1,\"n\":4}\n{\"i\":2,\"n\":404}\n" {
		t.Error(got)
	}
}
