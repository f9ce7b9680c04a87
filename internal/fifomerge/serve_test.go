package fifomerge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pipeworks/internal/dburl"
	"pipeworks/internal/fifo"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
	"pipeworks/internal/stream"
)

// serving is a server in the background.
type serving struct {
	t    *testing.T
	dir  string
	stop context.CancelCauseFunc
	done chan struct{}
	log  buffer
	sum  ServeSummary
	err  error
}

// startServe serves an SQLite file, unless cfg has another database.
func startServe(t *testing.T, cfg ServeConfig) *serving {
	t.Helper()
	dir := t.TempDir()
	s := &serving{t: t, dir: filepath.Join(dir, "pipes"), done: make(chan struct{})}
	if cfg.Dir != "" {
		s.dir = cfg.Dir
	}
	cfg.Dir = s.dir
	if cfg.DB.User == "" {
		cfg.DB = dburl.URL{Dialect: sqltext.SQLite, File: filepath.Join(dir, "db")}
	}
	cfg.Warn = func(message string) { fmt.Fprintln(&s.log, message) }
	var ctx context.Context
	ctx, s.stop = context.WithCancelCause(t.Context())
	ready := make(chan struct{})
	go func() {
		defer close(s.done)
		s.sum, s.err = Serve(ctx, cfg, func() { close(ready) })
	}()
	select {
	case <-ready:
	case <-s.done:
		t.Fatal(s.err)
	}
	t.Cleanup(func() {
		s.stop(errStop)
		<-s.done
	})
	return s
}

// call asks one question.
func (s *serving) call(sql string) (string, error) {
	return s.callFormat(sql, answerFormat{Format: record.JSONL})
}

func (s *serving) callFormat(sql string, f answerFormat) (string, error) {
	var out bytes.Buffer
	_, err := Call(s.t.Context(), CallConfig{Dir: s.dir, Format: f}, stream.Inputs{Stdin: strings.NewReader(sql)}, &out)
	return out.String(), err
}

// expect asks one question and checks its answer.
func (s *serving) expect(sql, want string) {
	s.t.Helper()
	if got, err := s.call(sql); got != want || err != nil {
		s.t.Errorf("%s: got %.200q, %v; want %.200q", sql, got, err, want)
	}
}

// names are what is in the directory.
func (s *serving) names() []string {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Error(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestCall(t *testing.T) {
	s := startServe(t, ServeConfig{})
	s.expect("", "")
	s.expect("SELECT 1 AS a", `{"a":1}`+"\n")
	s.expect("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, NULL), ('.x\n.', x'ff'); SELECT * FROM t;",
		`{"a":1,"b":null}`+"\n"+`{"a":".x\n.","b":"/w=="}`+"\n")
	null := "-"
	got, err := s.callFormat("SELECT * FROM t", answerFormat{record.CSV, record.WriterOptions{NullAs: &null, NoHeader: true, Binary: record.Hex}})
	if want := "1,-\n\".x\n.\",0xff\n"; got != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	// An error has the rows before it, and its line.
	got, err = s.call("SELECT 1 AS a;\n\nSELECT nix")
	answer, ok := errors.AsType[*AnswerError](err)
	if got != `{"a":1}`+"\n" || !ok || answer.Status != 1 || answer.Message != "ERROR 1 (SQLITE_ERROR) at line 3: no such column: nix" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := s.call("SELECT '\x00'"); !errors.Is(err, errNUL) {
		t.Errorf("got %v", err)
	}
	if want := []string{"hello", "query", "reply"}; !slices.Equal(s.names(), want) {
		t.Errorf("in the directory are %v, want %v", s.names(), want)
	}
	s.stop(errStop)
	<-s.done
	if want := (ServeSummary{Clients: 6, In: 5, Failed: 1}); s.sum != want || s.err != errStop || s.log.String() != "" {
		t.Errorf("%+v, want %+v; %v; %s", s.sum, want, s.err, s.log.String())
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is left: %v", err)
	}
}

// Every client gets the answer to its own question, whatever its size, and
// however many there are and go.
func TestRouting(t *testing.T) {
	const clients, calls = 16, 8
	s := startServe(t, ServeConfig{Connections: 2})
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for n := range calls {
				size := (i*104729 + n*7919) % 80_000
				letter := string(rune('a' + i))
				sql := fmt.Sprintf("SELECT %d AS i, '%s' AS s, length('%s') AS n", i*1000+n, strings.Repeat(letter, size), strings.Repeat("q", size))
				if n%5 == 4 { // one that goes in the middle
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(size%7)*time.Millisecond)
					_, _ = Call(ctx, CallConfig{Dir: s.dir}, stream.Inputs{Stdin: strings.NewReader(sql)}, io.Discard)
					cancel()
					continue
				}
				s.expect(sql, fmt.Sprintf(`{"i":%d,"s":"%s","n":%d}`+"\n", i*1000+n, strings.Repeat(letter, size), size))
			}
		})
	}
	all.Wait()
	s.stop(errStop)
	<-s.done
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is left: %v, %s", s.names(), s.log.String())
	}
}

const endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "

// A question whose client goes is stopped; nobody else waits for it, nor for a
// client that does not read its answer.
func TestSlowClients(t *testing.T) {
	s := startServe(t, ServeConfig{Connections: 1})
	silent, stopped := context.WithCancelCause(t.Context())
	var all sync.WaitGroup
	all.Go(func() { // computes for ever and says nothing
		_, err := Call(silent, CallConfig{Dir: s.dir}, stream.Inputs{Stdin: strings.NewReader(endless + "max(i) FROM n")}, io.Discard)
		if err != errStop {
			t.Errorf("silent: %v", err)
		}
	})
	stalled, unread := io.Pipe() // gets rows for ever and takes none
	all.Go(func() {
		_, err := Call(t.Context(), CallConfig{Dir: s.dir}, stream.Inputs{Stdin: strings.NewReader(endless + "i FROM n")}, unread)
		if err != io.ErrClosedPipe {
			t.Errorf("stalled: %v", err)
		}
	})
	for i := range 20 {
		s.expect(fmt.Sprint("SELECT ", i, " AS i"), fmt.Sprintf("{\"i\":%d}\n", i))
	}
	stopped(errStop)
	stalled.Close()
	all.Wait()
}

// The end of the server is told to those who wait, and ends what runs.
func TestServerStops(t *testing.T) {
	s := startServe(t, ServeConfig{})
	answered := make(chan error)
	go func() {
		_, err := s.call("CREATE TABLE t (a); " + endless + "max(i) FROM n")
		answered <- err
	}()
	(&running{t: t}).await("running question", func() bool {
		got, _ := s.call("SELECT count(*) AS n FROM sqlite_schema")
		return got == `{"n":1}`+"\n"
	})
	s.stop(errStop)
	err := <-answered
	if err == nil || !strings.Contains(err.Error(), "the server was stopped") && !strings.Contains(err.Error(), "server is gone") {
		t.Errorf("got %v", err)
	}
	<-s.done
}

// Each question has a connection as good as new.
func TestNothingLeftBehind(t *testing.T) {
	s := startServe(t, ServeConfig{Connections: 1})
	s.expect("CREATE TABLE t (a)", "")
	s.expect("BEGIN; INSERT INTO t VALUES (1); SELECT count(*) AS n FROM t", `{"n":1}`+"\n")
	s.expect("SELECT count(*) AS n FROM t", `{"n":0}`+"\n")
	s.expect("BEGIN; INSERT INTO t VALUES (2); COMMIT", "")
	s.expect("SELECT count(*) AS n FROM t", `{"n":1}`+"\n")
	s.expect("CREATE TEMP TABLE u (a)", "")
	if _, err := s.call("SELECT * FROM u"); err == nil {
		t.Error("a temporary table is left")
	}
}

