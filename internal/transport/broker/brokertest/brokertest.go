// Package brokertest is what every transport over a message broker is put to,
// on a real one that scripts/brokers has started.
package brokertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/conformance"
)

// Fixture is a transport and its broker.
type Fixture struct {
	Transport transport.Transport
	Kind      string // of broker, for scripts/brokers
	Variable  string // of the environment, with its URL
	User      string // that exists
	Largest   int    // bytes of a body that the broker takes
	Counts    bool   // it tells how often a message was delivered

	// Settles is how old a queue must be to outlast a crash of the broker.
	Settles time.Duration
}

const patience = 2 * time.Minute // of a test, on a busy machine

// Run runs all tests.
func Run(t *testing.T, f Fixture) {
	old, born := f.URL(t, ""), time.Now()
	f.Sender(t, old)
	conformance.Run(t, conformance.Fixture{
		Transport: f.Transport,
		URL:       f.url,
		Options:   Options(t),
		Kept:      true,
		NoAbort:   true,
		Largest:   f.Largest,
	})
	for _, test := range []struct {
		name string
		run  func(*testing.T, Fixture)
	}{
		{"content", content},
		{"given back", givenBack},
		{"backpressure", backpressure},
		{"wrong password", wrongPassword},
		{"nobody there", nobodyThere},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, f) })
	}
	t.Run("restart", func(t *testing.T) {
		<-time.After(time.Until(born.Add(f.Settles)))
		restart(t, f, old)
	})
}

// URL is that of a queue of its own, with options.
func (f Fixture) URL(t *testing.T, options string) transport.URL {
	t.Helper()
	u, err := transport.ParseURL(f.url(t) + options)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (f Fixture) url(t *testing.T) string {
	t.Helper()
	if os.Getenv(f.Variable) == "" {
		t.Skipf("%s is not set: see scripts/brokers", f.Variable)
	}
	return os.Getenv(f.Variable) + "/" + f.Kind + "-" + strings.ToLower(rand.Text())
}

// Order has scripts/brokers do something with the broker.
func (f Fixture) Order(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("PIPEWORKS_TEST_BROKERS") == "" {
		t.Skip("PIPEWORKS_TEST_BROKERS is not set: it is not a broker of scripts/brokers")
	}
	if out, err := exec.Command(script(), what, f.Kind).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", what, f.Kind, err, out)
	}
}

// script is scripts/brokers.
func script() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "../../../../scripts/brokers")
}

// Ctl runs rabbitmqctl.
func Ctl(t *testing.T, arguments ...string) {
	t.Helper()
	if out, err := exec.Command(script(), append([]string{"ctl"}, arguments...)...).CombinedOutput(); err != nil {
		t.Fatalf("rabbitmqctl %v: %v\n%s", arguments, err, out)
	}
}

// Options are those of a test: warnings go to its log.
func Options(t *testing.T) transport.Options {
	return transport.Options{
		Timeout: patience,
		Warn:    func(format string, args ...any) { t.Logf(format, args...) },
	}
}

// Sender makes one.
func (f Fixture) Sender(t *testing.T, u transport.URL) transport.Sender {
	t.Helper()
	s, err := f.Transport.Sender(t.Context(), u, Options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background(), nil) })
	return s
}

