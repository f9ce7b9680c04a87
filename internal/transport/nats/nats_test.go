package nats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker/brokertest"
	"pipeworks/internal/transport/conformance"
)

// server is a server of the test's own, on loopback.
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	args []string
	addr string
}

// startServer starts Debian's nats-server; config is a part of its
// configuration.
func startServer(t *testing.T, config string) *server {
	t.Helper()
	program, err := exec.LookPath("nats-server")
	if err != nil {
		if program = "/usr/sbin/nats-server"; !exists(program) {
			t.Skip("nats-server is not installed")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "conf")
	text := fmt.Sprintf("listen: %q\njetstream { store_dir: %q }\n%s\n", addr, filepath.Join(dir, "data"), config)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, args: []string{program, "-c", file, "-l", filepath.Join(dir, "log")}, addr: addr}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (s *server) start() {
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal(err)
		}
	}
}

func (s *server) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

func (s *server) url(rest string) transport.URL {
	s.t.Helper()
	u, err := transport.ParseURL("nats://" + s.addr + "/" + rest)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *server) sender(u transport.URL, o transport.Options) transport.Sender {
	s.t.Helper()
	return brokertest.Sender(s.t, Transport, u, o)
}

func (s *server) receiver(u transport.URL, o transport.Options) transport.Receiver {
	s.t.Helper()
	return brokertest.Receiver(s.t, Transport, u, o)
}

