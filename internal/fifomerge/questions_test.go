package fifomerge

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"pipeworks/internal/dburl"
)

// onServer serves the database of $PIPEWORKS_TEST_MYSQL, where questions go
// together.
func onServer(t *testing.T) *serving {
	t.Helper()
	url := os.Getenv("PIPEWORKS_TEST_MYSQL")
	if url == "" {
		t.Skip("PIPEWORKS_TEST_MYSQL names no MariaDB server, such as mysql://root@127.0.0.1/")
	}
	u, err := dburl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return startServe(t, ServeConfig{DB: u})
}

// Questions that go together are answered as if each went alone, whatever fails
// or cannot go with others.
func TestTogether(t *testing.T) {
	s := onServer(t)
	table := "fifomerge_" + rand.Text()
	s.expect("CREATE TABLE "+table+" (i INT PRIMARY KEY); INSERT INTO "+table+" VALUES (1), (2)", "")
	defer s.expect("DROP TABLE "+table, "")
	kinds := []struct{ question, answer string }{
		{"SELECT %d, 'a;b -- #'", "%d,a;b -- #\n. 0\n"},
		{"SELECT %d, '.\\'x';", "%d,.'x\n. 0\n"},
		{"SELECT %d; SELECT '.'", "%d\n..\n. 0\n"},
		{"SELECT %d FROM " + table, "%d\n%d\n. 0\n"},
		{"SELECT %d FROM " + table + " WHERE i > 2", ". 0\n"},
		{"SELECT %d -- comment", "%d\n. 0\n"},
		{"SELECT %d INTO @a", ". 0\n"},
		{"SELECT @a, %d", ",%d\n. 0\n"}, // any connection, and none that has it
		{"INSERT INTO " + table + " VALUES (%d + 10)", ". 0\n"},
		{"DELETE FROM " + table + " WHERE i > 2", ". 0\n"},
		{"SELECT %d FROM nowhere.nothing", ". 1\tERROR 1146 (42S02) at line 1: Table 'nowhere.nothing' doesn't exist\n"},
		{"SELECT %d, IF(i = 2, (SELECT 1 UNION SELECT 2), i) FROM " + table, "%d,1\n. 1\tERROR 1242 (21000) at line 1: Subquery returns more than 1 row\n"},
		{"-- nothing", ". 0\n"},
	}
	for name, next := range map[string]func(i int) int{
		"all":     func(i int) int { return i * i % len(kinds) },
		"queries": func(i int) int { return i % 2 },
		"one bad": func(i int) int { return i % 100 / 99 * 10 },
		"at end":  func(i int) int { return i / 999 * 11 },
	} {
		var in, want strings.Builder
		failed := 0
		for i := range 1000 {
			kind := kinds[next(i)]
			fmt.Fprintln(&in, strings.ReplaceAll(kind.question, "%d", fmt.Sprint(i)))
			answer := strings.ReplaceAll(kind.answer, "%d", fmt.Sprint(i))
			want.WriteString(answer)
			failed += strings.Count(answer, ". 1\t")
		}
		got, sum, _ := s.each(in.String(), '\n')
		if got != want.String() || sum.Failed != failed {
			t.Errorf("%s: %d failed, want %d; got %s", name, sum.Failed, failed, difference(got, want.String()))
		}
	}
}

// difference is where two texts begin to differ.
func difference(got, want string) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("%.200q, want %.200q", got[i:], want[i:])
}

// In a session by name each question finds what those before it have left.
func TestTogetherInSession(t *testing.T) {
	s := onServer(t)
	query, reply := s.session(" session=one&format=tsv&header=no")
	defer reply.Close()
	fmt.Fprint(query, "CREATE TEMPORARY TABLE t (i INT)\x00")
	want := " 0\n. 0\n"
	for i := range 100 {
		fmt.Fprintf(query, "INSERT INTO t VALUES (%[1]d); SET @a = %[1]d\x00SELECT COUNT(*) FROM t\x00SELECT @a\x00SELECT %[1]d INTO @b\x00SELECT @b\x00", i)
		want += fmt.Sprintf(". 0\n%d\n. 0\n%[2]d\n. 0\n. 0\n%[2]d\n. 0\n", i+1, i)
	}
	fmt.Fprint(query, "SELECT 1\x00SELECT 2\x00SELECT * FROM nowhere.nothing\x00SHOW WARNINGS\x00")
	message := "Table 'nowhere.nothing' doesn't exist\n"
	want += "1\n. 0\n2\n. 0\n. 1\tERROR 1146 (42S02) at line 1: " + message + "Error\t1146\t" + message + ". 0\n"
	query.Close()
	if got, err := io.ReadAll(reply); string(got) != want || err != nil {
		t.Errorf("%v; got %s", err, difference(string(got), want))
	}
}

