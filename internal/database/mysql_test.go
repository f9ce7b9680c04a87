package database

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"pipeworks/internal/record"
)

var kindNames = map[record.Kind]string{
	record.Null: "null", record.Text: "text", record.Number: "number",
	record.Bool: "bool", record.JSON: "json", record.Binary: "binary",
}

// values executes a statement and returns each value of its only result set as
// "kind:text", or null.
func values(t *testing.T, conn Conn, sql string) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), []byte(sql))
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var all []string
	row := make([]record.Value, len(rows.Columns()))
	for {
		if err := rows.Next(row); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		for _, v := range row {
			if v.IsNull() {
				all = append(all, "null")
				continue
			}
			all = append(all, fmt.Sprintf("%s:%s", kindNames[v.Kind], v.Bytes))
		}
	}
}

// TestMySQLTypes has every type with its extremes. What the server's own
// client prints for them was looked up there.
func TestMySQLTypes(t *testing.T) {
	tests := []struct {
		column string
		values []string // in SQL
		want   []string
	}{
		{"TINYINT", []string{"-128", "127"}, []string{"number:-128", "number:127"}},
		{"TINYINT(1)", []string{"TRUE", "FALSE"}, []string{"number:1", "number:0"}},
		{"TINYINT UNSIGNED", []string{"255"}, []string{"number:255"}},
		{"SMALLINT", []string{"-32768", "32767"}, []string{"number:-32768", "number:32767"}},
		{"MEDIUMINT UNSIGNED", []string{"16777215"}, []string{"number:16777215"}},
		{"INT", []string{"-2147483648", "2147483647"}, []string{"number:-2147483648", "number:2147483647"}},
		{"INT UNSIGNED", []string{"4294967295"}, []string{"number:4294967295"}},
		{"BIGINT", []string{"-9223372036854775808", "9223372036854775807"}, []string{"number:-9223372036854775808", "number:9223372036854775807"}},
		{"BIGINT UNSIGNED", []string{"18446744073709551615"}, []string{"number:18446744073709551615"}},
		{"DECIMAL(65,30)", []string{"-12345678901234567890123456789012345.123456789012345678901234567890", "0"}, []string{"number:-12345678901234567890123456789012345.123456789012345678901234567890", "number:0.000000000000000000000000000000"}},
		{"DECIMAL(10,2)", []string{"1.5", "-0.1"}, []string{"number:1.50", "number:-0.10"}},
		{"FLOAT", []string{"1e10", "3.402823466e38", "0.1"}, []string{"number:10000000000", "number:3.40282e38", "number:0.1"}},
		{"DOUBLE", []string{"1e20", "1.7976931348623157e308", "0.1"}, []string{"number:1e20", "number:1.7976931348623157e308", "number:0.1"}},
		{"FLOAT(7,2)", []string{"1.5", "12345.678"}, []string{"number:1.50", "number:12345.68"}},
		{"DOUBLE(20,3)", []string{"1e10"}, []string{"number:10000000000.000"}},
		{"BIT(1)", []string{"1"}, []string{"binary:\x01"}},
		{"BIT(10)", []string{"b'1000000001'"}, []string{"binary:\x02\x01"}},
		{"YEAR", []string{"2024", "'0000'", "1901"}, []string{"text:2024", "text:0000", "text:1901"}},
		{"DATE", []string{"'1000-01-01'", "'9999-12-31'", "'0000-00-00'", "'2024-00-00'"}, []string{"text:1000-01-01", "text:9999-12-31", "text:0000-00-00", "text:2024-00-00"}},
		{"DATETIME", []string{"'0000-00-00 00:00:00'", "'2024-02-29 23:59:59'"}, []string{"text:0000-00-00 00:00:00", "text:2024-02-29 23:59:59"}},
		{"DATETIME(6)", []string{"'2024-02-29 23:59:59.000001'"}, []string{"text:2024-02-29 23:59:59.000001"}},
		{"TIMESTAMP(3) NULL", []string{"'2024-02-29 23:59:59.5'"}, []string{"text:2024-02-29 23:59:59.500"}},
		{"TIME", []string{"'-838:59:59'", "'838:59:59'", "'00:00:00'"}, []string{"text:-838:59:59", "text:838:59:59", "text:00:00:00"}},
		{"TIME(6)", []string{"'25:00:00.000001'"}, []string{"text:25:00:00.000001"}},
		{"CHAR(5)", []string{"'ab'", "''"}, []string{"text:ab", "text:"}},
		{"VARCHAR(20)", []string{"'a\\0b\\n🐎'"}, []string{"text:a\x00b\n🐎"}},
		{"TEXT", []string{"'é'"}, []string{"text:é"}},
		{"LONGTEXT", []string{"REPEAT('x', 3)"}, []string{"text:xxx"}},
		{"TEXT CHARACTER SET latin1", []string{"'é'"}, []string{"text:é"}},
		{"ENUM('a','b')", []string{"'b'"}, []string{"text:b"}},
		{"SET('a','b','c')", []string{"'a,c'", "''"}, []string{"text:a,c", "text:"}},
		{"BINARY(3)", []string{"X'00ff'"}, []string{"binary:\x00\xff\x00"}},
		{"VARBINARY(3)", []string{"X'00ff'", "''"}, []string{"binary:\x00\xff", "binary:"}},
		{"BLOB", []string{"X'00ff'"}, []string{"binary:\x00\xff"}},
		{"LONGBLOB", []string{"X'0a'"}, []string{"binary:\n"}},
		{"POINT", []string{"PointFromText('POINT(0 0)')"}, []string{"binary:\x00\x00\x00\x00\x01\x01\x00\x00\x00" + strings.Repeat("\x00", 16)}},
	}
	conn := newMySQL(t).open(t, Options{})
	exec(t, conn, "SET sql_mode = ''") // zero dates
	for i, tt := range tests {
		table := fmt.Sprintf("t%d", i)
		exec(t, conn,
			fmt.Sprintf("CREATE TABLE %s (i INT AUTO_INCREMENT PRIMARY KEY, v %s)", table, tt.column),
			fmt.Sprintf("INSERT INTO %s (v) VALUES (%s), (NULL)", table, strings.Join(tt.values, "), (")))
		got := strings.Join(values(t, conn, "SELECT v FROM "+table+" ORDER BY i"), " | ")
		want := strings.Join(append(tt.want, "null"), " | ")
		if got != want {
			t.Errorf("%s:\n got %q\nwant %q", tt.column, got, want)
		}
	}
}

func TestMySQLExpressions(t *testing.T) {
	conn := newMySQL(t).open(t, Options{})
	tests := []struct{ sql, want string }{
		{"SELECT NULL, TRUE, 1 + 1, 1 / 3, 1e0 / 3, PI()", "null number:1 number:2 number:0.3333 number:0.3333333333333333 number:3.141593"},
		{"SELECT 'a', CONCAT(1, 2), UPPER('é'), X'41', CAST('a' AS BINARY), _binary 'a'", "text:a text:12 text:É binary:A binary:a binary:a"},
		{"SELECT DATE '2024-02-29', CAST('25:00:00' AS TIME), YEAR('2024-01-01')", "text:2024-02-29 text:25:00:00 number:2024"},
		{"SELECT COUNT(*), SUM(1), AVG(1), MAX('x'), GROUP_CONCAT('a')", "number:1 number:1 number:1.0000 text:x text:a"},
		{"SELECT 18446744073709551615, -9223372036854775808, 99999999999999999999", "number:18446744073709551615 number:-9223372036854775808 number:99999999999999999999"},
	}
	for _, tt := range tests {
		if got := strings.Join(values(t, conn, tt.sql), " "); got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.sql, got, tt.want)
		}
	}
}
