package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
	"pipeworks/internal/transport/rpc"
	"pipeworks/internal/transport/socket"
)

// served is a server at a unix socket, for the time of a test.
type served struct {
	url  transport.URL
	stop context.CancelCauseFunc
	sum  ServeSummary
	end  chan struct{}
}

func serveAt(t *testing.T, cfg ServeConfig) *served {
	t.Helper()
	u := transport.URL{Scheme: "unix", Path: filepath.Join(t.TempDir(), "s")}
	l, err := socket.Unix.Listen(t.Context(), u, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	s := &served{url: u, stop: stop, end: make(chan struct{})}
	go func() {
		defer close(s.end)
		var err error
		if s.sum, err = Serve(ctx, cfg, l, func() {}); !errors.Is(err, errTestOver) {
			t.Errorf("serve: %v", err)
		}
	}()
	t.Cleanup(s.close)
	return s
}

var errTestOver = errors.New("the test is over")

func (s *served) close() {
	s.stop(errTestOver)
	<-s.end
}

func (s *served) config() CallConfig {
	return CallConfig{Name: "there", Dial: func(ctx context.Context) (transport.Conn, error) {
		return socket.Unix.Dial(ctx, s.url, transport.Options{})
	}}
}

// call returns what the command answers, its messages, and how it ended.
func (s *served) call(t *testing.T, in string) (out, messages string, err error) {
	t.Helper()
	var o, m strings.Builder
	err = Call(t.Context(), s.config(), strings.NewReader(in), &o, &m)
	return o.String(), m.String(), err
}

func status(err error) int {
	var s interface{ ExitStatus() int }
	if errors.As(err, &s) {
		return s.ExitStatus()
	}
	return 0
}

func TestServeCommand(t *testing.T) {
	for _, tt := range []struct {
		script, in    string
		out, messages string
		status        int
		err           string
	}{
		{"cat", "a request", "a request", "", 0, ""},
		{"cat; echo done >&2", "x", "x", "done\n", 0, ""},
		{"cat; exit 3", "x", "x", "", 3, ""},
		{"echo early", strings.Repeat("nobody reads this\n", 1<<17), "early\n", "", 0, ""},
		{"exec <&-; echo closed", strings.Repeat("nobody reads this\n", 1<<17), "closed\n", "", 0, ""},
		{"echo half; kill -9 $$", "", "half\n", "", 137, "call there: sh: signal: killed"},
		{"echo $RELAY_PEER", "", "unix:SOCKET\n", "", 0, ""},
	} {
		s := serveAt(t, ServeConfig{Command: []string{"sh", "-c", tt.script}})
		out, messages, err := s.call(t, tt.in)
		out = strings.Replace(out, s.url.Path, "SOCKET", 1)
		if out != tt.out || messages != tt.messages || status(err) != tt.status || tt.err != "" && err.Error() != tt.err || tt.status == 0 && err != nil {
			t.Errorf("%s: %q, %q, %v (status %d)", tt.script, out, messages, err, status(err))
		}
	}
}

func TestServeMissingCommand(t *testing.T) {
	l, err := socket.Unix.Listen(t.Context(), transport.URL{Scheme: "unix", Path: filepath.Join(t.TempDir(), "s")}, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = Serve(t.Context(), ServeConfig{Command: []string{"no-such-command"}}, l, func() {}); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	// One that went away since then is what a shell has for it.
	e := process{args: []string{"no-such-command"}}.run(t.Context())
	if e.Status != 127 || e.Error == "" {
		t.Errorf("got %+v", e)
	}
}

// Many callers at once have their own answers; some wait for a place, and are
// told.
func TestServeMany(t *testing.T) {
	s := serveAt(t, ServeConfig{Command: []string{"sed", "s/^/answer /"}, Jobs: 4})
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			in := strings.Repeat(fmt.Sprintf("%d\n", i), 1000)
			want := strings.Repeat(fmt.Sprintf("answer %d\n", i), 1000)
			if out, messages, err := s.call(t, in); out != want || messages != "" || err != nil {
				t.Errorf("caller %d: %d bytes, %q, %v", i, len(out), messages, err)
			}
		})
	}
	all.Wait()
	s.close()
	if s.sum != (ServeSummary{Calls: 64}) {
		t.Errorf("%+v", s.sum)
	}
}

