// The transports over message brokers are tried here together, on real ones that
// scripts/brokers has started: a broker is restarted once for all of them.
package broker_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/amqp"
	"pipeworks/internal/transport/amqp1"
	"pipeworks/internal/transport/broker/brokertest"
	"pipeworks/internal/transport/conformance"
	"pipeworks/internal/transport/stomp"
)

// fixture is a transport and its broker.
type fixture struct {
	transport transport.Transport
	kind      string // of broker, for scripts/brokers
	variable  string // of the environment, with its URL
	user      string // that exists
	counts    bool   // it tells how often a message was delivered
}

// settled is how old a queue must be to outlast a crash: what RabbitMQ 3.10 says of
// a quorum queue's terms is on the disk by then.
const settled = 6 * time.Second

func TestRabbitMQ(t *testing.T) {
	testBroker(t,
		fixture{amqp.Transport, "rabbitmq", "PIPEWORKS_TEST_AMQP", "guest", true},
		fixture{amqp1.Transport, "rabbitmq", "PIPEWORKS_TEST_AMQP1", "guest", false})
}

func TestActiveMQ(t *testing.T) {
	testBroker(t, fixture{stomp.Transport, "activemq", "PIPEWORKS_TEST_STOMP", "pipeworks", false})
}

// testBroker tries the transports over one broker: at the same time, and then what
// concerns all who use it.
func testBroker(t *testing.T, fixtures ...fixture) {
	t.Parallel()
	born := time.Now()
	var old []transport.URL
	for _, f := range fixtures {
		old = append(old, f.url(t, ""))
		f.sender(t, old[len(old)-1])
	}
	t.Run("together", func(t *testing.T) {
		for _, f := range fixtures {
			t.Run(f.transport.Scheme, func(t *testing.T) {
				t.Parallel()
				f.run(t)
			})
		}
	})
	if amqp := fixtures[0]; amqp.kind == "rabbitmq" { // 3.10 heeds no alarm for AMQP 1.0
		t.Run("alarm", func(t *testing.T) { alarm(t, amqp) })
	}
	t.Run("restart", func(t *testing.T) {
		<-time.After(time.Until(born.Add(settled)))
		restart(t, fixtures, old)
	})
}

func (f fixture) run(t *testing.T) {
	conformance.Run(t, conformance.Fixture{
		Transport: f.transport,
		URL:       f.place,
		Options:   options(t),
		Parallel:  true,
		Kept:      true,
		NoAbort:   true,
	})
	tests := map[string]func(*testing.T, fixture){
		"content":        content,
		"given back":     givenBack,
		"backpressure":   backpressure,
		"wrong password": wrongPassword,
		"nobody there":   nobodyThere,
	}
	if f.transport.Scheme == "amqp" {
		maps.Copy(tests, map[string]func(*testing.T, fixture){"classic": classic, "unroutable": unroutable})
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, f)
		})
	}
}

