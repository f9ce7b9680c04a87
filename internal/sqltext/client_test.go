package sqltext

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// clientScripts are split here and by the mariadb client, beside those of
// mysqlTests. What the client does with them is the server's general log.
var clientScripts = []string{
	"SELECT 1--1;\nSELECT 1 --\n;\n--x;\nSELECT 2;\n  --x\nSELECT 3;\n",
	"SELECT 1; --x\nSELECT 2 /* c */--x\n;\n",
	"SELECT 1\n--x\n;\n",
	"/* a */ use pipeworks\nSELECT 1;\n/* b\n*/ use pipeworks\nSELECT 2;\n/* c */\nuse pipeworks\nSELECT 3;\n",
	"USE pipeworks; SELECT 1;\nuse `pipeworks`\nUSE 'pipeworks';\nSELECT 2;\n",
	"/* a /*/ SELECT 1; */ SELECT 2;\n",
	"/* a /*! b */ SELECT 1; */ SELECT 2;\n",
	"/* a /*! b\n */ SELECT 1;\n",
	"/* a /*M! b */ SELECT 1; */ SELECT 2;\n",
	"/*/ SELECT 1; */ SELECT 2;\n",
	"/*!50000 SELECT 1; SELECT /* 2; */ 3 */; SELECT 4;\n",
	"/*!50000 SELECT 1,\n/* 2; */ 3 */; SELECT 4;\n",
	"/*!50000 SELECT '\n', /* 2; */ 3 */; SELECT 4;\n",
	"SELECT /*!50000 1 */ + /* 2; */ 3; SELECT 4;\n",
	"SELECT /*M!100100 1 */ + /* 2; */ 3; SELECT 4;\n",
	"SELECT 1 /* '; */; SELECT 2 -- ';\n; SELECT 3 # ';\n;\n",
	"SELECT '\\\n', 'a\\\\\n'; SELECT 2;\n",
	"SELECT 'a\\'; SELECT 2;'; SELECT \"b\\\"; SELECT 3;\"; SELECT `c\\`; SELECT 4;\n",
	"SELECT\\N; SELECT '\\N';\n",
	"SELECT 1\\g SELECT 2\\G SELECT 3\\g\n\\g\n\\G;\n",
	"SELECT 1\\Gx;\n",
	"SET sql_mode='NO_BACKSLASH_ESCAPES';\nSELECT 'a\\'; SELECT \"b\\\"; SELECT 3;\nSET sql_mode='';\nSELECT 'a\\'; SELECT 2;';\n",
	"SET sql_mode='ANSI_QUOTES';\nSELECT \"a\\\"; SELECT 'b\\'; SELECT 2;';\n",
	"DELIMITER //\nSELECT 1; SELECT 2//\ndelimiter ;\nSELECT 3;\n",
	"delimiter '$ $'\nSELECT 1; SELECT 2$ $ SELECT 3 $ $\ndelimiter ;\nSELECT 4;\n",
	"delimiter \"it\"\"s\"\nSELECT 1it\"s SELECT 2it\"s\n",
	"DELIMITER // trailing words\nSELECT 1//\nDELIMITER ;\nSELECT 2;\n",
	"delimiter //\nSELECT 4 / 2 //\ndelimiter ;;\nSELECT 1; SELECT 2;;\n",
	"delimiter --\nSELECT 1-- SELECT 2 --\n",
	"delimiter #\nSELECT 1# SELECT 2 #\n",
	"delimiter '\nSELECT 1;\n",
	"delimiter 'x\nSELECT 1;\n",
	"delimiter \t//\nSELECT 1//\n",
	"delimiter /*\nSELECT 1/* SELECT 2 /*\n",
	"DeLiMiTeR $$\r\nSELECT 1;\r\nSELECT 2$$\r\ndelimiter ;\r\nSELECT 3;\r\n",
	"SELECT 1; DELIMITER $$;\nSELECT 2; SELECT 3$$\nDELIMITER ;\nSELECT 4;\n",
	"\\d //\nSELECT 1; SELECT 2//\n\\d ;\nSELECT 3;\n",
	"SELECT 1; \\d // SELECT 2; SELECT 3//\n",
	"\\d $$ SELECT 1$$\n\\d '$$'\nSELECT 2$$'$$\n",
	"SELECT 1 AS\ndelimiter ;\nSELECT 2 AS\nuse\n;\n",
	"delimiter x\\g\nSELECT 1;\n",
	"use \\g\nSELECT 1;\n",
	"SELECT 1;\r\nSELECT\r\n2;\r\n-- c\r\n/* d\r\n*/ SELECT 3;\r\n",
	"\ufeffSELECT 1;\n\ufeffSELECT 2;\n",
	"SELECT 1;;;\n;\n ; ;\nSELECT 2\n",
	"SELECT 1\x01;\x02;\nSELECT 2\x7f;\n",
	"CREATE PROCEDURE p() SELECT 1; SELECT 2;\n",
	"delimiter $$\nCREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN\n SET @a = ';'; -- $$\n SET @b = 1; END $$\ndelimiter ;\nSELECT 1;\n",
	"SELECT 1;\nuse pipeworks extra\nSELECT 2;\n",
	"usepipeworks;\nhelpme;\nstatus quo;\nSELECT 1;\n",
	"SELECT 'open\n;\n",
	"SELECT `open\n;\n",
	"SELECT 1;\n/* open ;\n",
	"delimiter $$\nSELECT 1;\n",
}

