package amqp

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker/brokertest"
)

func TestBroker(t *testing.T) { brokertest.Run(t, fixture()) }

func fixture() brokertest.Fixture {
	return brokertest.Fixture{
		Transport: Transport, Kind: "rabbitmq", Variable: "PIPEWORKS_TEST_AMQP", User: "guest", Largest: 64 << 20, Counts: true,
		Settles: 6 * time.Second, // what RabbitMQ 3.10 says of a quorum queue's terms is on the disk by then
	}
}

// Classic queues are confirmed and kept as well, and do not count.
func TestClassic(t *testing.T) {
	f := fixture()
	u := f.URL(t, "?type=classic")
	brokertest.Send(t, f.Sender(t, u), brokertest.Numbered(10)...)
	first := f.Receiver(t, u)
	if m := brokertest.Receive(t, first, 10)[0]; m.Tries != 1 {
		t.Errorf("try %d", m.Tries)
	}
	first.Close()
	if m := brokertest.Receive(t, f.Receiver(t, u), 10)[0]; m.Tries != 0 {
		t.Errorf("try %d", m.Tries)
	}
}

// What no queue takes is an error, not lost as with amqp-publish.
func TestUnroutable(t *testing.T) {
	f := fixture()
	u := f.URL(t, "?exchange=amq.topic&keyed")
	r := f.Receiver(t, withKey(u, "a.*"))
	s := f.Sender(t, u)
	if err := s.Send(t.Context(), []transport.Message{{Body: []byte("1"), Key: "a.b"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
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

func withKey(u transport.URL, key string) transport.URL {
	u.Query = url.Values{"exchange": u.Query["exchange"], "routing-key": {key}}
	return u
}

// A broker whose disk is full takes nothing, says so, and goes on when there is
// room.
func TestDiskAlarm(t *testing.T) {
	f := fixture()
	if os.Getenv("PIPEWORKS_TEST_BROKERS") == "" {
		t.Skip("PIPEWORKS_TEST_BROKERS is not set: it is not a broker of scripts/brokers")
	}
	told := make(chan string, 16)
	o := brokertest.Options(t)
	o.Warn = func(format string, args ...any) { told <- fmt.Sprintf(format, args...) }
	u := f.URL(t, "")
	s, err := Transport.Sender(t.Context(), u, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background(), nil)
	brokertest.Ctl(t, "set_disk_free_limit", "1000000GB")
	lifted := false
	defer func() {
		if !lifted {
			brokertest.Ctl(t, "set_disk_free_limit", "1MB")
		}
	}()
	flushed := make(chan error, 1)
	go func() {
		err := s.Send(t.Context(), []transport.Message{{Body: []byte("x")}})
		flushed <- errors.Join(err, s.Flush(t.Context()))
	}()
	select {
	case message := <-told:
		if !strings.Contains(message, "takes nothing now") {
			t.Errorf("told %q", message)
		}
	case err := <-flushed:
		t.Fatalf("a full disk confirmed the message: %v", err)
	}
	brokertest.Ctl(t, "set_disk_free_limit", "1MB")
	lifted = true
	if err := <-flushed; err != nil {
		t.Error(err)
	}
	brokertest.Receive(t, f.Receiver(t, u), 1)
}

func TestURLs(t *testing.T) {
	for text, want := range map[string]string{
		"amqp://h/":                         "written amqp://HOST/QUEUE",
		"amqp://h/q?type=stream":            "quorum or classic",
		"amqp://h/q?prefetch=0":             "from 1 on",
		"amqp://h/q?keyed":                  "go with exchange",
		"amqp://h/q?exchange=x&keyed=maybe": "true or false",
	} {
		u, err := transport.ParseURL(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Transport.Sender(t.Context(), u, transport.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	u, err := transport.ParseURL("amqp://h/q")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []transport.Options{{Dedupe: true}, {Group: "g"}} {
		if _, err := Transport.Receiver(t.Context(), u, o); err == nil {
			t.Errorf("%+v is not refused", o)
		}
	}
}
