package gensql

import (
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// rows is the input of verbTests.
const rows = `{"k":1,"a":"x","b":null}
{"k":"2","a":"y","b":true}
`

var verbTests = []struct {
	name          string
	cfg           Config // Table is t
	input         string // rows if empty
	mysql, sqlite string
	err           string
}{
	{
		"insert ignore", Config{Ignore: true}, "",
		"INSERT INTO `t` (`k`, `a`, `b`) VALUES (1, 'x', NULL), ('2', 'y', TRUE) ON DUPLICATE KEY UPDATE `k` = `k`;",
		`INSERT INTO "t" ("k", "a", "b") VALUES (1, 'x', NULL), ('2', 'y', TRUE) ON CONFLICT DO NOTHING;`, "",
	},
	{
		"replace", Config{Verb: Replace}, "",
		"REPLACE INTO `t` (`k`, `a`, `b`) VALUES (1, 'x', NULL), ('2', 'y', TRUE);",
		`REPLACE INTO "t" ("k", "a", "b") VALUES (1, 'x', NULL), ('2', 'y', TRUE);`, "",
	},
	{
		"upsert of some columns", Config{Verb: Upsert, Key: []string{"k"}, Update: []string{"b"}}, "",
		"INSERT INTO `t` (`k`, `a`, `b`) VALUES (1, 'x', NULL), ('2', 'y', TRUE) ON DUPLICATE KEY UPDATE `b` = VALUES(`b`);",
		`INSERT INTO "t" ("k", "a", "b") VALUES (1, 'x', NULL), ('2', 'y', TRUE) ON CONFLICT ("k") DO UPDATE SET "b" = excluded."b";`, "",
	},
	{"upsert of no such column", Config{Verb: Upsert, Key: []string{"k"}, Update: []string{"c"}}, "", "", "", `there is no column "c": they are k, a, b`},
	{
		"update", Config{Verb: Update, Key: []string{"k"}}, "",
		"UPDATE `t` SET `a` = 'x', `b` = NULL WHERE `k` = '1';\nUPDATE `t` SET `a` = 'y', `b` = TRUE WHERE `k` = '2';",
		`UPDATE "t" SET "a" = 'x', "b" = NULL WHERE "k" = 1;` + "\n" + `UPDATE "t" SET "a" = 'y', "b" = TRUE WHERE "k" = '2';`, "",
	},
	{
		"update by two columns", Config{Verb: Update, Key: []string{"k", "a"}}, `{"a":"x","b":2,"k":3}`,
		"UPDATE `t` SET `b` = 2 WHERE `k` = '3' AND `a` = 'x';",
		`UPDATE "t" SET "b" = 2 WHERE "k" = 3 AND "a" = 'x';`, "",
	},
	{"update of nothing", Config{Verb: Update, Key: []string{"k"}}, `{"k":1}`, "", "", "stdin: line 1: it has nothing but its key: there is nothing to update"},
	{"update of NULL", Config{Verb: Update, Key: []string{"k"}}, `{"k":null,"a":1}`, "", "", `stdin: line 1: the key column "k" is NULL`},
	{
		"update of what a record has", Config{Verb: Update, Key: []string{"k"}}, `{"k":1,"a":2}` + "\n" + `{"k":3}`,
		"UPDATE `t` SET `a` = 2 WHERE `k` = '1';", `UPDATE "t" SET "a" = 2 WHERE "k" = 1;`,
		"stdin: line 2: it has nothing but its key: there is nothing to update",
	},
	{
		"delete", Config{Verb: Delete, Key: []string{"k"}}, "",
		"DELETE FROM `t` WHERE `k` IN ('1', '2');", `DELETE FROM "t" WHERE "k" IN (1, '2');`, "",
	},
	{
		"delete by two columns", Config{Verb: Delete, Key: []string{"a", "k"}}, "",
		"DELETE FROM `t` WHERE (`a`, `k`) IN (('x', '1'), ('y', '2'));", `DELETE FROM "t" WHERE ("a", "k") IN (VALUES ('x', 1), ('y', '2'));`, "",
	},
	{
		"delete in batches", Config{Verb: Delete, Key: []string{"k"}, Batch: 1}, "",
		"DELETE FROM `t` WHERE `k` IN ('1');\nDELETE FROM `t` WHERE `k` IN ('2');", `DELETE FROM "t" WHERE "k" IN (1);` + "\n" + `DELETE FROM "t" WHERE "k" IN ('2');`, "",
	},
	{"delete of NULL", Config{Verb: Delete, Key: []string{"b"}}, "", "", "", `stdin: line 1: the key column "b" is NULL`},
	{"delete without key", Config{Verb: Delete, Key: []string{"c"}}, "", "", "", `key column "c" is no field of the records: they have k, a, b`},
	{
		"rename", Config{Verb: Delete, Key: []string{"id"}, Rename: []Rename{{"k", "id"}}}, "",
		"DELETE FROM `t` WHERE `id` IN ('1', '2');", `DELETE FROM "t" WHERE "id" IN (1, '2');`, "",
	},
	{
		"columns are fields", Config{Columns: []string{"b", "k"}, Rename: []Rename{{"k", "id"}}}, "",
		"INSERT INTO `t` (`b`, `id`) VALUES (NULL, 1), (TRUE, '2');", `INSERT INTO "t" ("b", "id") VALUES (NULL, 1), (TRUE, '2');`, "",
	},
	{"rename of no field", Config{Rename: []Rename{{"c", "d"}}}, "", "", "", "--rename c=d: there is no such field: the columns are k, a, b"},
	{"rename to another", Config{Rename: []Rename{{"k", "a"}}}, "", "", "", `column "a" is named twice`},
	{
		"set", Config{Columns: []string{"k"}, Set: []Set{{"at", "NOW()"}, {"k", "UPPER(:a) || :k"}}}, "",
		"INSERT INTO `t` (`k`, `at`) VALUES (UPPER('x') || 1, NOW()), (UPPER('y') || '2', NOW());",
		`INSERT INTO "t" ("k", "at") VALUES (UPPER('x') || 1, NOW()), (UPPER('y') || '2', NOW());`, "",
	},
	{
		"set takes a field", Config{Verb: Update, Key: []string{"k"}, Set: []Set{{"n", "n + :by"}}}, `{"k":1,"by":5}`,
		"UPDATE `t` SET `by` = 5, `n` = n + 5 WHERE `k` = '1';", `UPDATE "t" SET "by" = 5, "n" = n + 5 WHERE "k" = 1;`, "",
	},
	{"set without the field", Config{Set: []Set{{"n", ":z"}}}, "", "", "", `stdin: line 1: column "n": no value for the parameter :z`},
	{
		"default", Config{Dialect: lite, Default: []Param{{"c", record.String("new")}, {"b", record.String("'")}}}, `{"k":1,"b":2}` + "\n" + `{"k":2,"c":null}`,
		"INSERT INTO `t` (`k`, `b`, `c`) VALUES (1, 2, 'new'), (2, '''', NULL);", `INSERT INTO "t" ("k", "b", "c") VALUES (1, 2, 'new'), (2, '''', NULL);`, "",
	},
	{
		"union of keys", Config{UnionKeys: true}, `{"k":1}` + "\n" + `{"a":2}`,
		"INSERT INTO `t` (`k`, `a`) VALUES (1, DEFAULT), (DEFAULT, 2);", `INSERT INTO "t" ("k") VALUES (1);` + "\n" + `INSERT INTO "t" ("a") VALUES (2);`, "",
	},
	{
		"union of all keys", Config{UnionKeys: true, Sample: SampleAll}, rows + `{"k":3,"z":"\u0000"}`,
		"INSERT INTO `t` (`k`, `a`, `b`, `z`) VALUES (1, 'x', NULL, DEFAULT), ('2', 'y', TRUE, DEFAULT), (3, DEFAULT, DEFAULT, _utf8mb4 x'00');",
		`INSERT INTO "t" ("k", "a", "b") VALUES (1, 'x', NULL), ('2', 'y', TRUE);` + "\n" + `INSERT INTO "t" ("k", "z") VALUES (3, CAST(x'00' AS TEXT));`, "",
	},
	{
		"ascii", Config{ASCII: true}, `{"a":"e","b":"é"}`,
		"INSERT INTO `t` (`a`, `b`) VALUES ('e', _utf8mb4 x'c3a9');", `INSERT INTO "t" ("a", "b") VALUES ('e', CAST(x'c3a9' AS TEXT));`, "",
	},
	{"ascii name", Config{ASCII: true}, `{"é":"e"}`, "", "", `column "é": --ascii: it is not ASCII, and a name cannot be written otherwise`},
	{
		"transactions", Config{Batch: 1, Transaction: 2}, "k\n1\n2\n3\n",
		"BEGIN;\nINSERT INTO `t` (`k`) VALUES ('1');\nINSERT INTO `t` (`k`) VALUES ('2');\nCOMMIT;\nBEGIN;\nINSERT INTO `t` (`k`) VALUES ('3');\nCOMMIT;",
		`BEGIN;` + "\n" + `INSERT INTO "t" ("k") VALUES ('1');` + "\n" + `INSERT INTO "t" ("k") VALUES ('2');` + "\nCOMMIT;\nBEGIN;\n" + `INSERT INTO "t" ("k") VALUES ('3');` + "\nCOMMIT;", "",
	},
	{
		"a transaction that is not finished", Config{Batch: 1, Transaction: 2}, "k,a\n1,2\n3\n",
		"BEGIN;\nINSERT INTO `t` (`k`, `a`) VALUES ('1', '2');\nROLLBACK;", "BEGIN;\n" + `INSERT INTO "t" ("k", "a") VALUES ('1', '2');` + "\nROLLBACK;",
		"stdin: line 3: the header has 2 fields, this record has 1",
	},
	{
		"a made table is in no transaction", Config{Transaction: 5, Create: true}, "k\n1\n",
		"CREATE TABLE IF NOT EXISTS `t` (`k` BIGINT) DEFAULT CHARACTER SET utf8mb4;\nBEGIN;\nINSERT INTO `t` (`k`) VALUES (1);\nCOMMIT;",
		`CREATE TABLE IF NOT EXISTS "t" ("k" INTEGER);` + "\nBEGIN;\n" + `INSERT INTO "t" ("k") VALUES (1);` + "\nCOMMIT;", "",
	},
	{
		"header", Config{Header: true}, "k\n1\n",
		"-- gensql\nSET NAMES utf8mb4;\nINSERT INTO `t` (`k`) VALUES ('1');\n-- gensql: the end of 1 statements",
		"-- gensql\n" + `INSERT INTO "t" ("k") VALUES ('1');` + "\n-- gensql: the end of 1 statements", "",
	},
	{
		"primary key", Config{Verb: Create, PrimaryKey: []string{"k", "a"}}, "k,a,b\n1,x,\n",
		"CREATE TABLE IF NOT EXISTS `t` (`k` BIGINT NOT NULL, `a` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, `b` VARCHAR(255), PRIMARY KEY (`k`, `a`)) DEFAULT CHARACTER SET utf8mb4;",
		`CREATE TABLE IF NOT EXISTS "t" ("k" INTEGER NOT NULL, "a" TEXT NOT NULL, "b" TEXT, PRIMARY KEY ("k", "a"));`, "",
	},
	{
		"numbered rows", Config{Verb: Create, AutoID: true}, "k\n1\n",
		"CREATE TABLE IF NOT EXISTS `t` (`id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, `k` BIGINT) DEFAULT CHARACTER SET utf8mb4;",
		`CREATE TABLE IF NOT EXISTS "t" ("id" INTEGER PRIMARY KEY, "k" INTEGER);`, "",
	},
	{"numbered rows with ids", Config{Verb: Create, AutoID: true}, "id\n1\n", "", "", "--auto-id makes the column id, which the records have: --rename id=…"},
	{
		"upsert with another primary key", Config{Verb: Upsert, Create: true, AutoID: true, Key: []string{"k"}}, "k\n1\n",
		"CREATE TABLE IF NOT EXISTS `t` (`id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, `k` BIGINT NOT NULL, UNIQUE (`k`)) DEFAULT CHARACTER SET utf8mb4;\nINSERT INTO `t` (`k`) VALUES (1) ON DUPLICATE KEY UPDATE `k` = `k`;",
		`CREATE TABLE IF NOT EXISTS "t" ("id" INTEGER PRIMARY KEY, "k" INTEGER NOT NULL, UNIQUE ("k"));` + "\n" + `INSERT INTO "t" ("k") VALUES (1) ON CONFLICT ("k") DO NOTHING;`, "",
	},
	{
		"not null", Config{Create: true, NotNull: true, Sample: 2}, `{"k":1,"a":2}` + "\n" + `{"k":3}` + "\n" + `{"k":null}`,
		"CREATE TABLE IF NOT EXISTS `t` (`k` BIGINT NOT NULL, `a` BIGINT) DEFAULT CHARACTER SET utf8mb4;\nINSERT INTO `t` (`k`, `a`) VALUES (1, 2), (3, DEFAULT);",
		`CREATE TABLE IF NOT EXISTS "t" ("k" INTEGER NOT NULL, "a" INTEGER);` + "\n" + `INSERT INTO "t" ("k", "a") VALUES (1, 2);` + "\n" + `INSERT INTO "t" ("k") VALUES (3);`,
		`stdin: line 3: column "k": NULL, but the column is NOT NULL`,
	},
	{
		"types", Config{Types: map[string]Type{"i": Int, "f": Float, "t": Text, "h": Hex}}, `{"i":"007","f":"+1e5","t":5,"h":"0xFFfe"}`,
		"INSERT INTO `t` (`i`, `f`, `t`, `h`) VALUES (7, 1e5, '5', x'fffe');", `INSERT INTO "t" ("i", "f", "t", "h") VALUES (7, 1e5, '5', x'fffe');`, "",
	},
	{
		"types of a made table", Config{Create: true, Types: map[string]Type{"i": Decimal, "b": Base64, "d": Datetime, "j": JSON}},
		"i,b,d,j\n1.50,AAE=,2024-01-02T03:04:05.25Z,\"{\"\"a\"\": 1}\"\n",
		"CREATE TABLE IF NOT EXISTS `t` (`i` DECIMAL(20,2), `b` LONGBLOB, `d` DATETIME(2), `j` JSON) DEFAULT CHARACTER SET utf8mb4;\nINSERT INTO `t` (`i`, `b`, `d`, `j`) VALUES (1.50, x'0001', '2024-01-02 03:04:05.25', '{\"a\": 1}');",
		`CREATE TABLE IF NOT EXISTS "t" ("i" NUMERIC, "b" BLOB, "d" TEXT, "j" TEXT);` + "\n" + `INSERT INTO "t" ("i", "b", "d", "j") VALUES (1.50, x'0001', '2024-01-02 03:04:05.25', '{"a": 1}');`, "",
	},
	{"a value not of its type", Config{Types: map[string]Type{"k": Int}}, "k,a\nx,1\n", "", "", `stdin: line 2: column "k": "x" is no int`},
	{"a type of no column", Config{Types: map[string]Type{"z": Int}}, "", "", "", `there is no column "z": they are k, a, b`},
}

func TestVerbs(t *testing.T) {
	for _, tt := range verbTests {
		for d, want := range map[sqltext.Dialect]string{my: tt.mysql, lite: tt.sqlite} {
			cfg, input := tt.cfg, tt.input
			cfg.Dialect, cfg.Table = d, "t"
			if input == "" {
				input = rows
			}
			var out strings.Builder
			_, err := Run(t.Context(), cfg, stdin(input), &out)
			if diff := cmp.Diff(want, strings.TrimSuffix(out.String(), "\n")); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", tt.name, d, diff)
			}
			if diff := cmp.Diff(tt.err, message(err)); diff != "" {
				t.Errorf("%s, %s: error (-want +got):\n%s", tt.name, d, diff)
			}
		}
	}
}

