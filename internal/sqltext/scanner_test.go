package sqltext

import (
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// scanAll splits a script into its statements' texts; an error comes last.
func scanAll(r io.Reader, o ScanOptions) []string {
	var got []string
	s := NewScanner(r, o)
	for {
		st, err := s.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			return append(got, "error: "+err.Error())
		}
		text := string(st.Text)
		if st.Vertical {
			text += ` \G`
		}
		got = append(got, text)
	}
}

type scanTest struct {
	name   string
	script string
	want   []string
}

var mysqlTests = []scanTest{
	{"empty", "", nil},
	{"two", "SELECT 1; SELECT 2;\n", []string{"SELECT 1", "SELECT 2"}},
	{"empty statements", ";;\n ; \n", nil},
	{"over lines", "SELECT\n  1\n  ;\n", []string{"SELECT\n  1"}},
	{"line ends of Windows", "SELECT 1;\r\nSELECT\r\n2\r\n ;\r\nSELECT '\r\n', /*\r\n*/\r\r\n3 -- \r\n;", []string{"SELECT 1", "SELECT\n2", "SELECT '\r\n', /*\n*/\r\n3 --"}},
	{"byte order mark", "\ufeffSELECT 1;", []string{"SELECT 1"}},
	{"quotes", "SELECT 'a;b', \"c;d\", `e;f`;", []string{"SELECT 'a;b', \"c;d\", `e;f`"}},
	{"doubled quotes", "SELECT 'a'';b', \"c\"\";d\", `e``;f`;", []string{"SELECT 'a'';b', \"c\"\";d\", `e``;f`"}},
	{"backslashes", `SELECT 'a\';b', "c\";d", 'e\\'; SELECT 2;`, []string{`SELECT 'a\';b', "c\";d", 'e\\'`, "SELECT 2"}},
	{"no backslash in backticks", "SELECT `a\\`; SELECT 2;", []string{"SELECT `a\\`", "SELECT 2"}},
	{"quotes in other quotes", `SELECT '"', "'"; SELECT 2;`, []string{`SELECT '"', "'"`, "SELECT 2"}},
	{"line comments", "-- a;\n# b;\nSELECT 1 -- c;\n+ 2 # d;\n;", []string{"SELECT 1 -- c;\n+ 2 # d;"}},
	{"two hyphens alone are an operator", "SELECT 1--1; SELECT 2;", []string{"SELECT 1--1", "SELECT 2"}},
	{"but not at the start", "--x;\nSELECT 1;", []string{"SELECT 1"}},
	{"hyphens at the line's end", "SELECT 1 --\n;", []string{"SELECT 1 --"}},
	{"block comments", "/* a; */ SELECT /* b; */ 1;", []string{"SELECT /* b; */ 1"}},
	{"quotes in comments", "SELECT 1 /* it's */; SELECT 2 -- don't\n;", []string{"SELECT 1 /* it's */", "SELECT 2 -- don't"}},
	{"comments in quotes", "SELECT '/*', '-- ', '#'; SELECT 2;", []string{"SELECT '/*', '-- ', '#'", "SELECT 2"}},
	{"stars and slashes", "SELECT 1/2*3 / 4 * 5;", []string{"SELECT 1/2*3 / 4 * 5"}},
	{"comments that servers run", "/*!40101 SET a=1 */;\n/*M!100100 SET b=2 */;", []string{"/*!40101 SET a=1 */", "/*M!100100 SET b=2 */"}},
	{"a terminator in one ends the statement", "/*!50000 SELECT 1; SELECT 2 */;", []string{"/*!50000 SELECT 1", "SELECT 2 */"}},
	{"a comment in one", "/*!50000 SELECT /* a; */ 1 */; SELECT 2;", []string{"/*!50000 SELECT /* a; */ 1 */", "SELECT 2"}},
	{"a comment in one of MariaDB's", "/*M!50000 SELECT /* a; */ 1 */; SELECT 2;", []string{"/*M!50000 SELECT /* a; */ 1 */", "SELECT 2"}},
	{"hints", "SELECT /*+ NO_ICP(t) */ 1;", []string{"SELECT /*+ NO_ICP(t) */ 1"}},
	{"sandbox line of dumps", "/*M!999999\\- enable the sandbox mode */ \n-- a dump\nSELECT 1;", []string{"SELECT 1"}},
	{"delimiter", "DELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT 1; END $$\ndelimiter ;\nCALL p();", []string{"CREATE PROCEDURE p() BEGIN SELECT 1; END", "CALL p()"}},
	{"delimiter of one kind in another", "DELIMITER ;;\nSELECT 1; SELECT 2;;\nDELIMITER ;\nSELECT 3;", []string{"SELECT 1; SELECT 2", "SELECT 3"}},
	{"delimiter in quotes", "  Delimiter '//' \r\nSELECT 1// SELECT 2//\nDELIMITER ;\n", []string{"SELECT 1", "SELECT 2"}},
	{"delimiter that looks like a comment", "DELIMITER //\nSELECT 4 / 2 //\n", []string{"SELECT 4 / 2"}},
	{"delimiter in the middle of a statement", "SELECT 1 AS\ndelimiter ;", []string{"SELECT 1 AS\ndelimiter"}},
	{"delimiter of a letter", "DELIMITER T\nSELEC T\nDELIMITER ;\nSELECT 2;", []string{"SELEC", "SELECT 2"}},
	{"delimiter without argument", "DELIMITER\n", []string{"error: in: line 1: DELIMITER needs an argument"}},
	{"delimiter of a backslash", "DELIMITER \\\\\n", []string{"error: in: line 1: DELIMITER cannot be a backslash"}},
	{"delimiter behind a statement", "SELECT 1; DELIMITER //;\nSELECT 2; SELECT 3//", []string{"SELECT 1", "SELECT 2; SELECT 3"}},
	{"delimiter that is not whole", "SELECT 1; DELIMITER //\nSELECT 2;\n", []string{"SELECT 1", "error: in: line 1: the client command delimiter, which is a line of its own"}},
	{`\d`, "SELECT 1; \\d //\nSELECT 2; SELECT 3//\n\\d ; SELECT 4;", []string{"SELECT 1", "SELECT 2; SELECT 3", "SELECT 4"}},
	{`\g and \G`, `SELECT 1\g SELECT 2\G`, []string{"SELECT 1", `SELECT 2 \G`}},
	{`\N`, `SELECT \N;`, []string{`SELECT \N`}},
	{"use without terminator", "use shop\nSELECT 1;", []string{"use shop", "SELECT 1"}},
	{"use with terminator", "USE `shop`; SELECT 1;", []string{"USE `shop`", "SELECT 1"}},
	{"use of a name that SQL would quote", "use my-shop\nUSE 'a`b';\nuse a b;", []string{"USE `my-shop`", "USE `a``b`", "error: in: line 3: USE takes one name"}},
	{"comments behind use", "use a -- b\nuse c /* d */;\nuse e#\nuse f -- ;\n;use g /* h */ i\n", []string{"USE `a`", "USE `c`", "USE `e#`", "USE `f`", "error: in: line 5: USE takes one name"}},
	{"control characters at the end", "SELECT 1\x01\x00;\x7f;", []string{"SELECT 1"}},
	{"words that begin like commands", "SELECT 1;\nusers;\nhelpful x;\nstatus quo;", []string{"SELECT 1", "users", "helpful x", "status quo"}},
	{"shell escape", "SELECT 1;\nsystem rm -rf x\n", []string{"SELECT 1", "error: in: line 2: the client command system"}},
	{"shell escape with terminator", "SELECT 1;\n\nSYSTEM ls;", []string{"SELECT 1", "error: in: line 3: the client command system"}},
	{"shell escape with a comment", "SELECT 1;system/* a */ ls;", []string{"SELECT 1", "error: in: line 1: the client command system"}},
	{"a backslash alone", "SELECT 1 \\\n;", []string{"error: in: line 1: a backslash outside of quotes"}},
	{`\!`, "SELECT 1;\n\\! ls\n", []string{"SELECT 1", `error: in: line 2: the client command \!`}},
	{"source", "source x.sql\n", []string{"error: in: line 1: the client command source"}},
	{`\. in the middle`, "SELECT 1 \\. x\n;", []string{`error: in: line 1: the client command \. inside a statement`}},
	{"clear", "SELECT 1\nclear\n;", []string{"SELECT 1\nclear"}},
	{"last without terminator, line ended", "SELECT 1;\nSELECT 2\n", []string{"SELECT 1", "SELECT 2"}},
	{"last without terminator", "SELECT 1;\nDELETE FROM t", []string{"SELECT 1", "error: in: line 2: the input ends in a statement without terminator: it was not run"}},
	{"comment at the end", "SELECT 1; -- done", []string{"SELECT 1"}},
	{"open string", "SELECT 1;\nSELECT 'a\n;\n", []string{"SELECT 1", "error: in: line 2: the input ends in a string: it was not run"}},
	{"open backticks", "SELECT `a;\n", []string{"error: in: line 1: the input ends in quotes: it was not run"}},
	{"open comment", "SELECT 1;\n\n/* a;\n", []string{"SELECT 1", "error: in: line 3: the input ends in a comment: it was not run"}},
	{"open body", "DELIMITER $$\nCREATE PROCEDURE p()\nBEGIN\nEND;\n", []string{"error: in: line 2: the input ends in a statement that the delimiter $$ should end: it was not run"}},
	{"invalid UTF-8 and NUL", "SELECT '\xff\x00;';SELECT 2;", []string{"SELECT '\xff\x00;'", "SELECT 2"}},
}

