package gensql

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/record"
	"pipeworks/internal/reject"
	"pipeworks/internal/sqltext"
	"pipeworks/internal/stream"
)

// generate runs cfg on one input and returns the statements and the error.
func generate(t *testing.T, cfg Config, input string) (string, error) {
	t.Helper()
	var out strings.Builder
	sum, err := Run(t.Context(), cfg, stdin(input), &out)
	if n := strings.Count(out.String(), ";\n"); int64(n) != sum.Out || int64(out.Len()) != sum.Bytes {
		t.Errorf("summary %+v for %d statements of %d bytes", sum, n, out.Len())
	}
	return out.String(), err
}

func stdin(input string) stream.Inputs { return stream.Inputs{Stdin: strings.NewReader(input)} }

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

const my, lite = sqltext.MySQL, sqltext.SQLite

var rowTests = []struct {
	name  string
	cfg   Config
	input string
	want  string
	err   string
}{
	{"csv fields are text", Config{Table: "t"}, "a,b\n1,x\n", "INSERT INTO `t` (`a`, `b`) VALUES ('1', 'x');\n", ""},
	{"csv NULL and empty", Config{Table: "t"}, "a,b\n,\"\"\n", "INSERT INTO `t` (`a`, `b`) VALUES (NULL, '');\n", ""},
	{"tsv", Config{Table: "t"}, "a\tb\n\\N\tx\\ty\n", "INSERT INTO `t` (`a`, `b`) VALUES (NULL, _utf8mb4 x'780979');\n", ""},
	{"json kinds", Config{Table: "t"}, `{"a":1.50,"b":"x","c":null,"d":true,"e":[1,{"f":2}],"g":12345678901234567890123}`,
		"INSERT INTO `t` (`a`, `b`, `c`, `d`, `e`, `g`) VALUES (1.50, 'x', NULL, TRUE, '[1,{\"f\":2}]', 12345678901234567890123);\n", ""},
	{"sqlite", Config{Table: "t", Dialect: lite}, `{"a":"It's","b":"C:\\x"}`, `INSERT INTO "t" ("a", "b") VALUES ('It''s', 'C:\x');` + "\n", ""},
	{"database.table", Config{Table: "d.t"}, "a\n1\n", "INSERT INTO `d`.`t` (`a`) VALUES ('1');\n", ""},
	{"hostile names", Config{Table: "`t`` (a) VALUES (1); --`"}, "\"a`b\"\n1\n", "INSERT INTO `t`` (a) VALUES (1); --` (`a``b`) VALUES ('1');\n", ""},
	{"rows share a statement", Config{Table: "t"}, "a\n1\n2\n3\n", "INSERT INTO `t` (`a`) VALUES ('1'), ('2'), ('3');\n", ""},
	{"batch", Config{Table: "t", Batch: 2}, "a\n1\n2\n3\n", "INSERT INTO `t` (`a`) VALUES ('1'), ('2');\nINSERT INTO `t` (`a`) VALUES ('3');\n", ""},
	{"max packet", Config{Table: "t", MaxPacket: 45}, "a\n1\n2\n3\nlonglonglonglonglong\n",
		"INSERT INTO `t` (`a`) VALUES ('1'), ('2');\nINSERT INTO `t` (`a`) VALUES ('3');\nINSERT INTO `t` (`a`) VALUES ('longlonglonglonglong');\n", ""},
	{"keys in another order", Config{Table: "t"}, `{"a":1,"b":2}` + "\n" + `{"b":4,"a":3}`, "INSERT INTO `t` (`a`, `b`) VALUES (1, 2), (3, 4);\n", ""},
	{"missing key", Config{Table: "t"}, `{"a":1,"b":2}` + "\n" + `{"b":4}` + "\n" + `{"b":5}`,
		"INSERT INTO `t` (`a`, `b`) VALUES (1, 2), (DEFAULT, 4), (DEFAULT, 5);\n", ""},
	{"missing key sqlite", Config{Table: "t", Dialect: lite}, `{"a":1,"b":2}` + "\n" + `{"b":4}` + "\n" + `{"b":5}`,
		`INSERT INTO "t" ("a", "b") VALUES (1, 2);` + "\n" + `INSERT INTO "t" ("b") VALUES (4), (5);` + "\n", ""},
	{"missing key upsert", Config{Verb: Upsert, Key: []string{"b"}, Table: "t"}, `{"a":1,"b":2}` + "\n" + `{"b":4}`,
		"INSERT INTO `t` (`a`, `b`) VALUES (1, 2) ON DUPLICATE KEY UPDATE `a` = VALUES(`a`);\nINSERT INTO `t` (`b`) VALUES (4) ON DUPLICATE KEY UPDATE `b` = `b`;\n", ""},
	{"unknown key", Config{Table: "t"}, `{"a":1}` + "\n" + `{"a":2,"b":4}`, "INSERT INTO `t` (`a`) VALUES (1);\n", `stdin: line 2: unknown field "b": the columns are a`},
	{"columns", Config{Table: "t", Columns: []string{"b", "c"}}, `{"a":1,"b":2}` + "\n" + `{"c":3,"b":4,"d":5}`,
		"INSERT INTO `t` (`b`, `c`) VALUES (2, DEFAULT), (4, 3);\n", ""},
	{"no column", Config{Table: "t", Columns: []string{"x"}}, `{"a":1}`, "", "stdin: line 1: none of its fields is a column"},
	{"upsert", Config{Verb: Upsert, Table: "t", Key: []string{"k"}}, "k,v,w\n1,2,3\n",
		"INSERT INTO `t` (`k`, `v`, `w`) VALUES ('1', '2', '3') ON DUPLICATE KEY UPDATE `v` = VALUES(`v`), `w` = VALUES(`w`);\n", ""},
	{"upsert of a key alone", Config{Verb: Upsert, Table: "t", Key: []string{"k"}}, "k\n1\n",
		"INSERT INTO `t` (`k`) VALUES ('1') ON DUPLICATE KEY UPDATE `k` = `k`;\n", ""},
	{"upsert sqlite", Config{Verb: Upsert, Dialect: lite, Table: "t", Key: []string{"j", "k"}}, "j,k,v\n1,2,3\n",
		`INSERT INTO "t" ("j", "k", "v") VALUES ('1', '2', '3') ON CONFLICT ("j", "k") DO UPDATE SET "v" = excluded."v";` + "\n", ""},
	{"upsert sqlite of a key alone", Config{Verb: Upsert, Dialect: lite, Table: "t", Key: []string{"k"}}, "k\n1\n",
		`INSERT INTO "t" ("k") VALUES ('1') ON CONFLICT ("k") DO NOTHING;` + "\n", ""},
	{"upsert without key column", Config{Verb: Upsert, Table: "t", Key: []string{"x"}}, "k,v\n1,2\n", "", `key column "x" is no field of the records: they have k, v`},
	{"upsert without key value", Config{Verb: Upsert, Table: "t", Key: []string{"k"}}, `{"k":1,"v":2}` + "\n" + `{"v":3}`,
		"INSERT INTO `t` (`k`, `v`) VALUES (1, 2) ON DUPLICATE KEY UPDATE `v` = VALUES(`v`);\n", `stdin: line 2: no value for the key column "k"`},
	{"create", Config{Verb: Create, Table: "t", Key: []string{"id"}}, "id,name,price\n1,x,1.50\n2,y,10.25\n",
		"CREATE TABLE IF NOT EXISTS `t` (`id` BIGINT NOT NULL, `name` VARCHAR(255), `price` DECIMAL(20,2), PRIMARY KEY (`id`)) DEFAULT CHARACTER SET utf8mb4;\n", ""},
	{"insert with create", Config{Create: true, Table: "t"}, "id,zip\n1,01234\n",
		"CREATE TABLE IF NOT EXISTS `t` (`id` BIGINT, `zip` VARCHAR(255)) DEFAULT CHARACTER SET utf8mb4;\nINSERT INTO `t` (`id`, `zip`) VALUES (1, '01234');\n", ""},
	{"a value that does not fit the sample", Config{Create: true, Table: "t", Sample: 1}, "id\n1\nx\n",
		"CREATE TABLE IF NOT EXISTS `t` (`id` BIGINT) DEFAULT CHARACTER SET utf8mb4;\nINSERT INTO `t` (`id`) VALUES (1);\n", `stdin: line 3: column "id": "x" is no BIGINT`},
	{"create unites the sample's keys", Config{Create: true, Dialect: lite, Table: "t"}, `{"a":1}` + "\n" + `{"b":"x"}`,
		`CREATE TABLE IF NOT EXISTS "t" ("a" INTEGER, "b" TEXT);` + "\n" + `INSERT INTO "t" ("a") VALUES (1);` + "\n" + `INSERT INTO "t" ("b") VALUES ('x');` + "\n", ""},
	{"empty input", Config{Table: "t", Create: true}, "", "", ""},
	{"header alone", Config{Table: "t", Create: true}, "a,b\n", "CREATE TABLE IF NOT EXISTS `t` (`a` VARCHAR(255), `b` VARCHAR(255)) DEFAULT CHARACTER SET utf8mb4;\n", ""},
	{"no header where one is wanted", Config{Table: "t", Create: true, Columns: []string{"x"}}, "", "", ""},
	{"header alone without a table to make", Config{Table: "t", UnionKeys: true}, "a,b\n", "", ""},
	{"malformed csv", Config{Table: "t"}, "a,b\n1,2\n3\n", "INSERT INTO `t` (`a`, `b`) VALUES ('1', '2');\n", "stdin: line 3: the header has 2 fields, this record has 1"},
	{"malformed json", Config{Table: "t"}, `{"a":1}` + "\n" + `{"a":}`, "INSERT INTO `t` (`a`) VALUES (1);\n", `stdin: line 2, column 6: '}' where a value should be`},
	{"text that is not UTF-8", Config{Table: "t"}, "a\n\xff\n", "", `stdin: line 2: column "a": text that is not valid UTF-8`},
	{"header twice", Config{Table: "t"}, "a,a\n1,2\n", "INSERT INTO `t` (`a`, `a_2`) VALUES ('1', '2');\n", ""},
	{"no table", Config{Table: ""}, "a\n1\n", "", `table "": an empty name`},
	{"column without a name", Config{Table: "t"}, "a,\n1,2\n", "", `column "": an empty name`},
	{"query", Config{Verb: Query, SQL: "UPDATE t SET a = :a WHERE b IN (:b);"}, `{"a":"It's","b":[1,"x",null]}` + "\n" + `{"a":null,"b":[]}`,
		"UPDATE t SET a = 'It''s' WHERE b IN (1, 'x', NULL);\nUPDATE t SET a = NULL WHERE b IN (NULL);\n", ""},
	{"query without parameters", Config{Verb: Query, SQL: "SELECT ':x'"}, "a\n1\n", "SELECT ':x';\n", ""},
	{"query of given parameters", Config{Verb: Query, SQL: "SELECT :a, :b", Params: []Param{{"a", record.String("x")}, {"b", record.Int(2)}}}, "a\n1\n", "SELECT 'x', 2;\n", ""},
	{"a field outweighs a given parameter", Config{Verb: Query, SQL: "SELECT :a, :b", Params: []Param{{"a", record.String("x")}}}, `{"a":1,"b":2}`, "SELECT 1, 2;\n", ""},
	{"query without a value", Config{Verb: Query, SQL: "SELECT :a"}, `{"b":1}`, "", "stdin: line 1: no value for the parameter :a"},
	{"query with an identifier", Config{Verb: Query, SQL: "SELECT * FROM :t!id"}, `{"t":"a` + "`" + `b"}`, "SELECT * FROM `a``b`;\n", ""},
	{"query with a bad identifier", Config{Verb: Query, SQL: "SELECT * FROM :t!id"}, `{"t":""}`, "", "stdin: line 1: parameter :t: an empty name"},
	{"empty query", Config{Verb: Query, SQL: " ; "}, "", "", "the statement is empty"},
}

