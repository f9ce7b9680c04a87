package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hostile are texts that have broken out of a literal somewhere, or were not
// read back as they were.
var hostile = []string{
	"", " ", "  both ends  ", "NULL", "null", `\N`, "0", "007", "1e3", "-0", "true", "0x41", "'", "''", "'''", `"`, `""`, "`", "``",
	`\`, `\\`, `\'`, `\\'`, `'\`, `\"`, `\0`, `\n`, `\x27`, `\u0027`, "%", "_", `\%`, `\_`, ";", "//", "--", "-- ", "#", "/*", "*/", "/*!50000", "/* ' */",
	"'; DROP TABLE canary; -- ", `"; DROP TABLE canary; -- `, "`; DROP TABLE canary; -- ", `\'; DROP TABLE canary; -- `, "') ; DELETE FROM canary; #",
	"1 OR 1=1", "' OR ''='", "${HOME}", "$(id)", "`id`", ":v", "':v'", "?", "@@sql_mode", "{\"a\":1}", "[1,2]",
	"DELIMITER ;;", "\nDELIMITER //\n", "\n\\g", "\\G", "\\! id", ".quit", "\n.quit\n", "source x", "\nsource x\n",
	"\n", "\r", "\r\n", "\n\r", "a\r\nb", "a\nb\n", "\t", "a\tb", "\x00", "a\x00b", "\x00'", "\x01\x02\x07\x08\x0b\x0c\x1b\x1f\x7f", "\x1a", "\x1a'",
	"\ufeff", "\ufeffa", "\u00bf'", "\u00bf\\'", "뿯'", "縗'", "\u0085", "\u00a0", "\u2028\u2029", "\u202e", "\ufffd", "\ufffe", "\uffff", "\u02bc", "ʼ; DROP TABLE canary", "＇",
	"é", "e\u0301", "ß", "İ", "日本語", "ソ", "表'", "😀", "👩‍👩‍👧‍👧", "\U0010ffff", "\U0001f600'", strings.Repeat("'", 1000), strings.Repeat(`\`, 1001), strings.Repeat("日", 30000),
}

// hostileTexts are these and random sequences of their parts.
func hostileTexts(t *testing.T, n int) []string {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	texts := append([]string(nil), hostile...)
	for len(texts) < n {
		var b strings.Builder
		for range 1 + random.IntN(6) {
			if part := hostile[random.IntN(len(hostile))]; len(part) < 100 {
				b.WriteString(part)
			}
			b.WriteRune(rune(random.IntN(0x80)))
		}
		texts = append(texts, b.String())
	}
	return texts
}

// target is a database to send hostile values to.
type target struct {
	name, url string
	first     string // a statement in front of every stream
	texts     string // the type of a column of any text
}

func targets(t *testing.T) []target {
	list := []target{{name: "SQLite", url: "sqlite:" + filepath.Join(t.TempDir(), "test.db"), texts: "TEXT"}}
	if os.Getenv(mysqlEnv) == "" {
		return list
	}
	url := freshDatabase(t)
	for _, mode := range []string{"", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI,NO_BACKSLASH_ESCAPES,TRADITIONAL"} {
		list = append(list, target{
			name:  "MySQL " + mode,
			url:   url,
			first: "SET sql_mode = '" + mode + "';",
			texts: "LONGTEXT CHARACTER SET utf8mb4",
		})
	}
	return list
}

// shell runs a line by bash and returns its output.
func (to *target) shell(t *testing.T, line, stdin string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", line)
	cmd.Env = append(os.Environ(), "PIPEWORKS_DB="+to.url, "FIRST="+to.first)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("%s: %v\n%s", line, err, errs.Bytes())
	}
	return out.String()
}

// run is shell with first in front of the statements that line writes.
func (to *target) run(t *testing.T, line, stdin string) string {
	t.Helper()
	return to.shell(t, `{ printf '%s\n' "$FIRST"; `+line+"; } | sqlpipe", stdin)
}

// item is a row of the tests.
type item struct {
	ID int     `json:"id"`
	V  *string `json:"v"`
}

func encode(t *testing.T, items []item) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, i := range items {
		if err := enc.Encode(i); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func decode(t *testing.T, rows string) (items []item) {
	t.Helper()
	for dec := json.NewDecoder(strings.NewReader(rows)); ; {
		var i item
		if err := dec.Decode(&i); err == io.EOF {
			return items
		} else if err != nil {
			t.Fatal(err)
		}
		items = append(items, i)
	}
}

// Whatever a text is, it comes back as it was, by each way that it can go in,
// and does nothing else on its way.
func TestHostileTexts(t *testing.T) {
	want := []item{{0, nil}}
	for i, text := range hostileTexts(t, 400) {
		want = append(want, item{i + 1, &text})
	}
	records := encode(t, want)
	for i, to := range targets(t) {
		t.Run(to.name, func(t *testing.T) {
			table := fmt.Sprintf("t%d", i)
			to.run(t, "echo 'CREATE TABLE IF NOT EXISTS canary (a INT); DELETE FROM canary; INSERT INTO canary VALUES (1);'", "")
			for _, way := range []struct{ name, line string }{
				{"insert", "gensql insert " + table},
				{"insert a row a statement", "gensql insert --batch 1 " + table},
				{"upsert", "gensql upsert " + table + " --key id"},
				{"query", "gensql query 'INSERT INTO " + table + " (id, v) VALUES (:id, :v)'"},
			} {
				to.run(t, "echo 'DROP TABLE IF EXISTS "+table+"; CREATE TABLE "+table+" (id INT PRIMARY KEY, v "+to.texts+");'", "")
				to.run(t, way.line, records)
				rows := to.run(t, "echo 'SELECT id, v FROM "+table+" ORDER BY id;'", "")
				if diff := cmp.Diff(want, decode(t, rows)); diff != "" {
					t.Errorf("%s:\n%s", way.name, diff)
				}
			}
			if rows := to.run(t, "echo 'SELECT a FROM canary;'", ""); rows != "{\"a\":1}\n" {
				t.Errorf("canary: %s", rows)
			}
		})
	}
}

// Through CSV and TSV, too: a table that was exported comes back the same.
func TestHostileExport(t *testing.T) {
	want := []item{{0, nil}}
	for i, text := range hostileTexts(t, 400) {
		want = append(want, item{i + 1, &text})
	}
	for i, to := range targets(t) {
		t.Run(to.name, func(t *testing.T) {
			from, into := fmt.Sprintf("from%d", i), fmt.Sprintf("into%d", i)
			for _, table := range []string{from, into} {
				to.run(t, "echo 'CREATE TABLE "+table+" (id INT PRIMARY KEY, v "+to.texts+");'", "")
			}
			to.run(t, "gensql insert "+from, encode(t, want))
			for _, format := range []string{"jsonl", "csv", "tsv"} {
				export := to.shell(t, "sqlpipe -f "+format+" -e 'SELECT id, v FROM "+from+" ORDER BY id'", "")
				to.run(t, "echo 'DELETE FROM "+into+";'; gensql insert -i "+format+" "+into, export)
				rows := to.run(t, "echo 'SELECT id, v FROM "+into+" ORDER BY id;'", "")
				if diff := cmp.Diff(want, decode(t, rows)); diff != "" {
					t.Errorf("%s:\n%s", format, diff)
				}
			}
		})
	}
}

// A name is a name, whatever is in it.
func TestHostileNames(t *testing.T) {
	for i, to := range targets(t) {
		t.Run(to.name, func(t *testing.T) {
			table := fmt.Sprintf("n%d", i)
			names := []string{"a'b", `a"b`, "a`b", `a\b`, "a; DROP TABLE canary", "select", "a b", "1", "-- a", "é", "a.b", "a:b", "a@b", "a/*b"}
			record := map[string]string{}
			for _, name := range names {
				record[name] = "value of " + name
			}
			text, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			to.run(t, "gensql insert --create '"+table+"'", string(text)+"\n")
			var got map[string]string
			if err := json.Unmarshal([]byte(to.run(t, "echo 'SELECT * FROM "+table+";'", "")), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(record, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Bytes that are no text go in by a function of the server, and come out as
// base64.
func TestHostileBytes(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	var want []item
	add := func(b []byte) {
		text := base64.StdEncoding.EncodeToString(b)
		want = append(want, item{len(want), &text})
	}
	add(nil)
	add(all)
	add([]byte("\xbf'; DROP TABLE canary; --"))
	add([]byte("\x81\x5c'"))
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		b := make([]byte, 1+random.IntN(100))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		add(b)
	}
	for i, to := range targets(t) {
		if to.first == "" {
			continue // SQLite cannot decode base64
		}
		t.Run(to.name, func(t *testing.T) {
			table := fmt.Sprintf("b%d", i)
			to.run(t, "echo 'CREATE TABLE "+table+" (id INT PRIMARY KEY, v LONGBLOB);'", "")
			to.run(t, "gensql query 'INSERT INTO "+table+" VALUES (:id, FROM_BASE64(:v))'", encode(t, want))
			rows := to.run(t, "echo 'SELECT id, v FROM "+table+" ORDER BY id;'", "")
			if diff := cmp.Diff(want, decode(t, rows)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
