package sqlpipe

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
)

// columns are types and values of them: their extremes, and what is printed in
// a form of its own. NULL is added to each.
var columns = []struct{ definition, values string }{
	{"TINYINT", "-128, 0, 127"},
	{"TINYINT UNSIGNED", "0, 255"},
	{"BOOLEAN", "FALSE, TRUE"},
	{"SMALLINT", "-32768, 32767"},
	{"SMALLINT UNSIGNED", "65535"},
	{"MEDIUMINT", "-8388608, 8388607"},
	{"MEDIUMINT UNSIGNED", "16777215"},
	{"INT", "-2147483648, 2147483647"},
	{"INT UNSIGNED", "4294967295"},
	{"BIGINT", "-9223372036854775808, 9223372036854775807"},
	{"BIGINT UNSIGNED", "0, 18446744073709551615"},
	{"DECIMAL(65,30)", "-99999999999999999999999999999999999.999999999999999999999999999999, 0, 1e-30, 12345678901234567890.5"},
	{"DECIMAL(65,0)", "99999999999999999999999999999999999999999999999999999999999999999, -1"},
	{"DECIMAL(5,2)", "-999.99, 0.1, -0.01, 12"},
	{"FLOAT", "0, -0e0, 1.5, 16777216, 1e10, 1e14, 1e15, 3.4028234e38, -3.4028234e38, 1.17549435e-38, 1e-45, 123456.789, 0.1, 100000, 1234567"},
	{"FLOAT UNSIGNED", "0.5, 1e20"},
	{"FLOAT(7,3)", "1.5, -9999.999, 0, 0.0004"},
	{"DOUBLE", "0, -0e0, 1e20, 1e15, 1e14, 123456789012345678, 0.1, 1.7976931348623157e308, -2.2250738585072014e-308, 5e-324, 1e-15, 1e-16, 1234567890123456.5, 100, 1e100"},
	{"DOUBLE(20,4)", "1.5, -1234567890123456.7891, 0, 0.00004"},
	{"BIT(1)", "b'0', b'1'"},
	{"BIT(20)", "b'0', b'10101', b'11111111111111111111'"},
	{"BIT(64)", "18446744073709551615, 0, 9"},
	{"DATE", "'0000-00-00', '2024-00-00', '1000-01-01', '9999-12-31', '2024-02-29'"},
	{"DATETIME", "'0000-00-00', '2024-02-29 23:59:59', '9999-12-31 23:59:59'"},
	{"DATETIME(6)", "'0000-00-00', '2024-02-29 23:59:59.000001', '2024-02-29'"},
	{"TIMESTAMP NULL", "'0000-00-00', '2024-02-29 23:59:59', '2038-01-19 03:14:07'"},
	{"TIMESTAMP(3) NULL", "'2024-02-29 23:59:59.5'"},
	{"TIME", "'-838:59:59', '838:59:59', '0:0:0', '-0:0:1'"},
	{"TIME(6)", "'-838:59:59.999999', '25:00:00.5'"},
	{"YEAR", "0, 1901, 2155, 2000"},
	{"CHAR(10)", "'', 'a', ' b  ', 'NULL', 'žluť', '🐎'"},
	{"VARCHAR(50)", `'', 'a ', 'tab\there', 'line\nend', 'back\\slash', 'nul\0byte', 'cr\rhere', 'quote\'"', '\Z', '0x00'`},
	{"VARCHAR(50) CHARACTER SET latin1", "'é', '€'"},
	{"VARCHAR(50) CHARACTER SET utf16", "'é', '🐎'"},
	{"TINYTEXT", "'', 'x'"},
	{"TEXT", "'two\nlines'"},
	{"MEDIUMTEXT", "REPEAT('x', 70000)"},
	{"LONGTEXT", "REPEAT('y', 300)"},
	{"BINARY(4)", "'', 'a', x'00ff0a09', x'5c30'"},
	{"VARBINARY(20)", "'', x'00', x'0a095c00ff', 'NULL'"},
	{"TINYBLOB", "x'00ff'"},
	{"BLOB", "'', x'00010203ff0a'"},
	{"MEDIUMBLOB", "x'5c'"},
	{"LONGBLOB", "REPEAT(x'ff', 300)"},
	{"ENUM('a','b','')", "'a', 'b', ''"},
	{"SET('a','b')", "'', 'a', 'a,b'"},
	{"JSON", `'{"a": [1, 2.50, "x"]}', 'null', '"s"', '[]'`},
	{"GEOMETRY", "POINT(1, 2)"},
	{"POINT", "POINT(-1.5, 1e300)"},
	{"POLYGON", "ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')"},
	{"UUID", "'123e4567-e89b-12d3-a456-426655440000'"},
	{"INET6", "'::1', '::ffff:1.2.3.4'"},
	{"INET4", "'1.2.3.4'"},
}