func TestRun(t *testing.T) {
	for _, tt := range rowTests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := generate(t, tt.cfg, tt.input)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("statements (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.err, message(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRejects(t *testing.T) {
	var rejects strings.Builder
	cfg := Config{Table: "t", Create: true, Sample: 1, Dialect: lite, Rejects: &reject.Sink{Tool: "gensql", Out: &rejects}}
	got, err := generate(t, cfg, "a,b\n1,x\ny,2\n3\n4,z\n")
	want := `CREATE TABLE IF NOT EXISTS "t" ("a" INTEGER, "b" TEXT);` + "\n" + `INSERT INTO "t" ("a", "b") VALUES (1, 'x'), (4, 'z');` + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantRejects := `{"tool":"gensql","source":"stdin","line":3,"error":"stdin: line 3: column \"a\": \"y\" is no INTEGER","retryable":false,"input":"y,2"}
{"tool":"gensql","source":"stdin","line":4,"error":"stdin: line 4: the header has 2 fields, this record has 1","retryable":false,"input":"3"}
`
	if diff := cmp.Diff(wantRejects, rejects.String()); diff != "" {
		t.Error(diff)
	}
	var rejected *reject.RejectedError
	if !errors.As(err, &rejected) || rejected.Count != 2 {
		t.Errorf("error %v, want 2 rejects", err)
	}
}

func TestQuotedParameterWarning(t *testing.T) {
	var warnings []string
	cfg := Config{Verb: Query, SQL: "SELECT ':a', ' :b', :c", Warn: func(m string) { warnings = append(warnings, m) }}
	if _, err := generate(t, cfg, `{"c":1}`); err != nil {
		t.Fatal(err)
	}
	want := []string{"':a' is text, not a parameter: gensql puts the quotes, write :a"}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Error(diff)
	}
}

