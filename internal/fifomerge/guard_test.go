package fifomerge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func (s *serving) refuse(sql, message string) {
	s.t.Helper()
	if got, err := s.call(sql); err == nil || err.Error() != message {
		s.t.Errorf("%s: got %.80q, %v; want %s", sql, got, err, message)
	}
}

func TestReadOnly(t *testing.T) {
	s := startServe(t, ServeConfig{Guard: Guard{ReadOnly: true}})
	s.expect("SELECT 1 AS a", `{"a":1}`+"\n")
	s.refuse("SELECT 1;\nCREATE TABLE t (a)", "ERROR at line 2: "+errReadOnly.Error())
	s.refuse("WITH x AS (SELECT 1) DELETE FROM sqlite_schema", "ERROR 1 (SQLITE_ERROR) at line 1: table sqlite_master may not be modified")
	if got := s.ask("PRAGMA query_only = OFF"); got != "ERROR at line 1: "+errReadOnly.Error()+"\n" {
		t.Errorf("got %q", got)
	}
}

func TestMaxRows(t *testing.T) {
	s := startServe(t, ServeConfig{Guard: Guard{MaxRows: 3}})
	const values = "VALUES (1), (2), (3)"
	s.expect(values, "{\"column1\":1}\n{\"column1\":2}\n{\"column1\":3}\n")
	got, err := s.call(values + "; SELECT 4")
	if want := "{\"column1\":1}\n{\"column1\":2}\n{\"column1\":3}\n"; got != want {
		t.Errorf("got %q", got)
	}
	if want := "ERROR at line 1: more than 3 rows, and this server gives no more"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestTimeout(t *testing.T) {
	s := startServe(t, ServeConfig{Guard: Guard{Timeout: 300 * time.Millisecond}})
	const late = "stopped: the question took longer than 300ms"
	// On a busy machine it may have been stopped before the second line, or before
	// it had a connection.
	if got, err := s.call("SELECT 1;\n" + endless + "max(i) FROM n"); err == nil || !strings.HasSuffix(err.Error(), late) {
		t.Errorf("got %.80q, %v", got, err)
	}
	if got := s.ask(endless + "max(i) FROM n"); !strings.HasSuffix(got, late+"\n") {
		t.Errorf("got %q", got)
	}
	// A client may have less time, not more.
	for timeout, want := range map[time.Duration]string{time.Millisecond: "1ms", time.Hour: "300ms"} {
		c := converse(t, CallConfig{Dir: s.dir, Timeout: timeout})
		answers := bufio.NewReader(c.out)
		for range 2 {
			fmt.Fprintln(c.in, endless+"max(i) FROM n")
			got, err := answers.ReadString('\n')
			if !strings.HasPrefix(got, ". 1\t") || !strings.HasSuffix(got, "stopped: the question took longer than "+want+"\n") {
				t.Errorf("got %q, %v; want %s", got, err, want)
			}
		}
		c.in.Close()
		if err := <-c.done; !errors.As(err, new(*failedError)) {
			t.Error(err)
		}
	}
}

// What one client has left on the connection of a session is there for the next.
func TestNamedSession(t *testing.T) {
	s := startServe(t, ServeConfig{})
	s.expect("CREATE TABLE t (a)", "")
	one := converse(t, CallConfig{Dir: s.dir, Session: "one"})
	one.expect("CREATE TEMP TABLE u (a)", ". 0\n")
	one.expect("BEGIN; INSERT INTO t VALUES (1)", ". 0\n")
	one.in.Close()
	if err := <-one.done; err != nil {
		t.Error(err)
	}
	s.expect("SELECT count(*) AS n FROM t", `{"n":0}`+"\n")
	one = converse(t, CallConfig{Dir: s.dir, Session: "one"})
	one.expect("INSERT INTO t VALUES (2); COMMIT; SELECT count(*) AS n FROM u", "{\"n\":0}\n. 0\n")
	s.expect("SELECT count(*) AS n FROM t", `{"n":2}`+"\n")
	s.refuse("SELECT * FROM u", "ERROR 1 (SQLITE_ERROR) at line 1: no such table: u")
	one.in.Close()
	<-one.done
}

// One that another client has is waited for, but not for ever.
func TestNamedSessionInUse(t *testing.T) {
	s := startServe(t, ServeConfig{Wait: 30 * time.Millisecond})
	one := converse(t, CallConfig{Dir: s.dir, Session: "one"})
	one.expect("SELECT 1 AS a", "{\"a\":1}\n. 0\n")
	two := converse(t, CallConfig{Dir: s.dir, Session: "one"})
	two.expect("SELECT 2 AS a", ". 1\tsession one is in use by another client: waited 30ms\n")
	one.in.Close()
	<-one.done
	s.awaitClients(1)
	two.expect("SELECT 3 AS a", "{\"a\":3}\n. 0\n")
	two.in.Close()
	<-two.done
}

// awaitClients waits until only n clients are left.
func (s *serving) awaitClients(n int) {
	s.t.Helper()
	(&running{t: s.t}).await("end of a client", func() bool {
		var out strings.Builder
		if err := Status(s.t.Context(), CallConfig{Dir: s.dir}, &out); err != nil {
			s.t.Fatal(err)
		}
		return strings.Contains(out.String(), fmt.Sprintf(`"clients":%d,`, n))
	})
}

// What is lost with a session is said to the next client: a COMMIT must not
// succeed without what was to be committed.
func TestNamedSessionLost(t *testing.T) {
	s := startServe(t, ServeConfig{Idle: time.Millisecond})
	s.expect("CREATE TABLE t (a)", "")
	const lost = ". 1\tsession one was ended: its transaction, variables and temporary tables are gone\n"
	for name, last := range map[string]string{"idle": "", "killed": endless + "max(i) FROM n\x00"} {
		query, reply := s.session(" session=one")
		fmt.Fprint(query, "BEGIN; INSERT INTO t VALUES (1)\x00")
		if _, err := io.ReadFull(reply, make([]byte, len(" 0\n. 0\n"))); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(query, last)
		query.Close()
		reply.Close()
		(&running{t: t}).await("end of the session "+name, func() bool {
			_, err := s.call("PRAGMA busy_timeout = 0; INSERT INTO t VALUES (2)")
			return err == nil
		})
		one := converse(t, CallConfig{Dir: s.dir, Session: "one"})
		one.expect("COMMIT", lost)
		one.expect("SELECT count(*) AS n FROM t WHERE a = 1", "{\"n\":0}\n. 0\n")
		one.in.Close()
		<-one.done
	}
	// One that has left nothing is ended in silence.
	for range 3 {
		one := converse(t, CallConfig{Dir: s.dir, Session: "one"})
		one.expect("SELECT 1 AS a", "{\"a\":1}\n. 0\n")
		one.in.Close()
		if err := <-one.done; err != nil {
			t.Error(err)
		}
	}
}

func TestStatus(t *testing.T) {
	s := startServe(t, ServeConfig{})
	c := converse(t, CallConfig{Dir: s.dir})
	c.expect("SELECT 1 AS a", "{\"a\":1}\n. 0\n")
	c.expect("SELEC", ". 1\tERROR 1 (SQLITE_ERROR) at line 1: near \"SELEC\": syntax error\n")
	var out strings.Builder
	if err := Status(t.Context(), CallConfig{Dir: s.dir}, &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasPrefix(got, `{"seconds":`) || !strings.Contains(got, `"clients":1,"total":1,"in":2,"failed":1,"rate":`) || !strings.HasSuffix(got, "}\n") {
		t.Errorf("got %q", got)
	}
	c.in.Close()
	<-c.done
}

// Percentiles are true to an eighth.
func TestBuckets(t *testing.T) {
	last := -1
	for d := time.Duration(8); d < time.Hour; d += d/50 + 1 {
		i := bucket(d)
		if end := bucketEnd(i); end < d || end > d+d/8 || i < last || i > last+1 && last >= 0 {
			t.Errorf("%d is in bucket %d, which ends at %d", d, i, end)
		}
		last = i
	}
	if i := bucket(1<<63 - 1); i >= len(window{}.buckets) {
		t.Error(i)
	}
}