func TestServeJobs(t *testing.T) {
	s := serveAt(t, ServeConfig{Command: []string{"cat"}, Jobs: 1})
	stdin, ask := io.Pipe()
	begun := make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- Call(t.Context(), s.config(), stdin, writerFunc(func(p []byte) (int, error) {
			close(begun)
			return len(p), nil
		}), io.Discard)
	}()
	fmt.Fprint(ask, "x")
	<-begun
	cfg := s.config()
	var notes []string
	cfg.Note = func(format string, args ...any) {
		notes = append(notes, fmt.Sprintf(format, args...))
		ask.Close() // the place becomes free
	}
	var out strings.Builder
	if err := Call(t.Context(), cfg, strings.NewReader("second"), &out, io.Discard); err != nil || out.String() != "second" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	if len(notes) != 1 || notes[0] != "there: 1 calls are answered first" {
		t.Errorf("%q", notes)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// However a call ends too early, its command is gone when it has, together with
// the children of the command, one that takes no hint included.
func TestServeCancel(t *testing.T) {
	stopped := errors.New("told to stop")
	for _, tt := range []struct {
		name   string
		script string
		end    func(s *served, stop context.CancelCauseFunc) error
		limit  time.Duration // the server's
		want   string
	}{
		{"caller", "", func(_ *served, stop context.CancelCauseFunc) error { stop(stopped); return nil }, 0, "call there: told to stop"},
		{"reader of the answer", "", func(*served, context.CancelCauseFunc) error { return stream.ErrClosed }, 0, "call there: " + stream.ErrClosed.Error()},
		{"server", "", func(s *served, _ context.CancelCauseFunc) error { s.stop(errTestOver); return nil }, 0, "call there: the server was stopped"},
		{"too late", "", func(*served, context.CancelCauseFunc) error { return nil }, 300 * time.Millisecond, "call there: the call took longer than 300ms"},
		{"stubborn command", "trap '' TERM;", func(_ *served, stop context.CancelCauseFunc) error { stop(stopped); return nil }, 0, "call there: told to stop"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveAt(t, ServeConfig{Command: []string{"sh", "-c", tt.script + "sleep 1000 & echo $$ $!; wait; wait; read never"}, Timeout: tt.limit})
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			stdin, never := io.Pipe()
			defer never.Close()
			var out bytes.Buffer
			err := Call(ctx, s.config(), stdin, writerFunc(func(p []byte) (int, error) {
				out.Write(p)
				return len(p), tt.end(s, stop)
			}), io.Discard)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			s.close()
			for field := range strings.FieldsSeq(out.String()) {
				pid, err := strconv.Atoi(field)
				if err != nil {
					t.Fatal(err)
				}
				if !gone(pid) {
					t.Errorf("process %d still runs", pid)
				}
			}
		})
	}
}

// gone reports whether a process has ended. One that was killed may need a
// moment, and its new parent, to do so.
func gone(pid int) bool {
	for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return true
		}
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	return false
}

// A caller that is gone has made no whole request: its command sees no end of
// its input before it is told to end.
func TestServeCallerGone(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	done := make(chan rpc.Exit, 1)
	s := serveAt(t, ServeConfig{
		Command: []string{"sh", "-c", `echo begun; cat; echo "took it for whole" >"$0"`, mark},
		Done:    func(_ string, e rpc.Exit) { done <- e },
	})
	conn, err := s.config().Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	go func() {
		<-ctx.Done()
		conn.Close()
	}()
	stdin, ask := io.Pipe()
	defer ask.Close()
	go fmt.Fprint(ask, "half a request")
	_, _, err = rpc.Call(t.Context(), conn, rpc.Request{Stdin: stdin, Stderr: io.Discard, Stdout: writerFunc(func(p []byte) (int, error) {
		hangUp()
		return len(p), nil
	})})
	if !errors.Is(err, rpc.ErrGone) {
		t.Errorf("got %v", err)
	}
	if e := <-done; e.Error != "the caller is gone" {
		t.Errorf("got %+v", e)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("half a request was taken for a whole one")
	}
}

func TestServeCoprocess(t *testing.T) {
	for _, tt := range []struct {
		script, in string
		out        string
		status     int
		err        string
	}{
		{"while read x; do echo $((x*x)); done", "3\n4\n5", "9\n16\n25\n", 0, ""},
		{"while read x; do [ $x = 4 ] && exit 9; echo $x; done", "3\n4\n5\n", "3\n", 9, "call there: sh ended before it answered: exit status 9"},
		{"read x; echo $x", "3\n4\n", "3\n", 1, "call there: sh ended before it answered"},
		{"cat >/dev/null", "3\n", "", 1, "call there: sh has not answered a line within 100ms"},
	} {
		cfg := ServeConfig{Command: []string{"sh", "-c", tt.script}, Coprocess: true, Timeout: time.Minute, Stderr: io.Discard}
		if strings.Contains(tt.err, "not answered") {
			cfg.Timeout = 100 * time.Millisecond
		}
		s := serveAt(t, cfg)
		out, _, err := s.call(t, tt.in)
		if out != tt.out || status(err) != tt.status || tt.err != "" && err.Error() != tt.err {
			t.Errorf("%s: %q, %v (status %d)", tt.script, out, err, status(err))
		}
		var hinted interface{ Hint() string }
		if strings.Contains(tt.err, "not answered") && (!errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "stdbuf -oL")) {
			t.Errorf("%s: no hint", tt.script)
		}
	}
}

// The answer to a line does not wait for that to the next.
func TestServeCoprocessSlow(t *testing.T) {
	s := serveAt(t, ServeConfig{Command: []string{"sh", "-c", "while read x; do [ $x = slow ] && exec sleep 1000; echo $x; done"}, Coprocess: true, Timeout: time.Minute})
	ctx, stop := context.WithCancelCause(t.Context())
	var out bytes.Buffer
	err := Call(ctx, s.config(), strings.NewReader("quick\nslow\n"), writerFunc(func(p []byte) (int, error) {
		out.Write(p)
		stop(errTestOver)
		return len(p), nil
	}), io.Discard)
	if !errors.Is(err, errTestOver) || out.String() != "quick\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestExplain(t *testing.T) {
	s := serveAt(t, ServeConfig{Command: []string{"cat"}})
	cfg := s.config()
	var steps strings.Builder
	cfg.Explain = &steps
	if err := Call(t.Context(), cfg, strings.NewReader("x"), io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"connect", "handshake", "marshal", "send", "server receives", "dispatch", "run", "marshal answer", "send back", "receive"} {
		if want := fmt.Sprintf("\n%2d %s ", i+1, name); !strings.Contains(steps.String(), want) {
			t.Errorf("no step %q in\n%s", want, steps.String())
		}
	}
}