// infer is the column type that the values of one CSV column, or of a JSON
// field "a" if they begin with a brace, get in both dialects.
func infer(t *testing.T, values []string) (mysql, sqlite string) {
	t.Helper()
	input := "a\n" + strings.Join(values, "\n") + "\n"
	if strings.HasPrefix(values[0], "{") {
		input = strings.Join(values, "\n")
	}
	for d, typ := range map[sqltext.Dialect]*string{my: &mysql, lite: &sqlite} {
		got, err := generate(t, Config{Verb: Create, Dialect: d, Table: "t"}, input)
		if err != nil {
			t.Fatal(err)
		}
		_, got, _ = strings.Cut(got, "(")
		_, got, _ = strings.Cut(got, " ")
		*typ = strings.TrimSuffix(strings.TrimSuffix(got, ";\n"), " DEFAULT CHARACTER SET utf8mb4")
		*typ = strings.TrimSuffix(*typ, ")")
	}
	return mysql, sqlite
}

func TestInference(t *testing.T) {
	for _, tt := range []struct {
		values        []string
		mysql, sqlite string
	}{
		{[]string{"1", "-2", ""}, "BIGINT", "INTEGER"},
		{[]string{"9223372036854775807"}, "BIGINT", "INTEGER"},
		{[]string{"9223372036854775808"}, "BIGINT UNSIGNED", "TEXT"},
		{[]string{"9223372036854775808", "-1"}, "DECIMAL(19,0)", "TEXT"},
		{[]string{"18446744073709551616"}, "DECIMAL(20,0)", "TEXT"},
		{[]string{strings.Repeat("9", 66)}, "VARCHAR(255)", "TEXT"},
		{[]string{"1.50", "2.25"}, "DECIMAL(20,2)", "NUMERIC"},
		{[]string{"1.5", "2.25"}, "DOUBLE", "NUMERIC"},
		{[]string{"1", "2.5"}, "DOUBLE", "NUMERIC"},
		{[]string{"0.30000000000000004", "0.5"}, "DOUBLE", "NUMERIC"},
		{[]string{"0.1234567890123456789"}, "DECIMAL(37,19)", "TEXT"},
		{[]string{"0.1234567890123456789", "1.5"}, "DECIMAL(37,19)", "TEXT"},
		{[]string{"01", "2"}, "VARCHAR(255)", "TEXT"},
		{[]string{"-0"}, "VARCHAR(255)", "TEXT"},
		{[]string{"+1"}, "VARCHAR(255)", "TEXT"},
		{[]string{"1e5"}, "VARCHAR(255)", "TEXT"},
		{[]string{`{"a":1e5}`}, "DOUBLE", "NUMERIC"},
		{[]string{`{"a":1e999}`}, "VARCHAR(255)", "TEXT"},
		{[]string{`{"a":true}`, `{"a":null}`}, "BOOLEAN", "BOOLEAN"},
		{[]string{`{"a":true}`, `{"a":1}`}, "VARCHAR(255)", "TEXT"},
		{[]string{`{"a":"1"}`}, "VARCHAR(255)", "TEXT"},
		{[]string{`{"a":{"b":1}}`}, "JSON", "TEXT"},
		{[]string{`{"a":{"b":1}}`, `{"a":"x"}`}, "VARCHAR(255)", "TEXT"},
		{[]string{"2024-02-29", "1999-12-31"}, "DATE", "TEXT"},
		{[]string{"2023-02-29"}, "VARCHAR(255)", "TEXT"},
		{[]string{"0000-00-00"}, "VARCHAR(255)", "TEXT"},
		{[]string{"2024-02-29 10:20:30"}, "DATETIME", "TEXT"},
		{[]string{"2024-02-29 10:20:30.123"}, "DATETIME(3)", "TEXT"},
		{[]string{"2024-02-29T10:20:30"}, "VARCHAR(255)", "TEXT"},
		{[]string{"2024-02-29", "2024-02-29 10:20:30"}, "VARCHAR(255)", "TEXT"},
		{[]string{"NA", "1"}, "VARCHAR(255)", "TEXT"},
		{[]string{"", "x"}, "VARCHAR(255)", "TEXT"},
		{[]string{strings.Repeat("ä", 255)}, "VARCHAR(255)", "TEXT"},
		{[]string{strings.Repeat("ä", 256)}, "TEXT", "TEXT"},
		{[]string{strings.Repeat("x", 20000)}, "LONGTEXT", "TEXT"},
	} {
		mysql, sqlite := infer(t, tt.values)
		if mysql != tt.mysql || sqlite != tt.sqlite {
			t.Errorf("%.60q: %s, %s; want %s, %s", tt.values, mysql, sqlite, tt.mysql, tt.sqlite)
		}
	}
}

// A column takes a later value if and only if its type holds it exactly.
func TestValuesBehindTheSample(t *testing.T) {
	for _, tt := range []struct {
		first, later string
		mysql        string // the literal, or nothing: rejected
	}{
		{"1", "9223372036854775807", "9223372036854775807"},
		{"1", "9223372036854775808", ""},
		{"1", "1.5", ""},
		{"1", "007", ""},
		{"1", "", "NULL"},
		{"1.50", "1000000000000000.25", "1000000000000000.25"},
		{"1.50", "1.505", ""},
		{"1.50", "7", "7"},
		{"2024-01-01", "2024-01-32", ""},
		{"2024-01-01 00:00:00", "2024-01-01 00:00:00.5", ""},
		{"x", "5", "'5'"},
		{"x", strings.Repeat("y", 256), ""},
	} {
		got, err := generate(t, Config{Table: "t", Create: true, Sample: 1}, "a\n"+tt.first+"\n\n"+tt.later+"\n")
		rejected := err != nil
		if rejected != (tt.mysql == "") || !rejected && !strings.HasSuffix(got, "("+tt.mysql+");\n") {
			t.Errorf("%s behind %s: %s, %v", tt.later, tt.first, got, err)
		}
	}
}