var clientPieces = []string{
	"SELECT", " ", " ", " ", "1", "a", "+", "-", "*", "/", ",", ".", "\n", "\n", "\r\n", "\t", "é", "東",
	";", ";", ";\n", ";\n", "; ", "\\g", "\\G", "\\N", "//", "$$", "//\n", "$$\n",
	"'a'", "'it''s'", `'a\'b'`, `"x\"y"`, `"x""y"`, "`b``c`", "`b\\`", `'\\'`, "'a\\\nb'", "'a\nb'", "';'", `"--"`, "'/*'", "'#'", "'//'", "'*/'", "'\r\n'",
	"/* c; */", "/*! 1 */", "/*!50000 2; */", "/*M!100100 3 */", "/*+ h */", "/* a /* b */", "/* /*! x */ y */", "/*/ z */", "/**/",
	"-- c;\n", "--c", "--", "-- ", "--\n", "# c;\n", "#", "--\t;\n",
	"\nDELIMITER //\n", "\ndelimiter ;\n", "\nDelimiter $$\n", "\ndelimiter '//'\r\n", "\nuse pipeworks\n", ";\nUSE pipeworks;\n", ";\n\\d //\n",
}

// rarePieces leave something open, or are where the two differ on purpose.
var rarePieces = []string{
	"'", `"`, "`", "\\", "\\\n", "/*!", "/*M!", "/*", "*/", "/*/",
	"\nclear\n", "\\c", "\nhelp\n", "\\p", "\\y", "\nstatus;\n", "go\n", "\nsystem", "\\d $$\n", "delimiter ", "use ",
}

