package sqlpipe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/database"
	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
	"pipeworks/internal/reject"
	"pipeworks/internal/sqltext"
	"pipeworks/internal/stream"
)

// onFile is the configuration for an SQLite file of the test's own.
func onFile(t *testing.T) Config {
	t.Helper()
	return Config{
		DB:     dburl.URL{Dialect: sqltext.SQLite, File: filepath.Join(t.TempDir(), "test.db")},
		Format: record.JSONL,
	}
}

func stdin(text string) stream.Inputs { return stream.Inputs{Stdin: strings.NewReader(text)} }

// runScript runs a script and returns the rows as they were written.
func runScript(t *testing.T, cfg Config, script string) (string, Summary, error) {
	t.Helper()
	var out bytes.Buffer
	sum, err := Run(t.Context(), cfg, stdin(script), &out)
	return out.String(), sum, err
}

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		eofRun       bool
		want, err    string
		sum          Summary
	}{
		{
			name:   "in order, on one connection",
			script: "CREATE TEMP TABLE t (a);\nINSERT INTO t VALUES (1), (2);\nUPDATE t SET a = a * 10;\nSELECT a FROM t;\nSELECT count(*) AS n FROM t;\n",
			want:   "{\"a\":10}\n{\"a\":20}\n{\"n\":2}\n",
			sum:    Summary{In: 5, Out: 3, Bytes: 23 + 29 + 23 + 15 + 27},
		},
		{
			name:   "the first error ends the run",
			script: "CREATE TABLE t (a);\nSELECT 1 AS a; SELECT\n nope;\nSELECT 2 AS a;\n",
			want:   "{\"a\":1}\n",
			err:    "ERROR 1 (SQLITE_ERROR) at line 2: no such column: nope",
			sum:    Summary{In: 3, Out: 1, Bytes: 19 - 1 + 13 + 12},
		},
		{
			name:   "an error between the rows of a statement",
			script: "SELECT abs(column1) AS a FROM (VALUES (-1), (-9223372036854775807 - 1), (-2));\n",
			want:   "{\"a\":1}\n",
			err:    "ERROR 1 (SQLITE_ERROR) at line 1: integer overflow",
			sum:    Summary{In: 1, Out: 1, Bytes: 77},
		},
		{
			name:   "a last statement whose line has ended",
			script: "SELECT 1 AS a;\nSELECT 2 AS a\n",
			want:   "{\"a\":1}\n{\"a\":2}\n",
			sum:    Summary{In: 2, Out: 2, Bytes: 26},
		},
		{
			name:   "a last statement whose line has not",
			script: "SELECT 1 AS a;\nSELECT 2 AS a",
			want:   "{\"a\":1}\n",
			err:    "stdin: line 2: the input ends in a statement without terminator: it was not run",
			sum:    Summary{In: 1, Out: 1, Bytes: 13},
		},
		{
			name:   "a last statement as it is",
			script: "SELECT 1 AS a;\nSELECT 2 AS a",
			eofRun: true,
			want:   "{\"a\":1}\n{\"a\":2}\n",
			sum:    Summary{In: 2, Out: 2, Bytes: 26},
		},
		{name: "nothing"},
		{name: "no statement", script: " ;;\n-- SELECT 1;\n/* SELECT 2; */"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := onFile(t)
			cfg.Scan.EOFRun = tt.eofRun
			got, sum, err := runScript(t, cfg, tt.script)
			if message(err) != tt.err {
				t.Errorf("error %q, want %q", message(err), tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.sum, sum); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What ran before the error stands, what comes after it has not run; an open
// transaction is undone.
func TestWhatStands(t *testing.T) {
	cfg := onFile(t)
	if _, _, err := runScript(t, cfg, "CREATE TABLE t (a); INSERT INTO t VALUES (1); SELECT nope; INSERT INTO t VALUES (2);"); err == nil {
		t.Fatal("no error")
	}
	if _, _, err := runScript(t, cfg, "BEGIN; INSERT INTO t VALUES (3); SELECT nope; COMMIT;"); err == nil {
		t.Fatal("no error")
	}
	got, _, err := runScript(t, cfg, "SELECT a FROM t;")
	if err != nil || got != "{\"a\":1}\n" {
		t.Errorf("%s, error %v", got, err)
	}
}

// A message names the file, and lines are counted in each.
func TestFiles(t *testing.T) {
	cfg := onFile(t)
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.sql"), filepath.Join(dir, "two.sql")
	write(t, one, "SELECT 1 AS a;\n\n")
	write(t, two, "\nSELECT nope;\n")
	var out bytes.Buffer
	sum, err := Run(t.Context(), cfg, stream.Inputs{Stdin: strings.NewReader("SELECT 0 AS a;"), Names: []string{one, "-", one, two}}, &out)
	if want := "ERROR 1 (SQLITE_ERROR) at line 2 in file: '" + two + "': no such column: nope"; message(err) != want {
		t.Errorf("error %q, want %q", message(err), want)
	}
	failed, ok := errors.AsType[*database.StatementError](err)
	if !ok || failed.Line != 2 || failed.Source != two {
		t.Errorf("error %#v", err)
	}
	if want := "{\"a\":1}\n{\"a\":0}\n{\"a\":1}\n"; out.String() != want || sum.In != 4 || sum.Out != 3 {
		t.Errorf("%s, %+v", out.String(), sum)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Every rejected statement can be run again as it is in the rejects, and what
// is done with it changes no line number behind it.
func TestRejects(t *testing.T) {
	cfg := onFile(t)
	var rejects bytes.Buffer
	cfg.Rejects = &reject.Sink{Tool: "sqlpipe", Out: &rejects}
	got, sum, err := runScript(t, cfg, `INSERT INTO t VALUES ('a;');
SELECT 1 AS a;
INSERT INTO t VALUES ('b') -- comment
;
INSERT INTO t
  VALUES ('c')

;
SELECT 2 AS a;INSERT INTO t VALUES ('d');`)
	if rejected, ok := errors.AsType[*reject.RejectedError](err); !ok || rejected.Count != 4 {
		t.Errorf("error %v", err)
	}
	if want := "{\"a\":1}\n{\"a\":2}\n"; got != want || sum.In != 6 || sum.Out != 2 || sum.Rejected != 4 {
		t.Errorf("%s, %+v", got, sum)
	}
	type line struct {
		Tool, Source string
		Line         int
		Error, Code  string
		Retryable    bool
		Input        string
	}
	var lines []line
	again := ""
	for dec := json.NewDecoder(&rejects); ; {
		var l line
		if err := dec.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
		again += l.Input + "\n"
	}
	want := []line{
		{"sqlpipe", "stdin", 1, "ERROR 1 (SQLITE_ERROR) at line 1: no such table: t", "1", false, "INSERT INTO t VALUES ('a;');"},
		{"sqlpipe", "stdin", 3, "ERROR 1 (SQLITE_ERROR) at line 3: no such table: t", "1", false, "INSERT INTO t VALUES ('b') -- comment\n;"},
		{"sqlpipe", "stdin", 5, "ERROR 1 (SQLITE_ERROR) at line 5: no such table: t", "1", false, "INSERT INTO t\n  VALUES ('c');"},
		{"sqlpipe", "stdin", 9, "ERROR 1 (SQLITE_ERROR) at line 9: no such table: t", "1", false, "INSERT INTO t VALUES ('d');"},
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	cfg.Rejects = nil
	got, _, err = runScript(t, cfg, "CREATE TABLE t (a);\n"+again+"SELECT group_concat(a) AS a FROM t;")
	if err != nil || got != "{\"a\":\"a;,b,c,d\"}\n" {
		t.Errorf("%s, error %v", got, err)
	}
}

func TestScript(t *testing.T) {
	for _, tt := range []struct {
		dialect    sqltext.Dialect
		text, want string
	}{
		{sqltext.MySQL, "SELECT 1", "SELECT 1;"},
		{sqltext.MySQL, "SELECT ';' /* ; */", "SELECT ';' /* ; */;"},
		{sqltext.MySQL, "SELECT 1 # one", "SELECT 1 # one\n;"},
		{sqltext.MySQL, "SELECT '#'", "SELECT '#';"},
		{sqltext.MySQL, "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END", "DELIMITER //\nBEGIN NOT ATOMIC SELECT 1; SELECT 2; END\n//\nDELIMITER ;"},
		{sqltext.MySQL, "BEGIN NOT ATOMIC SELECT 4//2; END", "DELIMITER $$\nBEGIN NOT ATOMIC SELECT 4//2; END\n$$\nDELIMITER ;"},
		{sqltext.SQLite, "SELECT 1 -- one", "SELECT 1 -- one\n;"},
		{sqltext.SQLite, "CREATE TRIGGER i AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END", "CREATE TRIGGER i AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END;"},
	} {
		if got := string(script([]byte(tt.text), tt.dialect)); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.text, got, tt.want)
		}
	}
}

func TestMaxRejects(t *testing.T) {
	cfg := onFile(t)
	cfg.Rejects = &reject.Sink{Tool: "sqlpipe", Force: true, Max: 1}
	got, sum, err := runScript(t, cfg, "SELECT a;\nSELECT 1 AS a;\nSELECT b;\nSELECT 2 AS a;\n")
	if want := "more than 1 record rejected, the last: ERROR 1 (SQLITE_ERROR) at line 3: no such column: b"; message(err) != want {
		t.Errorf("error %q, want %q", message(err), want)
	}
	if got != "{\"a\":1}\n" || sum.Rejected != 2 || sum.In != 3 {
		t.Errorf("%s, %+v", got, sum)
	}
}

// The rows of a statement leave while the input that it came from is open.
func TestRowsLeaveEarly(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start func(ctx context.Context, cfg Config, in stream.Inputs, out io.Writer) error
		want  string
	}{
		{"Run", func(ctx context.Context, cfg Config, in stream.Inputs, out io.Writer) error {
			_, err := Run(ctx, cfg, in, out)
			return err
		}, "{\"a\":1}\n"},
		{"List", func(ctx context.Context, cfg Config, in stream.Inputs, out io.Writer) error {
			_, err := List(ctx, cfg, Listing{Terminator: '\n'}, in, out)
			return err
		}, "SELECT 1 AS a\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRead, inWrite := pipe(t)
			outRead, outWrite := pipe(t)
			ended := make(chan error, 1)
			go func() { ended <- tt.start(t.Context(), onFile(t), stream.Inputs{Stdin: inRead}, outWrite) }()
			for range 3 {
				if _, err := io.WriteString(inWrite, "SELECT 1 AS a;\n"); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(tt.want))
				if _, err := io.ReadFull(outRead, got); err != nil || string(got) != tt.want {
					t.Fatalf("%q, error %v", got, err)
				}
			}
			inWrite.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

const endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;"

// The end of the context stops a statement between its rows, undoes the open
// transaction, and what was read of rows has gone out, whole.
func TestCancel(t *testing.T) {
	cfg := onFile(t)
	if _, _, err := runScript(t, cfg, "CREATE TABLE t (a);"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := errors.New("stop")
	r, w := io.Pipe()
	var sum Summary
	var err error
	go func() {
		sum, err = Run(ctx, cfg, stdin("BEGIN; INSERT INTO t VALUES (1); "+endless), w)
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	n := int64(0)
	for lines.Scan() {
		if n++; n == 1 {
			cancel(stop)
		}
	}
	if !errors.Is(err, stop) || message(err) != "stop" {
		t.Errorf("error %v", err)
	}
	if n == 0 || sum.Out != n {
		t.Errorf("%d lines, %+v", n, sum)
	}
	if got, _, err := runScript(t, cfg, "SELECT count(*) AS n FROM t;"); err != nil || got != "{\"n\":0}\n" {
		t.Errorf("%s, error %v", got, err)
	}
}

// It also stops the wait for more input.
func TestCancelWhileWaiting(t *testing.T) {
	inRead, inWrite := pipe(t)
	outRead, outWrite := pipe(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := errors.New("stop")
	ended := make(chan error, 1)
	go func() {
		_, err := Run(ctx, onFile(t), stream.Inputs{Stdin: inRead}, outWrite)
		ended <- err
	}()
	if _, err := io.WriteString(inWrite, "SELECT 1 AS a;\nSELECT 2"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(outRead, make([]byte, len("{\"a\":1}\n"))); err != nil {
		t.Fatal(err)
	}
	cancel(stop)
	if err := <-ended; message(err) != "stop" {
		t.Errorf("error %v", err)
	}
}

// failing takes n writes.
type failing struct{ n int }

var errFull = errors.New("full")

func (f *failing) Write(p []byte) (int, error) {
	if f.n--; f.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// An output that fails ends the run as it is: no statement is to blame, or is
// rejected.
func TestWriterFails(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		writes       int
	}{
		{"between the rows of a statement", endless, 2},
		{"at the end", "SELECT 1 AS a;", 0},
		{"between statements", strings.Repeat("SELECT 1 AS a;\n", 20000), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := onFile(t)
			cfg.Rejects = &reject.Sink{Tool: "sqlpipe", Force: true}
			sum, err := Run(t.Context(), cfg, stdin(tt.script), &failing{tt.writes})
			if !errors.Is(err, errFull) || message(err) != "full" {
				t.Errorf("error %v", err)
			}
			if sum.Rejected != 0 {
				t.Errorf("%+v", sum)
			}
		})
	}
	t.Run("List", func(t *testing.T) {
		_, err := List(t.Context(), onFile(t), Listing{Terminator: '\n'}, stdin(strings.Repeat("SELECT 1;\n", 20000)), &failing{1})
		if message(err) != "full" {
			t.Errorf("error %v", err)
		}
	})
}

func TestFormats(t *testing.T) {
	null := "NULL"
	for _, tt := range []struct {
		format record.Format
		rows   record.WriterOptions
		want   string
	}{
		{record.JSONL, record.WriterOptions{}, "{\"a\":1,\"b\":null}\n{\"a\":\"\",\"b\":\"AP8=\"}\n{\"c\":3}\n"},
		{record.CSV, record.WriterOptions{}, "a,b\n1,\n\"\",AP8=\nc\n3\n"},
		{record.CSV, record.WriterOptions{NoHeader: true}, "1,\n\"\",AP8=\n3\n"},
		{record.TSV, record.WriterOptions{NullAs: &null, Binary: record.Hex}, "a\tb\n1\tNULL\n\t0x00ff\nc\n3\n"},
	} {
		cfg := onFile(t)
		cfg.Format, cfg.Rows = tt.format, tt.rows
		got, _, err := runScript(t, cfg, "SELECT 1 AS a, NULL AS b UNION ALL SELECT '', x'00ff'; SELECT 3 AS c;")
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v:\n%s", tt.format, diff)
		}
	}
}

func TestList(t *testing.T) {
	const script = "-- c\nDROP TABLE t; SELECT 'a;\nb' ;\n\nSELECT 2\n"
	for _, terminator := range []string{"\n", "\x00"} {
		var out bytes.Buffer
		cfg := onFile(t)
		sum, err := List(t.Context(), cfg, Listing{Terminator: terminator[0]}, stdin(script), &out)
		want := "DROP TABLE t" + terminator + "SELECT 'a;\nb'" + terminator + "SELECT 2" + terminator
		if err != nil || out.String() != want {
			t.Errorf("%q, error %v", out.String(), err)
		}
		if diff := cmp.Diff(Summary{In: 3, Out: 3, Bytes: 12 + 13 + 8}, sum); diff != "" {
			t.Error(diff)
		}
		if _, err := os.Stat(cfg.DB.File); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the database was opened: %v", err)
		}
	}
}

func TestNoConnection(t *testing.T) {
	cfg := onFile(t)
	cfg.DB.File = filepath.Join(t.TempDir(), "no", "such", "dir.db")
	read := &failing{}
	sum, err := Run(t.Context(), cfg, stdin("SELECT 1;"), read)
	if !strings.HasPrefix(message(err), "open sqlite:"+cfg.DB.File+": ERROR 14 (SQLITE_CANTOPEN)") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(Summary{}, sum); diff != "" {
		t.Error(diff)
	}
}