var sqliteTests = []scanTest{
	{"two", "SELECT 1; SELECT 2;\n", []string{"SELECT 1", "SELECT 2"}},
	{"quotes", `SELECT 'a;b', "c;d", ` + "`e;f`" + `, [g;h];`, []string{`SELECT 'a;b', "c;d", ` + "`e;f`" + `, [g;h]`}},
	{"a backslash is a character", `SELECT 'a\'; SELECT 2;`, []string{`SELECT 'a\'`, "SELECT 2"}},
	{"comments", "-- a;\n/* b; */ SELECT 1 --c;\n+ 2;", []string{"SELECT 1 --c;\n+ 2"}},
	{"trigger", "CREATE TRIGGER a AFTER INSERT ON t BEGIN\n SELECT 1; SELECT 2; END; SELECT 3;", []string{"CREATE TRIGGER a AFTER INSERT ON t BEGIN\n SELECT 1; SELECT 2; END", "SELECT 3"}},
	{"temporary trigger", "create temp trigger a BEGIN SELECT CASE WHEN 1 THEN 2 END; -- ;\n end ; SELECT 3;", []string{"create temp trigger a BEGIN SELECT CASE WHEN 1 THEN 2 END; -- ;\n end", "SELECT 3"}},
	{"explained trigger", "EXPLAIN CREATE TRIGGER a BEGIN SELECT 1; END;", []string{"EXPLAIN CREATE TRIGGER a BEGIN SELECT 1; END"}},
	{"no trigger", "CREATE TABLE trigger (a); BEGIN; END;", []string{"CREATE TABLE trigger (a)", "BEGIN", "END"}},
	{"end that is no end", "CREATE TRIGGER a BEGIN SELECT 1; ending; END;", []string{"CREATE TRIGGER a BEGIN SELECT 1; ending; END"}},
	{"open trigger", "CREATE TRIGGER a BEGIN SELECT 1;\n", []string{"error: in: line 1: the input ends in the body of a trigger: it was not run"}},
	{"shell command", "SELECT 1;\n.read x\n", []string{"SELECT 1", "error: in: line 2: a command of the sqlite3 shell"}},
	{"numbers", "SELECT .5; SELECT 1.;", []string{"SELECT .5", "SELECT 1."}},
	{"comment of the shell", "# a;\nSELECT 1;", []string{"SELECT 1"}},
	{"last without terminator", "SELECT 1", []string{"error: in: line 1: the input ends in a statement without terminator: it was not run"}},
}