func TestOrderAndBytes(t *testing.T) {
	s := startServer(t, "")
	for _, path := range []string{"a.b", "c?core"} {
		u := s.url(path)
		r := s.receiver(u, transport.Options{})
		defer r.Close()
		sender := s.sender(u, transport.Options{})
		bodies := append(brokertest.Numbered(0, 5000), "", "\x00\r\n\xff", strings.Repeat("x", sender.Limit()))
		brokertest.Send(t, sender, bodies...)
		got := brokertest.Receive(t, r, len(bodies))
		for i, m := range got {
			if string(m.Body) != bodies[i] || m.Content != transport.Record {
				t.Fatalf("%s: message %d is %.40q, want %.40q", path, i, m.Body, bodies[i])
			}
		}
		if err := r.Ack(t.Context(), got); err != nil {
			t.Fatal(err)
		}
		m := brokertest.Records("a\nb\n")
		m[0].Content = transport.Lines
		if err := errors.Join(sender.Send(t.Context(), m), sender.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
		if got := brokertest.Receive(t, r, 1); got[0].Content != transport.Lines {
			t.Errorf("%s: content %v", path, got[0].Content)
		}
		var long *transport.TooLongError
		if err := sender.Send(t.Context(), brokertest.Records("short", strings.Repeat("x", sender.Limit()+1))); !errors.As(err, &long) {
			t.Errorf("%s: too long gave %v", path, err)
		}
	}
}

// What one receiver had and did not acknowledge, another gets.
func TestGivenBack(t *testing.T) {
	s := startServer(t, "")
	u := s.url("jobs")
	brokertest.Send(t, s.sender(u, transport.Options{}), brokertest.Numbered(0, 100)...)
	first := s.receiver(u, transport.Options{Group: "g"})
	got := brokertest.Receive(t, first, 60)
	if err := first.Ack(t.Context(), got[10:30]); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := s.receiver(u, transport.Options{Group: "g"})
	defer second.Close()
	seen := map[string]int{}
	for _, m := range brokertest.Receive(t, second, 80) {
		seen[string(m.Body)] = m.Tries
	}
	for i, body := range brokertest.Numbered(0, 100) {
		want := 1
		switch {
		case i >= 10 && i < 30:
			want = 0
		case i < 60:
			want = 2
		}
		if seen[body] != want && i < 60 || i >= 60 && seen[body] == 0 {
			t.Errorf("%s was delivered %d times, want %d", body, seen[body], want)
		}
	}
}

// The server is killed and started again in the middle: nothing is lost.
func TestRestart(t *testing.T) {
	s := startServer(t, "")
	u := s.url("jobs")
	o := transport.Options{Timeout: time.Minute, Warn: t.Logf}
	sender, r := s.sender(u, o), s.receiver(u, o)
	defer r.Close()
	const total = 30000
	sent := make(chan error, 1)
	go func() {
		for i := 0; i < total; i += 100 {
			if err := sender.Send(context.Background(), brokertest.Records(brokertest.Numbered(i, i+100)...)); err != nil {
				sent <- err
				return
			}
		}
		sent <- sender.Flush(context.Background())
	}()
	seen := map[string]bool{}
	for restarts := 0; len(seen) < total; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		m, err := r.Receive(ctx, 500)
		cancel()
		if err != nil {
			t.Fatalf("after %d: %v", len(seen), err)
		}
		for i := range m {
			seen[string(m[i].Body)] = true
		}
		if err := r.Ack(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if restarts < 2 && len(seen) > (restarts+1)*total/3 {
			restarts++
			s.kill()
			s.start()
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestDedupe(t *testing.T) {
	s := startServer(t, "")
	u := s.url("jobs")
	sender := s.sender(u, transport.Options{Dedupe: true})
	for range 2 {
		m := brokertest.Records("a", "b")
		m[0].ID, m[1].ID = "1", "2"
		if err := errors.Join(sender.Send(t.Context(), m), sender.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	brokertest.Send(t, sender, "end")
	r := s.receiver(u, transport.Options{})
	defer r.Close()
	var got []string
	for _, m := range brokertest.Receive(t, r, 3) {
		got = append(got, string(m.Body))
	}
	if strings.Join(got, " ") != "a b end" {
		t.Errorf("got %q", got)
	}
}

// Extend keeps a message from others, and without it they get it.
func TestExtend(t *testing.T) {
	s := startServer(t, "")
	u := s.url("jobs?ack-wait=1s")
	brokertest.Send(t, s.sender(u, transport.Options{}), "kept", "forgotten")
	a, b := s.receiver(u, transport.Options{}), s.receiver(u, transport.Options{})
	defer a.Close()
	defer b.Close()
	got := brokertest.Receive(t, a, 2)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				_ = a.Extend(context.Background(), got[:1])
			}
		}
	}()
	if again := brokertest.Receive(t, b, 1)[0]; string(again.Body) != "forgotten" || again.Tries != 2 {
		t.Errorf("%q came again, the %d. time", again.Body, again.Tries)
	}
	close(stop)
	<-done
}

func TestRefused(t *testing.T) {
	s := startServer(t, `authorization { users = [ {user: "ann", password: "secret"} ] }`)
	wrong := func(context.Context) (string, error) { return "wrong", nil }
	right := func(context.Context) (string, error) { return "secret", nil }
	o := transport.Options{Timeout: brokertest.Patience}
	u := s.url("jobs")
	for _, tt := range []struct {
		user, host string
		password   func(context.Context) (string, error)
		want       string
	}{
		{"", s.addr, nil, "Authorization Violation"},
		{"ann", s.addr, wrong, "Authorization Violation"},
		{"ann", s.addr, right, ""},
		{"ann", "no..host", right, "unknown host no..host"}, // for which no name server is needed
		{"ann", "127.0.0.1:1", right, "connection refused"},
	} {
		u.User, u.Host, o.Password = tt.user, tt.host, tt.password
		if tt.want == "connection refused" {
			o.Timeout = 300 * time.Millisecond
		}
		sender, err := Transport.Sender(t.Context(), u, o)
		switch {
		case err == nil && tt.want == "":
			sender.Close(t.Context(), nil)
		case err == nil || tt.want == "" || !strings.Contains(err.Error(), tt.want):
			t.Errorf("%s@%s: got %v, want %q", tt.user, tt.host, err, tt.want)
		case strings.Contains(err.Error(), "secret"):
			t.Errorf("the password is in %q", err)
		}
	}
}

// A stream that is full is waited for, not overrun.
func TestFull(t *testing.T) {
	s := startServer(t, "max_payload: 64KB")
	u := s.url("jobs")
	sender := s.sender(u, transport.Options{})
	if sender.Limit() > 64<<10 {
		t.Errorf("the limit is %d", sender.Limit())
	}
	if err := sender.Send(t.Context(), []transport.Message{{Body: bytes.Repeat([]byte("x"), 64<<10)}}); err == nil {
		t.Error("more than max_payload was sent")
	}
}

func TestConformance(t *testing.T) {
	s := startServer(t, "max_payload: 8MB")
	place := 0
	f := conformance.Fixture{
		Transport: Transport,
		URL: func(*testing.T) string {
			place++
			return s.url(fmt.Sprintf("place.%d", place)).String()
		},
		Kept:    true,
		NoAbort: true,
		Largest: 8<<20 - headerRoom,
		Restart: func(*testing.T) {
			s.kill()
			s.start()
		},
	}
	t.Run("JetStream", func(t *testing.T) { conformance.Run(t, f) })
	url := f.URL
	f.URL = func(t *testing.T) string { return url(t) + "?core" }
	f.NoAcks, f.Restart = true, nil
	f.Transport.Dial = nil // it is the same
	t.Run("core", func(t *testing.T) { conformance.Run(t, f) })
}