// ask writes a question and reads the answer as a shell does.
func (s *serving) ask(sql string) string {
	s.t.Helper()
	writeTo(s.t, filepath.Join(s.dir, "query"), sql)
	reply, err := os.ReadFile(filepath.Join(s.dir, "reply"))
	if err != nil {
		s.t.Error(err)
	}
	return string(reply)
}

// Without a client: echo SQL > query; cat reply.
func TestPlain(t *testing.T) {
	s := startServe(t, ServeConfig{Format: answerFormat{Format: record.TSV}})
	for sql, want := range map[string]string{
		"SELECT 1 AS a, NULL AS b;\n":     "a\tb\n1\t\\N\n",
		"SELECT 1 AS a; SELECT 2 AS b":    "a\n1\nb\n2\n",
		"SELECT 1 AS a; SELEC":            "a\n1\nERROR 1 (SQLITE_ERROR) at line 1: near \"SELEC\": syntax error\n",
		"SELECT '\x01\x00' AS a":          "ERROR 1 (SQLITE_ERROR) at line 1: unrecognized token: \"'\x01\"\n",
		endless + "i FROM n LIMIT 40000;": "i\n" + numbers(40000),
	} {
		if got := s.ask(sql); got != want {
			t.Errorf("%q: got %.200q, want %.200q", sql, got, want)
		}
	}
	if got := s.ask("SELECT 3 AS a"); got != "a\n3\n" {
		t.Errorf("got %q", got)
	}
}

func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, i+1)
	}
	return b.String()
}

// An answer that nobody fetches is not the next one's, and what nobody waits
// for is not run.
func TestPlainUnread(t *testing.T) {
	s := startServe(t, ServeConfig{})
	got := ""
	for pause := 20 * time.Millisecond; got != `{"a":"new"}`+"\n"; pause *= 2 {
		writeTo(t, filepath.Join(s.dir, "query"), "CREATE TABLE old (a)")
		time.Sleep(pause) // for the server to see where it ends: else both are one, with an error
		if got = s.ask("SELECT 'new' AS a"); pause > 10*time.Second {
			t.Fatalf("got %q", got)
		}
	}
	s = startServe(t, ServeConfig{Wait: 20 * time.Millisecond})
	writeTo(t, filepath.Join(s.dir, "query"), "CREATE TABLE old (a)")
	(&running{t: t}).await("warning", func() bool {
		return strings.Contains(s.log.String(), "reply: nobody reads it: waited 20ms, the query is not run")
	})
	s.expect("SELECT count(*) AS n FROM sqlite_schema", `{"n":0}`+"\n")
}

// Who does not wait for his answer leaves none to the next one, nor a query
// that runs on.
func TestPlainInterrupted(t *testing.T) {
	s := startServe(t, ServeConfig{})
	writeTo(t, filepath.Join(s.dir, "query"), endless+"max(i) FROM n")
	reply, err := os.Open(filepath.Join(s.dir, "reply"))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // it runs by now, most probably
	reply.Close()
	if got := s.ask("SELECT 'new' AS a"); got != `{"a":"new"}`+"\n" {
		t.Errorf("got %q", got)
	}
}

// Whoever asks gets an answer: nothing to nothing, an error to too much.
func TestPlainSizes(t *testing.T) {
	s := startServe(t, ServeConfig{MaxRequest: 1000})
	for sql, want := range map[string]string{
		"\n":                       "",
		strings.Repeat(" ", 1001):  "the query is longer than 1000 bytes\n",
		strings.Repeat(" ", 50000): "the query is longer than 1000 bytes\n",
	} {
		if got := s.ask(sql); got != want {
			t.Errorf("%d bytes: got %q, want %q", len(sql), got, want)
		}
	}
}