// TestTypesAsClient compares every type with what the client prints, byte for
// byte.
func TestTypesAsClient(t *testing.T) {
	cfg := onServer(t)
	if _, err := exec.LookPath("mariadb"); err != nil {
		t.Skip("no mariadb client")
	}
	var setup, selects strings.Builder
	setup.WriteString("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00';\n")
	for i, c := range columns {
		fmt.Fprintf(&setup, "CREATE TABLE t%d (n INT AUTO_INCREMENT PRIMARY KEY, c %s);\n", i, c.definition)
		fmt.Fprintf(&setup, "INSERT INTO t%d (c) VALUES (NULL);\n", i)
		fmt.Fprintf(&setup, "INSERT INTO t%d (c) VALUES (%s);\n", i, rowsOf(c.values))
		fmt.Fprintf(&selects, "SELECT n, c FROM t%d ORDER BY n;\n", i)
	}
	selects.WriteString(`SELECT NULL AS a, 'NULL' AS b, '' AS c;
SELECT 1 AS "a	tab", 2 AS "", 3 AS "a	tab";
SELECT 1e20, 1e-20, 1/3, 10/4, 0.1 + 0.2, 1 + 1, -7 DIV 2, PI(), 9223372036854775808, 1 = 1, NOW() > 0;
SELECT CAST(1e10 AS FLOAT), SUM(c) FROM t14;
SELECT AVG(c), MIN(c), MAX(c), SUM(c), COUNT(*), STD(c) FROM t17;
SELECT x'41', b'01000001', 0x00, CONCAT(x'ff', 'a'), UNHEX('00'), INET6_ATON('::1'), MD5('a'), SHA1('a');
SELECT DATE '2024-01-01', TIME '10:00:00', TIMESTAMP '2024-01-01 10:00:00', INTERVAL 1 DAY + '2024-01-01', SEC_TO_TIME(1000000), MAKETIME(-5, 6, 7.5);
SELECT _latin1 x'e9', _utf8mb4 'é', CONVERT('é' USING utf16), CAST('é' AS BINARY);
SHOW VARIABLES LIKE 'version_comment';
SHOW CREATE TABLE t0;
DESCRIBE t1;
EXPLAIN SELECT * FROM t0;
CREATE TEMPORARY TABLE r (n INT, c INT);
INSERT INTO r VALUES (1, 5), (2, NULL) RETURNING n, c;
SELECT c FROM t0 WHERE n > 1000;
SELECT @@sql_mode, @none, USER() = CURRENT_USER();
`)
	if _, _, err := runScript(t, cfg, setup.String()); err != nil {
		t.Fatal(err)
	}
	null := "NULL"
	cfg.Format, cfg.Rows = record.TSV, record.WriterOptions{NullAs: &null, Binary: record.Raw}
	got, _, err := runScript(t, cfg, selects.String())
	if err != nil {
		t.Fatal(err)
	}
	want := client(t, cfg.DB, selects.String())
	// The client writes no header where there is no row.
	got = strings.Replace(got, "\nc\n@@sql_mode", "\n@@sql_mode", 1)
	got = strings.Replace(got, "a\\ttab\t\ta\\ttab_2\n", "a\ttab\t\ta\ttab\n", 1) // it escapes no tab in a name, either
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sqlpipe prints otherwise than the client:\n%s", diff)
	}
}

// rowsOf makes a list of rows of a list of values.
func rowsOf(values string) string {
	depth, quote := 0, byte(0)
	var b strings.Builder
	for i := 0; i < len(values); i++ {
		switch c := values[i]; {
		case quote != 0:
			switch c {
			case '\\':
				b.WriteByte(c)
				i++
			case quote:
				quote = 0
			}
		case c == '\'':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			b.WriteByte(')')
			b.WriteString(",(")
			continue
		}
		b.WriteByte(values[i])
	}
	return b.String()
}

// client runs a script by the mariadb client.
func client(t *testing.T, u dburl.URL, script string) string {
	t.Helper()
	args := []string{"--no-defaults", "--batch", "--default-character-set=utf8mb4", "--user=" + u.User, "--database=" + u.Database}
	if u.Host != "" {
		args = append(args, "--host="+u.Host, fmt.Sprintf("--port=%d", u.Port))
	} else {
		args = append(args, "--socket="+u.Socket)
	}
	cmd := exec.CommandContext(t.Context(), "mariadb", args...)
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+string(u.Password))
	cmd.Stdin = strings.NewReader(script)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("mariadb: %v\n%s", err, stderr.Bytes())
	}
	return string(out)
}