func TestConvert(t *testing.T) {
	for _, tt := range []struct {
		typ  Type
		in   string
		want string // empty: refused
	}{
		{Int, "0", "0"}, {Int, "-0012", "-12"}, {Int, "+5", "5"}, {Int, "000", "0"}, {Int, "99999999999999999999999", "99999999999999999999999"},
		{Int, "", ""}, {Int, "1.0", ""}, {Int, "1e3", ""}, {Int, " 1", ""}, {Int, "-", ""}, {Int, "0x1f", ""}, {Int, "1;DROP", ""},
		{Decimal, "1", "1"}, {Decimal, "-01.50", "-1.50"}, {Decimal, ".5", "0.5"}, {Decimal, "+0.0", "0.0"},
		{Decimal, "1.", ""}, {Decimal, ".", ""}, {Decimal, "1,5", ""}, {Decimal, "1.5e3", ""}, {Decimal, "--1", ""},
		{Float, "1e5", "1e5"}, {Float, "-.5E-7", "-0.5E-7"}, {Float, "3", "3"}, {Float, "1e", ""}, {Float, "NaN", ""}, {Float, "inf", ""}, {Float, "e5", ""}, {Float, "1e+", ""},
		{Bool, "Yes", "true"}, {Bool, "0", "false"}, {Bool, "2", ""}, {Bool, "", ""},
		{Date, "2024-02-29", "2024-02-29"}, {Date, "2023-02-29", ""}, {Date, "0000-00-00", ""}, {Date, "2024-2-9", ""}, {Date, "2024-01-01 00:00:00", ""},
		{Datetime, "2024-02-29", "2024-02-29 00:00:00"}, {Datetime, "2024-01-02 03:04:05", "2024-01-02 03:04:05"}, {Datetime, "2024-01-02T03:04:05.123456", "2024-01-02 03:04:05.123456"},
		{Datetime, "2024-01-01T00:30:00+01:00", "2023-12-31 23:30:00"}, {Datetime, "2024-01-01t00:30:00z", "2024-01-01 00:30:00"},
		{Datetime, "2024-01-01T00:30:00.1234567", ""}, {Datetime, "2024-01-01T00:30:00.1234567Z", ""}, {Datetime, "2024-01-01T25:00:00", ""}, {Datetime, "now", ""}, {Datetime, "1000-01-01T00:00:00+01:00", ""},
		{JSON, ` { "a" : [1, 2.50] } `, `{ "a" : [1, 2.50] }`}, {JSON, `null`, `null`}, {JSON, `x`, ""}, {JSON, "[1,\n2]", "[1, 2]"},
		{Text, "", ""}, {Base64, "AP8=", "\x00\xff"}, {Base64, "AP8", ""}, {Hex, "00ff", "\x00\xff"}, {Hex, "0xA", ""}, {Hex, "xyz", ""}, {Binary, "\xff", "\xff"},
	} {
		v, err := tt.typ.convert(record.String(tt.in))
		if err != nil {
			v.Bytes = nil
		}
		if string(v.Bytes) != tt.want {
			t.Errorf("%s %q: %q, %v; want %q", tt.typ, tt.in, v.Bytes, err, tt.want)
		}
		if err == nil && tt.want == "" && tt.in != "" {
			t.Errorf("%s %q is taken", tt.typ, tt.in)
		}
	}
	for typ := Int; typ <= Hex; typ++ {
		if v, err := typ.convert(record.Value{}); !v.IsNull() || err != nil {
			t.Errorf("%s: NULL is %v, %v", typ, v, err)
		}
	}
}