// url is that of a queue of its own, with options.
func (f fixture) url(t *testing.T, options string) transport.URL {
	t.Helper()
	u, err := transport.ParseURL(f.place(t) + options)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (f fixture) place(t *testing.T) string {
	t.Helper()
	if os.Getenv(f.variable) == "" {
		t.Skipf("%s is not set: see scripts/brokers", f.variable)
	}
	return os.Getenv(f.variable) + "/" + f.kind + "-" + strings.ToLower(rand.Text())
}

func (f fixture) sender(t *testing.T, u transport.URL) transport.Sender {
	t.Helper()
	return brokertest.Sender(t, f.transport, u, options(t))
}

func (f fixture) receiver(t *testing.T, u transport.URL) transport.Receiver {
	t.Helper()
	return brokertest.Receiver(t, f.transport, u, options(t))
}

// options are those of a test: warnings go to its log.
func options(t *testing.T) transport.Options {
	return transport.Options{Timeout: brokertest.Patience, Warn: t.Logf}
}

// order has scripts/brokers do something.
func order(t *testing.T, arguments ...string) {
	t.Helper()
	if os.Getenv("PIPEWORKS_TEST_BROKERS") == "" {
		t.Skip("PIPEWORKS_TEST_BROKERS is not set: it is not a broker of scripts/brokers")
	}
	if out, err := exec.Command("../../../scripts/brokers", arguments...).CombinedOutput(); err != nil {
		t.Fatalf("brokers %v: %v\n%s", arguments, err, out)
	}
}

// What a message says of its body comes with it.
func content(t *testing.T, f fixture) {
	u := f.url(t, "")
	packed := []transport.Message{{Body: []byte("a\nb\n"), Content: transport.Lines}, {Body: []byte("a\x00"), Content: transport.Nulls}}
	brokertest.SendMessages(t, f.sender(t, u), packed...)
	for i, m := range brokertest.Receive(t, f.receiver(t, u), 2) {
		if !bytes.Equal(m.Body, packed[i].Body) || m.Content != packed[i].Content || m.Tries > 1 {
			t.Errorf("message %d is %q, %v, try %d", i, m.Body, m.Content, m.Tries)
		}
	}
}

// What one receiver had and did not acknowledge, another gets.
func givenBack(t *testing.T, f fixture) {
	u := f.url(t, "?prefetch=60")
	bodies := brokertest.Numbered(0, 100)
	brokertest.Send(t, f.sender(t, u), bodies...)
	first := f.receiver(t, u)
	got := brokertest.Receive(t, first, 60)
	for _, some := range [][]transport.Message{got[10:20], got[25:30], got[20:25], got[:3]} {
		if err := first.Ack(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := f.receiver(t, u)
	seen := map[string]int{}
	for range 77 {
		for _, m := range brokertest.Receive(t, second, 1) {
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
		if came && i < 60 && f.counts && tries != 2 {
			t.Errorf("%s is told as try %d", body, tries)
		}
	}
}

// A receiver that takes nothing is sent no more than it may hold: the others get
// the rest.
func backpressure(t *testing.T, f fixture) {
	u := f.url(t, "?prefetch=10")
	f.receiver(t, u)
	busy := f.receiver(t, u)
	brokertest.Send(t, f.sender(t, u), brokertest.Numbered(0, 200)...)
	for range 190 {
		if err := busy.Ack(t.Context(), brokertest.Receive(t, busy, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// A broker whose disk is full takes nothing more, says so, and goes on when there is
// room. What it has it gives all the while.
func alarm(t *testing.T, f fixture) {
	told := make(chan string, 64)
	o := options(t)
	o.Warn = func(format string, args ...any) { told <- fmt.Sprintf(format, args...) }
	u := f.url(t, "")
	s := brokertest.Sender(t, f.transport, u, o)
	brokertest.Send(t, s, "before")
	lift := sync.OnceFunc(func() { order(t, "ctl", "set_disk_free_limit", "1MB") })
	order(t, "ctl", "set_disk_free_limit", "1000000GB")
	defer lift()
	const messages = 16 // the first one it takes, to find out that it is a message
	flushed := make(chan error, 1)
	go func() {
		err := s.Send(t.Context(), brokertest.Records(slices.Repeat([]string{strings.Repeat("x", 1<<20)}, messages)...))
		flushed <- errors.Join(err, s.Flush(t.Context()))
	}()
	select {
	case message := <-told:
		if !strings.Contains(message, "takes nothing now") {
			t.Errorf("told %q", message)
		}
	case err := <-flushed:
		t.Fatalf("a full disk took all messages: %v", err)
	}
	r := f.receiver(t, u)
	if got := brokertest.Receive(t, r, 1); string(got[0].Body) != "before" {
		t.Errorf("got %q", got[0].Body)
	}
	lift()
	brokertest.Receive(t, r, messages)
	if err := <-flushed; err != nil {
		t.Error(err)
	}
}

// A broker that is killed and comes back loses nothing that was confirmed, and
// gets what was not; and who takes calls goes on.
func restart(t *testing.T, fixtures []fixture, urls []transport.URL) {
	var half, all sync.WaitGroup
	calls := fixtures[0].url(t, "")
	var listening transport.Listener
	if listen := fixtures[0].transport.Listen; listen != nil {
		var err error
		if listening, err = listen(t.Context(), calls, options(t)); err != nil {
			t.Fatal(err)
		}
		defer listening.Close()
	}
	for i, f := range fixtures {
		s, r := f.sender(t, urls[i]), f.receiver(t, urls[i])
		half.Add(1)
		all.Go(func() {
			if err := carry(t.Context(), s, r, half.Done); err != nil {
				t.Errorf("%s: %v", urls[i], err)
			}
		})
	}
	half.Wait()
	order(t, "restart", fixtures[0].kind)
	all.Wait()
	if listening == nil {
		return
	}
	go func() { // so that it notices
		for {
			conn, err := listening.Accept(t.Context())
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	conn, err := fixtures[0].transport.Dial(t.Context(), calls, options(t))
	if err != nil {
		t.Fatal("a call after the restart:", err)
	}
	_ = conn.Close()
}

// carry sends messages and receives them. It calls half when it has sent half of
// them, and never without.
func carry(ctx context.Context, s transport.Sender, r transport.Receiver, half func()) error {
	const each = 2000
	ctx, cancel := context.WithTimeout(ctx, brokertest.Patience)
	defer cancel()
	sent := make(chan error, 1)
	go func() {
		err := s.Send(ctx, brokertest.Records(brokertest.Numbered(0, each)...))
		half()
		sent <- errors.Join(err, s.Send(ctx, brokertest.Records(brokertest.Numbered(each, 2*each)...)), s.Flush(ctx))
	}()
	for seen := map[string]bool{}; len(seen) < 2*each; {
		messages, err := r.Receive(ctx, 64)
		if err == nil {
			err = r.Ack(ctx, messages)
		}
		if err != nil {
			return fmt.Errorf("after %d of %d: %w", len(seen), 2*each, err)
		}
		for _, body := range brokertest.Bodies(messages) {
			seen[body] = true
		}
	}
	return <-sent
}

func wrongPassword(t *testing.T, f fixture) {
	u := f.url(t, "")
	u.User = f.user
	o := options(t)
	o.Password = func(context.Context) (string, error) { return "open sesame", nil }
	_, err := f.transport.Sender(t.Context(), u, o)
	var hint interface{ Hint() string }
	if err == nil || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), f.user) || strings.Contains(err.Error(), "sesame") {
		t.Errorf("a sender with a wrong password: %v", err)
	}
}

func nobodyThere(t *testing.T, f fixture) {
	u := f.url(t, "")
	u.Host = "127.0.0.1:1"
	o := options(t)
	o.Timeout = 20 * time.Millisecond
	if _, err := f.transport.Receiver(t.Context(), u, o); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a port without a listener: %v", err)
	}
	u.Host = "no..host"
	o.Timeout = 0
	if _, err := f.transport.Sender(t.Context(), u, o); err == nil || !strings.Contains(err.Error(), "no..host") {
		t.Errorf("an unknown host: %v", err)
	}
}

// Classic queues are confirmed and kept as well, and do not count.
func classic(t *testing.T, f fixture) {
	u := f.url(t, "?type=classic")
	brokertest.Send(t, f.sender(t, u), brokertest.Numbered(0, 10)...)
	first := f.receiver(t, u)
	if m := brokertest.Receive(t, first, 10)[0]; m.Tries != 1 {
		t.Errorf("try %d", m.Tries)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if m := brokertest.Receive(t, f.receiver(t, u), 10)[0]; m.Tries != 0 {
		t.Errorf("try %d", m.Tries)
	}
}

// What no queue takes is an error, not lost as with amqp-publish.
func unroutable(t *testing.T, f fixture) {
	u := f.url(t, "?exchange=amq.topic&keyed")
	to := u
	to.Query = url.Values{"exchange": u.Query["exchange"], "routing-key": {"a.*"}}
	r, s := f.receiver(t, to), f.sender(t, u)
	brokertest.SendMessages(t, s, transport.Message{Body: []byte("1"), Key: "a.b"})
	if got := brokertest.Receive(t, r, 1); string(got[0].Body) != "1" {
		t.Errorf("got %q", got[0].Body)
	}
	if err := s.Send(t.Context(), []transport.Message{{Body: []byte("2"), Key: "b.b"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), `no queue takes what exchange amq.topic gets with routing key "b.b"`) {
		t.Errorf("a message without a queue: %v", err)
	}
}