// Receiver makes one.
func (f Fixture) Receiver(t *testing.T, u transport.URL) transport.Receiver {
	t.Helper()
	r, err := f.Transport.Receiver(t.Context(), u, Options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// Send sends bodies, and has them confirmed.
func Send(t *testing.T, s transport.Sender, bodies ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	messages := make([]transport.Message, len(bodies))
	for i, b := range bodies {
		messages[i].Body = []byte(b)
	}
	if err := errors.Join(s.Send(ctx, messages), s.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
}

// Receive receives n messages.
func Receive(t *testing.T, r transport.Receiver, n int) (all []transport.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(all) < n {
		m, err := r.Receive(ctx, n-len(all))
		if err != nil {
			t.Fatalf("after %d of %d: %v", len(all), n, err)
		}
		all = append(all, m...)
	}
	return all
}

// Numbered are n bodies.
func Numbered(n int) (bodies []string) {
	for i := range n {
		bodies = append(bodies, fmt.Sprintf("record %d", i))
	}
	return bodies
}

// What a message says of its body comes with it.
func content(t *testing.T, f Fixture) {
	u := f.URL(t, "")
	s := f.Sender(t, u)
	packed := []transport.Message{{Body: []byte("a\nb\n"), Content: transport.Lines}, {Body: []byte("a\x00"), Content: transport.Nulls}}
	if err := errors.Join(s.Send(t.Context(), packed), s.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	for i, m := range Receive(t, f.Receiver(t, u), 2) {
		if !bytes.Equal(m.Body, packed[i].Body) || m.Content != packed[i].Content || m.Tries > 1 {
			t.Errorf("message %d is %q, %v, try %d", i, m.Body, m.Content, m.Tries)
		}
	}
}

// What one receiver had and did not acknowledge, another gets.
func givenBack(t *testing.T, f Fixture) {
	u := f.URL(t, "?prefetch=60")
	bodies := Numbered(100)
	Send(t, f.Sender(t, u), bodies...)
	first := f.Receiver(t, u)
	got := Receive(t, first, 60)
	for _, some := range [][]transport.Message{got[10:20], got[25:30], got[20:25], got[:3]} {
		if err := first.Ack(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := f.Receiver(t, u)
	seen := map[string]int{}
	for range 77 {
		for _, m := range Receive(t, second, 1) {
			seen[string(m.Body)] = m.Tries
			if err := second.Ack(t.Context(), []transport.Message{m}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, body := range bodies {
		tries, came := seen[body]
		acknowledged := i < 3 || i >= 10 && i < 30
		if came == acknowledged {
			t.Errorf("%s was acknowledged: %v; it came again: %v", body, acknowledged, came)
		}
		if came && i < 60 && f.Counts && tries != 2 {
			t.Errorf("%s is told as try %d", body, tries)
		}
	}
}

// A receiver that takes nothing is sent no more than it may hold: the others get
// the rest.
func backpressure(t *testing.T, f Fixture) {
	u := f.URL(t, "?prefetch=10")
	f.Receiver(t, u)
	busy := f.Receiver(t, u)
	Send(t, f.Sender(t, u), Numbered(200)...)
	for range 190 {
		if err := busy.Ack(t.Context(), Receive(t, busy, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// A broker that is killed and comes back loses nothing that was confirmed, and
// gets what was not.
func restart(t *testing.T, f Fixture, u transport.URL) {
	const each = 2000
	s, r := f.Sender(t, u), f.Receiver(t, u)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	half := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		for i, body := range Numbered(2 * each) {
			if i == each {
				close(half)
			}
			if err := s.Send(ctx, []transport.Message{{Body: []byte(body)}}); err != nil {
				t.Error(err)
				return
			}
		}
		if err := s.Flush(ctx); err != nil {
			t.Error(err)
		}
	})
	seen := map[string]bool{}
	var receiving sync.WaitGroup
	receiving.Go(func() {
		for len(seen) < 2*each {
			messages, err := r.Receive(ctx, 64)
			if err != nil {
				t.Errorf("after %d of %d: %v", len(seen), 2*each, err)
				return
			}
			for _, m := range messages {
				seen[string(m.Body)] = true
			}
			if err := r.Ack(ctx, messages); err != nil {
				t.Error(err)
				return
			}
		}
	})
	<-half
	f.Order(t, "restart")
	sending.Wait()
	receiving.Wait()
}

func wrongPassword(t *testing.T, f Fixture) {
	u := f.URL(t, "")
	u.User = f.User
	o := Options(t)
	o.Password = func(context.Context) (string, error) { return "open sesame", nil }
	_, err := f.Transport.Sender(t.Context(), u, o)
	var hint interface{ Hint() string }
	if err == nil || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), f.User) || strings.Contains(err.Error(), "sesame") {
		t.Errorf("a sender with a wrong password: %v", err)
	}
}

func nobodyThere(t *testing.T, f Fixture) {
	u := f.URL(t, "")
	u.Host = "127.0.0.1:1"
	o := Options(t)
	o.Timeout = 20 * time.Millisecond
	if _, err := f.Transport.Receiver(t.Context(), u, o); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a port without a listener: %v", err)
	}
	u.Host = "nowhere.invalid"
	o.Timeout = 0
	if _, err := f.Transport.Sender(t.Context(), u, o); err == nil || !strings.Contains(err.Error(), "nowhere.invalid") {
		t.Errorf("an unknown host: %v", err)
	}
}