// FuzzConvert: what a number type lets through is a number, and nothing else.
func FuzzConvert(f *testing.F) {
	for _, s := range []string{"0", "-1", "+007", ".5", "1.50", "1e5", "-.5E-7", "1e", "", "0x1", "1 OR 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, typ := range []Type{Int, Decimal, Float} {
			v, err := typ.convert(record.String(s))
			if err != nil {
				continue
			}
			if !record.IsNumber(v.Bytes) {
				t.Errorf("%s %q is written %s", typ, s, v.Bytes)
			}
			again, err := typ.convert(v)
			if err != nil || string(again.Bytes) != string(v.Bytes) {
				t.Errorf("%s %q is %s, and that is %s, %v", typ, s, v.Bytes, again.Bytes, err)
			}
			before, ok := new(big.Float).SetString(s)
			after, _ := new(big.Float).SetString(string(v.Bytes))
			if ok && before.Cmp(after) != 0 {
				t.Errorf("%s %q became %s", typ, s, v.Bytes)
			}
		}
	})
}

func TestRanges(t *testing.T) {
	number := func(s string) *big.Int {
		n, _ := new(big.Int).SetString(s, 10)
		return n
	}
	for _, tt := range []struct {
		from, to, step string
		cfg            RangesConfig
		want           string
		err            string
	}{
		{
			"1", "10", "4", RangesConfig{Table: "d.t", Key: "k`"},
			"SELECT * FROM `d`.`t` WHERE `k``` >= 1 AND `k``` < 5;\nSELECT * FROM `d`.`t` WHERE `k``` >= 5 AND `k``` < 9;\nSELECT * FROM `d`.`t` WHERE `k``` >= 9 AND `k``` < 11;\n", "",
		},
		{"-2", "-2", "100", RangesConfig{Dialect: lite, Table: "t", Key: "k", SQL: "DELETE FROM :table WHERE k BETWEEN :lo AND :hi - 1 ;\n"}, `DELETE FROM "t" WHERE k BETWEEN -2 AND -1 - 1;` + "\n", ""},
		{"18446744073709551610", "18446744073709551615", "10", RangesConfig{Table: "t", Key: "k", SQL: "SELECT :lo, :hi"}, "SELECT 18446744073709551610, 18446744073709551616;\n", ""},
		{"2", "1", "1", RangesConfig{Table: "t", Key: "k"}, "", ""},
		{"1", "2", "1", RangesConfig{Table: "t", Key: "k", Transaction: 5, SQL: "SELECT :lo"}, "BEGIN;\nSELECT 1;\nSELECT 2;\nCOMMIT;\n", ""},
		{"1", "2", "1", RangesConfig{Table: "t", Key: "k", SQL: "SELECT :low"}, "", "the statement has a parameter :low; there are :lo, :hi, :table and :key"},
		{"1", "2", "1", RangesConfig{Table: "", Key: "k"}, "", `table "": an empty name`},
		{"1", "2", "1", RangesConfig{Table: "t", Key: ""}, "", `key "": an empty name`},
	} {
		var out strings.Builder
		tt.cfg.From, tt.cfg.To, tt.cfg.Step = number(tt.from), number(tt.to), number(tt.step)
		sum, err := Ranges(t.Context(), tt.cfg, &out)
		if diff := cmp.Diff(tt.want, out.String()); diff != "" || message(err) != tt.err {
			t.Errorf("%+v: %v, -want +got:\n%s", tt.cfg, err, diff)
		}
		if sum.Bytes != int64(out.Len()) {
			t.Errorf("%+v: summary %+v", tt.cfg, sum)
		}
	}
}
