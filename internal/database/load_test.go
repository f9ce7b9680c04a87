package database

import (
	"errors"
	"io"
	"strings"
	"testing"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// loading is rows of texts for the columns i and s of t; ∅ is NULL.
func loading(rows ...[2]string) Loading {
	return Loading{Table: sqltext.Table{Name: "t"}, Columns: []string{"i", "s"}, Next: func() ([]record.Value, error) {
		if len(rows) == 0 {
			return nil, io.EOF
		}
		values := []record.Value{record.String(rows[0][0]), record.String(rows[0][1])}
		for i := range values {
			if rows[0][i] == "∅" {
				values[i] = record.Value{}
			}
		}
		rows = rows[1:]
		return values, nil
	}}
}

func TestLoad(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		conn := e.open(t, Options{})
		exec(t, conn, "CREATE TABLE t (s VARCHAR(20), i INT PRIMARY KEY)")
		n, err := Load(t.Context(), conn, loading(
			[2]string{"1", "a\tb\nc\\d\x00e"}, [2]string{"2", "∅"}, [2]string{"3", ""}, [2]string{"4", `\N`}, [2]string{"5", "žluť 🐎'\"`"}, [2]string{"6", "cr\r\n"},
		))
		if n != 6 || err != nil {
			t.Errorf("%d rows, error %v", n, err)
		}
		expect(t, conn, "SELECT i, s FROM t ORDER BY i", `{"i":1,"s":"a\tb\nc\\d\u0000e"}
{"i":2,"s":null}
{"i":3,"s":""}
{"i":4,"s":"\\N"}
{"i":5,"s":"žluť 🐎'\"`+"`"+`"}
{"i":6,"s":"cr\r\n"}
`)
		if _, err := Load(t.Context(), conn, loading([2]string{"7", "x"}, [2]string{"1", "y"})); err == nil {
			t.Error("a key twice: no error")
		}
		broken := errors.New("broken")
		l := loading()
		l.Next = func() ([]record.Value, error) { return nil, broken }
		if _, err := Load(t.Context(), conn, l); err != broken {
			t.Errorf("an input that breaks: %v", err)
		}
		l = loading()
		l.Table.Name = "missing"
		if _, err := Load(t.Context(), conn, l); err == nil {
			t.Error("no table: no error")
		}
		expect(t, conn, "SELECT 1 AS a", `{"a":1}`+"\n")
	})
}

// LOAD DATA LOCAL makes warnings of what is an error to INSERT.
func TestLoadWarnings(t *testing.T) {
	conn := newMySQL(t).open(t, Options{})
	for _, tt := range []struct{ kind, value, want string }{
		{"INT", "abc", "Incorrect integer value: 'abc'"},
		{"TINYINT", "128", "Out of range value"},
		{"DATE", "2024-02-30", "Data truncated for column 's'"},
		{"VARCHAR(2)", "abc", "Data truncated for column 's'"},
		{"INT NOT NULL", "∅", "Column set to default value; NULL supplied to NOT NULL column 's'"},
		{"VARCHAR(9)", "\xff", "Incorrect string value"},
		{"ENUM('a')", "b", "Data truncated for column 's'"},
		{"DECIMAL(3,1)", "1.26", ""}, // rounded, as INSERT does
	} {
		exec(t, conn, "CREATE OR REPLACE TABLE t (i INT, s "+tt.kind+")")
		_, err := Load(t.Context(), conn, loading([2]string{"1", tt.value}))
		if tt.want == "" && err == nil {
			continue
		}
		failure, ok := errors.AsType[*LoadError](err)
		if !ok || len(failure.Warnings) != 1 || !strings.Contains(failure.Warnings[0], tt.want) {
			t.Errorf("%s into %s: %v, want %s", tt.value, tt.kind, err, tt.want)
		}
	}
}

// A server that takes no local data says so, and the hint says what does.
func TestLoadRefused(t *testing.T) {
	h := newHostile(t, func(sql string) [][]byte {
		if strings.HasPrefix(sql, "LOAD") {
			return [][]byte{append([]byte("\xff\x7c\x04#42000"), "The used command is not allowed with this MariaDB version"...)}
		}
		if sql == "SELECT CONNECTION_ID()" {
			return answerRows("7")
		}
		return [][]byte{packetOK}
	})
	h.url.MaxPacket = 1 << 20
	conn := engine{h.url}.open(t, Options{})
	_, err := Load(t.Context(), conn, loading())
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "gensql insert") {
		t.Errorf("error %v", err)
	}
}
