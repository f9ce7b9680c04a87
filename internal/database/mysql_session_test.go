package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
)

func TestStoredProcedure(t *testing.T) {
	conn := newMySQL(t).open(t, Options{})
	exec(t, conn,
		"CREATE TABLE t (i INT)",
		"CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (1); SELECT 1 AS a; SELECT i, 'x' AS x FROM t; SELECT 1 AS none FROM t WHERE FALSE; DELETE FROM t; END",
		"CREATE PROCEDURE q() BEGIN SELECT 1 AS a; SELECT * FROM missing; END")
	expect(t, conn, "CALL p()", `{"a":1}`+"\n"+`{"i":1,"x":"x"}`+"\n")

	rows, err := conn.Query(t.Context(), []byte("CALL p()"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for more := true; more; {
		for _, c := range rows.Columns() {
			names = append(names, c.Name+" "+c.Type)
		}
		if more, err = rows.NextResult(); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	if got, want := strings.Join(names, ", "), "a INT, i INT, x VARCHAR, none INT"; got != want {
		t.Errorf("columns %s, want %s", got, want)
	}
	expect(t, conn, "SELECT COUNT(*) AS n FROM t", `{"n":0}`+"\n")

	out, err := jsonl(t.Context(), conn, "CALL q()")
	var dbErr *Error
	if out != `{"a":1}`+"\n" || !errors.As(err, &dbErr) || dbErr.Number != 1146 {
		t.Errorf("an error in the second result: %s, %v", out, err)
	}
	expect(t, conn, "SELECT 1 AS a", `{"a":1}`+"\n")
}

// TestNothingKeepsRunning: whatever way a statement ends, the server is done
// with it when its Rows are closed.
func TestNothingKeepsRunning(t *testing.T) {
	e := newMySQL(t)
	watcher := e.open(t, Options{})
	mark := 0
	running := func() string {
		mark++
		return fmt.Sprintf("/* %s %d */", e.url.Database, mark)
	}
	check := func(what, comment string) {
		t.Helper()
		for start := time.Now(); ; { // the list may lag behind the answer
			got, err := jsonl(t.Context(), watcher, "SELECT info FROM information_schema.processlist WHERE info LIKE '%"+comment+"%' AND id <> CONNECTION_ID()")
			if got == "" && err == nil {
				return
			}
			if err != nil || time.Since(start) > time.Minute {
				t.Fatalf("%s: still running: %s %v", what, got, err)
			}
		}
	}
	ends := map[string]func(sql string, conn Conn) error{
		"closed early": func(sql string, conn Conn) error {
			rows, err := conn.Query(t.Context(), []byte(sql))
			if err != nil {
				return err
			}
			return rows.Close()
		},
		"context": func(sql string, conn Conn) error {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			_, err := jsonl(ctx, conn, sql)
			if err == context.Canceled {
				return nil
			}
			return err
		},
		"context ended at once": func(sql string, conn Conn) error {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			_, err := jsonl(ctx, conn, sql)
			if err == context.Canceled {
				return nil
			}
			return err
		},
	}
	for what, end := range ends {
		for _, sql := range []string{
			"SELECT a.seq, REPEAT('x', 1000) FROM seq_1_to_1000000 a, seq_1_to_1000000 b",
			"SELECT BENCHMARK(1e15, SHA2('x', 512))",
		} {
			if what == "closed early" && strings.Contains(sql, "BENCHMARK") {
				continue // it has no first row to be closed behind
			}
			conn := e.open(t, Options{})
			comment := running()
			if err := end(strings.Replace(sql, "SELECT", "SELECT "+comment, 1), conn); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			check(what, comment)
			expect(t, conn, "SELECT 1 AS a", `{"a":1}`+"\n")
		}
	}
}

func TestOnWait(t *testing.T) {
	e := newMySQL(t)
	var seen []string // what had come when the client waited
	var rowsRead int
	conn := e.open(t, Options{OnWait: func() error {
		seen = append(seen, fmt.Sprint(rowsRead))
		return nil
	}})
	// Each row fills the server's send buffer, so that it leaves at once.
	rows, err := conn.Query(t.Context(), []byte("SELECT seq, SLEEP(0.2), REPEAT('x', 100000) FROM seq_1_to_3"))
	if err != nil {
		t.Fatal(err)
	}
	row := make([]record.Value, 3)
	for err == nil {
		if err = rows.Next(row); err == nil {
			rowsRead++
		}
	}
	rows.Close()
	for _, want := range []string{"0", "1", "2"} {
		if !strings.Contains(strings.Join(seen, " "), want) {
			t.Errorf("waited after %v rows, not after %s", seen, want)
		}
	}

	closed := errors.New("the output is closed")
	conn = e.open(t, Options{OnWait: func() error { return closed }})
	if _, err := jsonl(t.Context(), conn, "SELECT SLEEP(1000)"); err != closed {
		t.Errorf("OnWait's error: %v", err)
	}
}

func TestConnectionLost(t *testing.T) {
	e := newMySQL(t)
	killer := e.open(t, Options{})
	for _, while := range []string{"between statements", "SELECT SLEEP(1000)"} {
		conn, err := Open(t.Context(), e.url, Options{})
		if err != nil {
			t.Fatal(err)
		}
		id := conn.(*mysqlConn).id
		killed := make(chan error)
		go func() {
			if while != "between statements" { // when it has begun
				time.Sleep(50 * time.Millisecond)
			}
			_, err := jsonl(t.Context(), killer, "KILL "+id)
			killed <- err
		}()
		if while == "between statements" {
			if err := <-killed; err != nil {
				t.Fatal(err)
			}
			for err == nil { // until the server has got round to it
				_, err = jsonl(t.Context(), conn, "SELECT 1")
			}
		} else {
			_, err = jsonl(t.Context(), conn, while)
			if err := <-killed; err != nil {
				t.Fatal(err)
			}
		}
		var dbErr *Error
		if !errors.As(err, &dbErr) || !dbErr.ConnectionLost() || dbErr.Retryable() {
			t.Errorf("%s: %v", while, err)
		}
		if _, err := jsonl(t.Context(), conn, "SELECT 1"); !errors.As(err, &dbErr) || dbErr.Number != crServerGone {
			t.Errorf("afterwards: %v", err)
		}
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func TestConnectErrors(t *testing.T) {
	good := mysqlURL(t)
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := refused.Addr().(*net.TCPAddr).Port
	refused.Close()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	socket := filepath.Join(t.TempDir(), "no.sock")
	tests := []struct {
		name       string
		change     func(u *dburl.URL)
		want, hint string
	}{
		{
			"refused", func(u *dburl.URL) { u.Host, u.Port, u.Socket = "127.0.0.1", port, "" },
			fmt.Sprintf("dial tcp 127.0.0.1:%d: connect: connection refused", port),
			"is the server running",
		},
		{
			"unknown host", func(u *dburl.URL) { u.Host, u.Port, u.Socket = "no.invalid", 3306, "" },
			"dial tcp: lookup no.invalid",
			"is the host's name right?",
		},
		{
			"no socket", func(u *dburl.URL) { u.Host, u.Socket = "", socket },
			"dial unix " + socket + ": connect: no such file or directory",
			"no server listens there",
		},
		{
			"mute", func(u *dburl.URL) {
				u.Host, u.Port, u.Socket = "127.0.0.1", mute.Addr().(*net.TCPAddr).Port, ""
				u.Timeout = 50 * time.Millisecond
			},
			"no answer in 50ms",
			"",
		},
		{
			"wrong password", func(u *dburl.URL) { u.User, u.Password = "nobody_here", "hunter2" },
			"ERROR 1045 (28000): Access denied for user 'nobody_here'@'",
			"user and password are in $PIPEWORKS_DB",
		},
		{
			"unknown database", func(u *dburl.URL) { u.Database = "no_such_database" },
			"ERROR 1049 (42000): Unknown database 'no_such_database'",
			"a URL without a database name",
		},
		{
			"no CA file", func(u *dburl.URL) { u.TLS, u.TLSCA = dburl.TLSVerifyCA, socket },
			"tls-ca: open " + socket + ": no such file or directory",
			"",
		},
	}
	for _, tt := range tests {
		u := good
		u.Database = ""
		tt.change(&u)
		_, err := Open(t.Context(), u, Options{})
		if err == nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		want := "connect to " + u.String() + ": " + tt.want
		if got := err.Error(); !strings.HasPrefix(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s:\n got %s\nwant %s…", tt.name, got, want)
		}
		var hinted interface{ Hint() string }
		if !errors.As(err, &hinted) || !strings.HasPrefix(hinted.Hint(), tt.hint) || (tt.hint == "") != (hinted.Hint() == "") {
			t.Errorf("%s: hint of %#v, want %s", tt.name, err, tt.hint)
		}
	}
}

func TestLocalFileIsRefused(t *testing.T) {
	conn := newMySQL(t).open(t, Options{})
	exec(t, conn, "CREATE TABLE t (line TEXT)")
	_, err := jsonl(t.Context(), conn, "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t")
	want := "ERROR 2068 (HY000): LOAD DATA LOCAL is refused: the server gets no file of this machine (local file '/etc/passwd' is not registered)"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	expect(t, conn, "SELECT COUNT(*) AS n FROM t", `{"n":0}`+"\n")
}

func TestPacketTooLarge(t *testing.T) {
	e := newMySQL(t)
	e.url.MaxPacket = 1000
	conn := e.open(t, Options{})
	_, err := jsonl(t.Context(), conn, "SELECT LENGTH('"+strings.Repeat("x", 1000)+"')")
	if want := "ERROR 1153 (08S01): Got a packet bigger than 'max_allowed_packet' bytes"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	expect(t, conn, "SELECT 1 AS a", `{"a":1}`+"\n")

	e.url.MaxPacket = 0
	expect(t, e.open(t, Options{}), "SELECT LENGTH('"+strings.Repeat("x", 1000)+"') AS n", `{"n":1000}`+"\n")
}

// TestLateKill: a context that ends behind the last row kills a statement that
// is over. The next one must not suffer for it.
func TestLateKill(t *testing.T) {
	conn := newMySQL(t).open(t, Options{})
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		rows, err := conn.Query(ctx, []byte("DO 1"))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(20 * time.Millisecond) // for the kill to come
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
		expect(t, conn, "SELECT 1 AS a FROM (SELECT SLEEP(0.001)) AS s", `{"a":1}`+"\n")
	}
}