func TestScanner(t *testing.T) {
	for dialect, tests := range map[Dialect][]scanTest{MySQL: mysqlTests, SQLite: sqliteTests} {
		for _, tt := range tests {
			t.Run(dialect.String()+"/"+tt.name, func(t *testing.T) {
				o := ScanOptions{Dialect: dialect, Source: "in"}
				if diff := cmp.Diff(tt.want, scanAll(strings.NewReader(tt.script), o)); diff != "" {
					t.Errorf("whole (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tt.want, scanAll(iotest.OneByteReader(strings.NewReader(tt.script)), o)); diff != "" {
					t.Errorf("byte by byte (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestStatementLine(t *testing.T) {
	script := "-- a\n\n  SELECT 1;\nSELECT\n2; /* b\n */ SELECT 3;\nDELIMITER //\n\nSELECT 4 //\n"
	s := NewScanner(iotest.OneByteReader(strings.NewReader(script)), ScanOptions{})
	var lines []int
	for {
		st, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, st.Line)
	}
	if diff := cmp.Diff([]int{3, 4, 6, 9}, lines); diff != "" {
		t.Error(diff)
	}
}

// A statement must run while its producer thinks about the next one.
func TestStatementBeforeMoreInput(t *testing.T) {
	for _, script := range []string{"SELECT 1;", "USE x;", "use x\n", "DELIMITER $$\nSELECT 1$$", "COMMIT;", "helpme;"} {
		r, w := io.Pipe()
		go w.Write([]byte(script))
		if _, err := NewScanner(r, ScanOptions{}).Next(); err != nil {
			t.Errorf("%q: %v", script, err)
		}
		r.Close()
	}
}

func TestEOFRun(t *testing.T) {
	o := ScanOptions{Source: "in", EOFRun: true}
	if diff := cmp.Diff([]string{"SELECT 1", "SELECT 2"}, scanAll(strings.NewReader("SELECT 1; SELECT 2"), o)); diff != "" {
		t.Error(diff)
	}
	want := []string{"error: in: line 1: the input ends in a string: it was not run"}
	if diff := cmp.Diff(want, scanAll(strings.NewReader("SELECT 'a"), o)); diff != "" {
		t.Error(diff)
	}
}

func TestModes(t *testing.T) {
	for _, tt := range []struct {
		modes  Modes
		script string
		want   []string
	}{
		{Modes{NoBackslashEscapes: true}, `SELECT 'a\'; SELECT "b\";`, []string{`SELECT 'a\'`, `SELECT "b\"`}},
		{Modes{ANSIQuotes: true}, `SELECT 'a\';'; SELECT "b\";`, []string{`SELECT 'a\';'`, `SELECT "b\"`}},
	} {
		if diff := cmp.Diff(tt.want, scanAll(strings.NewReader(tt.script), ScanOptions{Modes: tt.modes})); diff != "" {
			t.Error(diff)
		}
	}
	s := NewScanner(strings.NewReader(`SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT 'a\';`), ScanOptions{})
	st, err := s.Next()
	if m, ok := LiteralModes(st.Text); err != nil || !ok || !MaySetModes(st.Text) {
		t.Fatalf("%s: %v", st.Text, err)
	} else {
		s.SetModes(m)
	}
	if st, err = s.Next(); err != nil || string(st.Text) != `SELECT 'a\'` {
		t.Errorf("got %s, %v", st.Text, err)
	}
}

func TestSetsModes(t *testing.T) {
	ansi, none := Modes{ANSIQuotes: true}, Modes{}
	for _, tt := range []struct {
		text    string
		may, is bool
		want    Modes
	}{
		{"SET sql_mode='ansi_quotes,no_zero_date'", true, true, ansi},
		{"SET SESSION `SQL_MODE` := \"ORACLE\"", true, true, ansi},
		{"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */", true, true, none},
		{"/*!40101 SET SQL_MODE=@OLD_SQL_MODE */", true, false, none},
		{"set sql_mode = DEFAULT", true, false, none},
		{"CALL p()", false, false, none},
		{"EXECUTE s", true, false, none},
		{"SET NAMES utf8mb4", false, false, none},
		{"SELECT @@sql_mode", false, false, none},
		{"INSERT INTO t VALUES ('sql_mode')", false, false, none},
		{"", false, false, none},
	} {
		may := MaySetModes([]byte(tt.text))
		m, is := LiteralModes([]byte(tt.text))
		if may != tt.may || may && (is != tt.is || m != tt.want) {
			t.Errorf("%s: %t, %t, %v", tt.text, may, is, m)
		}
	}
}

func TestLongStatements(t *testing.T) {
	long := "SELECT '" + strings.Repeat("x", 300<<10) + "'"
	script := long + ";\n" + long + ";\n"
	if diff := cmp.Diff([]string{long, long}, scanAll(strings.NewReader(script), ScanOptions{})); diff != "" {
		t.Error("statements longer than the buffer differ")
	}
	want := []string{"error: in: line 1: a statement of more than 100000 bytes"}
	if diff := cmp.Diff(want, scanAll(strings.NewReader(script), ScanOptions{Source: "in", MaxStatement: 100000})); diff != "" {
		t.Error(diff)
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(strings.NewReader("SELECT 1; SELECT"), iotest.ErrReader(broken))
	if diff := cmp.Diff([]string{"SELECT 1", "error: broken"}, scanAll(r, ScanOptions{})); diff != "" {
		t.Error(diff)
	}
}

// The counts are those of the server's general log under the mariadb client,
// without what triggers ran.
func TestDumps(t *testing.T) {
	for name, want := range map[string]int{"sakila-mv-schema.sql": 42, "sakila-mv-data.sql": 61, "jooq-mysql-sakila-schema.sql": 41} {
		script, err := os.ReadFile("../../../shared/data/" + name)
		if err != nil {
			t.Skip("no test data:", err)
		}
		got := scanAll(bytes.NewReader(script), ScanOptions{})
		if len(got) != want || strings.HasPrefix(got[len(got)-1], "error: ") {
			t.Errorf("%s: %d statements, want %d; the last is %q", name, len(got), want, got[len(got)-1])
		}
	}
}

var carriageReturns = regexp.MustCompile(`\r+\n`)

// Statements that are joined again are split as before, however the input is
// cut into reads.
func FuzzScanner(f *testing.F) {
	const sqliteBit, noBackslashBit, ansiBit = 1, 2, 4
	for _, tt := range mysqlTests {
		for _, bits := range []uint8{0, noBackslashBit, ansiBit} {
			f.Add(tt.script, bits)
		}
	}
	for _, tt := range sqliteTests {
		f.Add(tt.script, uint8(sqliteBit))
	}
	f.Add("7T 1\n;system rm -rf x\n", uint8(0))
	f.Add("use sh`op\nS", uint8(0))
	f.Add("\xfe\xff", byte('\r')) // UTF-16, seen from its second byte on
	f.Fuzz(func(t *testing.T, script string, bits uint8) {
		sqlite := bits&sqliteBit != 0
		o := ScanOptions{Source: "in", Modes: Modes{bits&noBackslashBit != 0, bits&ansiBit != 0}}
		// MySQL's statements are joined by a delimiter that none of them has,
		// since those of a script with DELIMITER may have semicolons in them.
		prefix, delimiter := ";", ";"
		if sqlite {
			o.Dialect = SQLite
		} else {
			delimiter = "\x01\x02\x03"
			prefix = "DELIMITER " + delimiter + "\n" + delimiter
		}
		got := scanAll(strings.NewReader(script), o)
		if diff := cmp.Diff(got, scanAll(iotest.OneByteReader(strings.NewReader(script)), o)); diff != "" {
			t.Fatalf("byte by byte (-whole +bytes):\n%s", diff)
		}
		if n := len(got); n > 1 && strings.HasPrefix(got[n-1], "error: ") {
			got = got[:n-1]
		} else if n == 1 || strings.Contains(script, "\x01") {
			return
		}
		var joined strings.Builder
		joined.WriteString(prefix)
		for i, text := range got {
			got[i] = strings.TrimSuffix(text, ` \G`)
			joined.WriteString(" " + got[i] + "\n" + delimiter)
		}
		again := scanAll(strings.NewReader(joined.String()), o)
		for _, texts := range [][]string{got, again} { // each time a line end loses one carriage return
			for i := range texts {
				texts[i] = carriageReturns.ReplaceAllString(texts[i], "\n")
			}
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("joined again (-first +again):\n%s", diff)
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	script := strings.Repeat("INSERT INTO `t` (`a`, `b`) VALUES "+strings.Repeat("(12345, 'some text of a usual length'), ", 500)+"(1, 'x');\n", 50)
	b.SetBytes(int64(len(script)))
	for b.Loop() {
		s := NewScanner(strings.NewReader(script), ScanOptions{})
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
	}
}