func randomScript(r *rand.Rand) string {
	var b strings.Builder
	switch r.IntN(4) {
	case 0:
		b.WriteString("SET sql_mode='NO_BACKSLASH_ESCAPES';\n")
	case 1:
		b.WriteString("SET sql_mode='ANSI_QUOTES';\n")
	}
	for range 3 + r.IntN(30) {
		pieces := clientPieces
		if r.IntN(100) == 0 {
			pieces = rarePieces
		}
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	b.WriteString("\n;//$$\n") // an end for what has one of the delimiters
	return b.String()
}

// The splitter agrees with the mariadb client about where statements begin and
// end and which are there, for the scripts above and for random ones:
// $CLIENT_SCRIPTS of them, made from $CLIENT_SEED.
//
// Where it does not on purpose it stops with an error, before which all is
// alike: at a client command, which the client runs; at a backslash outside of
// quotes, which the client drops; and in what the end of the input leaves open,
// which the client sends. Not compared are
//   - USE, for which the client has a message of its own, and what is left of a
//     malformed USE or DELIMITER: an error for the server;
//   - comments, which the client drops by default: one may be a hint, or tell
//     about a procedure; and in quotes line ends of Windows and a backslash that
//     hides a line end, which it changes and drops: a value is what was written;
//   - bytes that are not UTF-8, and NUL: the server's log writes them otherwise,
//     and the client refuses NUL without --binary-mode;
//   - delimiters that are not ASCII, which the client never finds.
func TestAsTheClientSplits(t *testing.T) {
	c := newClient(t)
	seed, n := uint64(number(t, "CLIENT_SEED", 1)), number(t, "CLIENT_SCRIPTS", 300)
	scripts := append([]string{}, clientScripts...)
	for _, tt := range mysqlTests {
		if !strings.ContainsAny(tt.script, "\x00!") && !strings.Contains(tt.script, "source") && !strings.Contains(strings.ToLower(tt.script), "system") {
			scripts = append(scripts, tt.script+"\n")
		}
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for range n {
		scripts = append(scripts, randomScript(random))
	}
	logs := c.run(t, scripts)
	stopped := 0
	for i, script := range scripts {
		got, err := scanWithModes(script)
		want := logs[i]
		if err != nil {
			stopped++
		}
		if len(got) > len(want) || len(got) < len(want) && err == nil {
			t.Errorf("%q:\n got %q, %v\nwant %q", script, got, err, want)
			continue
		}
		for j := range got {
			if !sentAs(got[j], want[j]) {
				t.Errorf("%q: statement %d:\n got %q\nwant %q", script, j+1, got[j], want[j])
				break
			}
		}
	}
	t.Logf("%d scripts, of which %d end in an error on purpose", len(scripts), stopped)
}

// Files that a script sources are read as the client reads them: a delimiter
// that one of them sets stays, a last statement runs at its end.
func TestSourceAsTheClient(t *testing.T) {
	c := newClient(t)
	dir := t.TempDir()
	t.Chdir(dir)
	for name, script := range map[string]string{
		"a.sql":   "SELECT 'a';\nsource b.sql\nSELECT 'a2'//\n",
		"b.sql":   "delimiter //\nSELECT 'b'; SELECT 'b2'//\n",
		"c c.sql": "\ufeffSELECT 'c'//\ndelimiter ;\n",
		"d.sql":   "SELECT 'd'",
	} {
		if err := os.WriteFile(name, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scripts := []string{
		"source a.sql\nSELECT 1//\nsource c c.sql\nSELECT 2;\n",
		"SELECT 1; source a.sql;\n\\. c c.sql\nSELECT 2;\n",
		"  SOURCE  b.sql\nSELECT 1; SELECT 2//\n",
		"source d.sql\nSELECT 1;\n",
	}
	logs := c.run(t, scripts)
	for i, script := range scripts {
		s := NewScanner(strings.NewReader(script), ScanOptions{EOFRun: true, Include: func(name string) (io.ReadCloser, error) { return os.Open(name) }})
		var got []string
		for {
			st, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%q: %v", script, err)
			}
			got = append(got, string(st.Text))
		}
		if diff := cmp.Diff(logs[i], got); diff != "" {
			t.Errorf("%q (-client +got):\n%s", script, diff)
		}
	}
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	if os.Getenv(name) == "" {
		return otherwise
	}
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		t.Fatalf("$%s: %v", name, err)
	}
	return n
}

var commandLike = regexp.MustCompile(`(?i)^(use|delimiter)`)

var setsModes = regexp.MustCompile(`^SET sql_mode='[A-Z_]*'$`)

// scanWithModes splits as a session does, which tells of its sql_mode.
func scanWithModes(script string) (texts []string, err error) {
	s := NewScanner(strings.NewReader(script), ScanOptions{})
	for {
		st, err := s.Next()
		if err == io.EOF {
			return texts, nil
		}
		if err != nil {
			return texts, err
		}
		if !commandLike.Match(st.Text) {
			texts = append(texts, string(st.Text))
		}
		if setsModes.Match(st.Text) {
			m, _ := LiteralModes(st.Text)
			s.SetModes(m)
		}
	}
}

// sentAs reports whether the client's text is ours without comments, without
// backslashes that hide the end of a line, and but for white space and the
// semicolons around it, some of which the server drops.
func sentAs(ours, client string) bool {
	client = strings.Trim(strings.Join(strings.Fields(client), ""), ";")
	type place struct{ i, j int }
	seen := map[place]bool{}
	var match func(i, j int) bool
	match = func(i, j int) bool {
		if seen[place{i, j}] {
			return false
		}
		seen[place{i, j}] = true
		rest := ours[i:]
		switch {
		case rest == "":
			return j == len(client)
		case isSpace(rest[0]), rest[0] == ';' && (j == 0 || j == len(client)):
			return match(i+1, j)
		case j < len(client) && rest[0] == client[j] && match(i+1, j+1):
			return true
		case strings.HasPrefix(rest, "\\\n"), strings.HasPrefix(rest, "\\\r\n"):
			return match(i+1, j)
		case rest[0] == '#' || strings.HasPrefix(rest, "--"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			return match(i+end, j)
		case strings.HasPrefix(rest, "/*"):
			for k := 2; k+2 <= len(rest); k++ {
				if rest[k:k+2] == "*/" && match(i+k+2, j) {
					return true
				}
			}
		}
		return false
	}
	return match(0, 0)
}

// client is the mariadb client and a private server whose general log is on.
type client struct {
	path, socket, user, password string
}

func newClient(t *testing.T) *client {
	t.Helper()
	c := &client{socket: os.Getenv("PIPEWORKS_TEST_MYSQL_SOCKET")}
	if c.socket == "" {
		t.Skip("only on the server of scripts/mariadb: its general log is turned on")
	}
	var err error
	if c.path, err = exec.LookPath("mariadb"); err != nil {
		t.Skip(err)
	}
	u, err := url.Parse(os.Getenv("PIPEWORKS_TEST_MYSQL"))
	if err != nil {
		t.Fatal("the server's URL:", err)
	}
	c.user = u.User.Username()
	c.password, _ = u.User.Password()
	return c
}

func (c *client) command(t *testing.T, script string, options ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), c.path, append([]string{
		"--no-defaults", "--batch", "--default-character-set=utf8mb4", "--socket=" + c.socket, "--user=" + c.user,
	}, options...)...)
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+c.password)
	cmd.Stdin = strings.NewReader(script)
	return cmd
}