// lockTable makes a table that nobody can read until release is called.
func (s *serving) lockTable() (table string, release func()) {
	s.t.Helper()
	table = "fifomerge_" + rand.Text()
	s.expect("CREATE TABLE "+table+" (a INT)", "")
	holder := converse(s.t, CallConfig{Dir: s.dir, Session: "holder"})
	holder.expect("LOCK TABLES "+table+" WRITE", ". 0\n")
	return table, func() {
		holder.expect("DROP TABLE "+table, ". 0\n")
		holder.in.Close()
		<-holder.done
	}
}

// waiters are the connections that wait to read a table.
func (s *serving) waiters(table string) string {
	s.t.Helper()
	ids, err := s.call("SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for%' AND info LIKE '%" + table + "%'")
	if err != nil {
		s.t.Fatal(err)
	}
	return ids
}

// An answer does not wait for those behind it, a question that takes long is
// stopped if its client goes, and so are those that went together with it.
func TestTogetherWaits(t *testing.T) {
	s := onServer(t)
	table, release := s.lockTable()
	ask := func(n int) (query, reply *os.File) {
		query, reply = s.session("")
		fmt.Fprint(query, strings.Repeat("SELECT 1 AS a\x00", n)+strings.Repeat("SELECT * FROM "+table+"\x00", 3)+"SELECT 2 AS a\x00")
		want := " 0\n" + strings.Repeat("{\"a\":1}\n. 0\n", n)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(reply, got); string(got) != want {
			t.Fatalf("%v; got %s", err, difference(string(got), want))
		}
		return query, reply
	}
	r := running{t: t}
	for _, n := range []int{1, 10, 500} {
		query, reply := ask(n)
		r.await("waiting question", func() bool { return s.waiters(table) != "" })
		query.Close()
		reply.Close()
		r.await("end of it", func() bool { return s.waiters(table) == "" })
	}
	query, reply := ask(200)
	release()
	query.Close()
	all, err := io.ReadAll(reply)
	got := strings.SplitAfter(string(all), "\n")
	if err != nil || len(got) != 6 || !strings.HasPrefix(got[0], ". 1\tERROR 1146 (42S02) at line 1: ") || got[2] != got[0] || got[3]+got[4] != "{\"a\":2}\n. 0\n" {
		t.Errorf("got %q, %v", got, err)
	}
	reply.Close()
}

// If the connection is lost nobody knows which of the questions that are left
// were run: each of them says so.
func TestTogetherConnectionLost(t *testing.T) {
	s := onServer(t)
	table, release := s.lockTable()
	defer release()
	query, reply := s.session("")
	defer reply.Close()
	fmt.Fprint(query, strings.Repeat("SELECT 1 AS a\x00", 5)+"SELECT * FROM "+table+"\x00"+strings.Repeat("SELECT 2 AS a\x00", 5))
	id := ""
	(&running{t: t}).await("waiting question", func() bool {
		_, err := fmt.Sscanf(s.waiters(table), `{"id":%s`, &id)
		return err == nil
	})
	if _, err := s.call("KILL " + strings.TrimSuffix(id, "}")); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(query, "SELECT 3 AS a\x00")
	query.Close()
	all, err := io.ReadAll(reply)
	got := strings.SplitAfter(string(all), "\n")
	if err != nil || len(got) != 1+2*5+1+5+2+1 {
		t.Fatalf("got %q, %v", got, err)
	}
	for _, line := range got[11:17] {
		if !strings.HasPrefix(line, ". 1\tERROR ") || !strings.Contains(line, "onnection") {
			t.Errorf("got %q", line)
		}
	}
	if want := "{\"a\":3}\n. 0\n"; got[17]+got[18] != want {
		t.Errorf("got %q, want %q", got[17:], want)
	}
}