func TestServeRefused(t *testing.T) {
	s := startServe(t, ServeConfig{})
	db := dburl.URL{Dialect: sqltext.SQLite, File: filepath.Join(t.TempDir(), "db")}
	refused := func(cfg ServeConfig, want error) {
		t.Helper()
		_, err := Serve(t.Context(), cfg, func() { t.Error("it serves") })
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	refused(ServeConfig{Dir: s.dir, DB: db}, fifo.ErrLocked)
	s.expect("SELECT 1 AS a", `{"a":1}`+"\n") // and the first one goes on
	// What is no pipe is not touched.
	for name, make := range map[string]func(path string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"file":      func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"link":      func(path string) error { return os.Symlink(filepath.Join(s.dir, "query"), path) },
	} {
		occupied := t.TempDir()
		if err := errors.Join(os.Chmod(occupied, 0o700), make(filepath.Join(occupied, "query"))); err != nil {
			t.Fatal(err)
		}
		refused(ServeConfig{Dir: occupied, DB: db}, fifo.ErrNotFIFO)
		if names, err := os.ReadDir(occupied); err != nil || len(names) != 1 {
			t.Errorf("%s: left are %v, %v", name, names, err)
		}
	}
}

// A client's pipes are the owner's own, and no links.
func TestStrangePipes(t *testing.T) {
	s := startServe(t, ServeConfig{})
	id := newID()
	for _, suffix := range []string{querySuffix, replySuffix} {
		if err := os.Symlink(filepath.Join(s.dir, "reply"), filepath.Join(s.dir, id+suffix)); err != nil {
			t.Fatal(err)
		}
	}
	s.hello("1 " + id + "\n")
	for !strings.Contains(s.log.String(), id+".query: too many levels of symbolic links") {
		time.Sleep(time.Millisecond)
	}
	s.expect("SELECT 1 AS a", `{"a":1}`+"\n")
	for _, suffix := range []string{querySuffix, replySuffix} { // which are not the server's to remove
		if err := os.Remove(filepath.Join(s.dir, id+suffix)); err != nil {
			t.Error(err)
		}
	}
	if os.Geteuid() != 0 {
		return // nobody else's pipes can be made
	}
	id = newID()
	for _, suffix := range []string{querySuffix, replySuffix} {
		path := filepath.Join(s.dir, id+suffix)
		if err := errors.Join(syscall.Mkfifo(path, 0o666), os.Chown(path, 12345, 12345)); err != nil {
			t.Fatal(err)
		}
	}
	s.hello("1 " + id + "\n")
	for !strings.Contains(s.log.String(), id+".query: belongs to another user") {
		time.Sleep(time.Millisecond)
	}
}

// What a killed server left is replaced. What is not its own stays.
func TestServeAfterCrash(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pipes")
	d, _, err := fifo.MakeDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	id := newID()
	for _, name := range []string{"hello", "query", "reply", id + ".query", id + ".reply"} {
		if err := d.Make(name); err != nil {
			t.Fatal(err)
		}
		past := time.Now().Add(-time.Hour)
		if err := os.Chtimes(d.Path(name), past, past); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(d.Path("notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServe(t, ServeConfig{Dir: dir})
	s.expect("SELECT 1 AS a", `{"a":1}`+"\n")
	if want := []string{"hello", "notes", "query", "reply"}; !slices.Equal(s.names(), want) {
		t.Errorf("in the directory are %v, want %v", s.names(), want)
	}
	s.stop(errStop)
	<-s.done
	if want := []string{"notes"}; !slices.Equal(s.names(), want) {
		t.Errorf("left are %v, want %v", s.names(), want)
	}
}

// hello says something where clients say hello.
func (s *serving) hello(line string) {
	writeTo(s.t, filepath.Join(s.dir, "hello"), line)
}

// session begins a session by hand, and reads the first byte of the answer.
func (s *serving) session(options string) (query, reply *os.File) {
	s.t.Helper()
	d, err := fifo.OpenDir(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	defer d.Close()
	id := newID()
	if err := errors.Join(d.Make(id+".query"), d.Make(id+".reply")); err != nil {
		s.t.Fatal(err)
	}
	if reply, err = d.Open(id+".reply", os.O_RDONLY); err != nil {
		s.t.Fatal(err)
	}
	keeper, err := d.Open(id+".reply", os.O_WRONLY)
	if err != nil {
		s.t.Fatal(err)
	}
	defer keeper.Close()
	if query, err = d.Open(id+".query", os.O_RDWR); err != nil {
		s.t.Fatal(err)
	}
	s.hello("1 " + id + options + "\n")
	buf := make([]byte, 1)
	if _, err := io.ReadFull(reply, buf); err != nil || buf[0] != '.' {
		s.t.Fatal(err)
	}
	return query, reply
}

// A client that has asked more than one question, and goes, is noticed too.
func TestClientGoesAhead(t *testing.T) {
	s := startServe(t, ServeConfig{})
	s.expect("CREATE TABLE t (a)", "")
	query, reply := s.session("")
	fmt.Fprint(query, "BEGIN IMMEDIATE; "+endless+"max(i) FROM n\x00SELECT 2\x00SELECT 3\x00")
	insert := func() error {
		_, err := s.call("PRAGMA busy_timeout = 0; INSERT INTO t VALUES (1)")
		return err
	}
	r := running{t: t}
	r.await("transaction", func() bool { return insert() != nil })
	query.Close()
	reply.Close()
	r.await("end of the transaction", func() bool { return insert() == nil })
}

// The protocol by hand, with what a client may get wrong.
func TestByHand(t *testing.T) {
	s := startServe(t, ServeConfig{MaxRequest: 1000})
	query, reply := s.session(" format=csv&header=no")
	fmt.Fprint(query, "SELECT 1 AS a\x00SELECT 2;\nnix\x00"+strings.Repeat(" ", 1001)+"\x00SELECT 3\x00cut off")
	query.Close() // is no loss of the answers
	got, err := io.ReadAll(reply)
	want := " 0\n1\n. 0\n2\n. 1\tERROR 1 (SQLITE_ERROR) at line 2: near \"nix\": syntax error\n" +
		". 1\tthe query is longer than 1000 bytes\n3\n. 0\n"
	if string(got) != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	_, reply = s.session(" format=xml")
	got, err = io.ReadAll(reply)
	if !strings.HasPrefix(string(got), ` 1`+"\t"+`unknown`) || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	s.hello("nonsense\n" + strings.Repeat("x", 5000) + "\n")
	s.hello("1 " + newID() + "\n") // without pipes
	s.hello("half")
	s.expect("SELECT 3 AS a", `{"a":3}`+"\n")
	for _, message := range []string{`not a hello: "nonsense"`, "a hello is longer than 4096 bytes", ".query: no such file or directory"} {
		for !strings.Contains(s.log.String(), message) {
			time.Sleep(time.Millisecond)
		}
	}
}

func TestCallWithoutServer(t *testing.T) {
	dir := t.TempDir()
	cfg := CallConfig{Dir: filepath.Join(dir, "none"), Wait: 20 * time.Millisecond}
	_, err := Call(t.Context(), cfg, stream.Inputs{Stdin: strings.NewReader("SELECT 1")}, io.Discard)
	want := fmt.Sprintf("call %s: %[1]s/hello: no such file or directory: waited 20ms for a server", cfg.Dir)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	// A reader of hello that is no server.
	d, _, err := fifo.MakeDir(filepath.Join(dir, "mute"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Make("hello"); err != nil {
		t.Fatal(err)
	}
	f, err := d.Open("hello", os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cfg.Dir = d.Path("")
	_, err = Call(t.Context(), cfg, stream.Inputs{Stdin: strings.NewReader("SELECT 1")}, io.Discard)
	want = "call " + cfg.Dir + ": waited 20ms for a server"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if names, _ := d.Names(); !slices.Equal(names, []string{"hello"}) {
		t.Errorf("left are %v", names)
	}
}