func (c *client) query(t *testing.T, sql string) string {
	t.Helper()
	cmd := c.command(t, sql+";\n", "--skip-column-names")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", sql, err, stderr.Bytes())
	}
	return string(out)
}

// lockLog waits until no other test uses the server's log, and keeps them off
// until this one has ended.
func (c *client) lockLog(t *testing.T) {
	t.Helper()
	cmd := c.command(t, "", "--skip-column-names", "--unbuffered")
	stdin, release := io.Pipe()
	cmd.Stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		release.Close()
		cmd.Wait()
	})
	if _, err := io.WriteString(release, "SELECT GET_LOCK('general log', 600);\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(stdout).ReadString('\n'); got != "1\n" {
		t.Fatalf("lock the log: %q, %v", got, err)
	}
}

// run gives each script to a client of its own, which goes on after errors,
// and returns what the server was sent.
func (c *client) run(t *testing.T, scripts []string) (logs [][]string) {
	t.Helper()
	c.lockLog(t)
	c.query(t, "SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON")
	defer c.query(t, "SET GLOBAL general_log = OFF; TRUNCATE mysql.general_log")
	jobs := make(chan int)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for i := range jobs {
				_ = c.command(t, scripts[i], "--force", "--database=pipeworks", fmt.Sprintf("--init-command=DO 'script', %d", i)).Run()
			}
		})
	}
	for i := range scripts {
		jobs <- i
	}
	close(jobs)
	workers.Wait()

	logs = make([][]string, len(scripts))
	threads := map[string]int{}
	rows := c.query(t, "SELECT thread_id, command_type, HEX(argument) FROM mysql.general_log")
	for row := range strings.Lines(rows) {
		fields := strings.Split(strings.TrimSuffix(row, "\n"), "\t")
		argument, err := hex.DecodeString(fields[2])
		if err != nil {
			t.Fatal(err)
		}
		text := string(argument)
		if number, ok := strings.CutPrefix(text, "DO 'script', "); ok {
			i, err := strconv.Atoi(number)
			if err != nil {
				t.Fatal(err)
			}
			threads[fields[0]] = i
			continue
		}
		i, ok := threads[fields[0]]
		switch {
		case !ok || commandLike.MatchString(text) || text == "SELECT DATABASE()": // which the client asks before each USE
			continue
		case fields[1] == "Query":
			logs[i] = append(logs[i], text)
		}
	}
	return logs
}
