// Package brokertest is how tests send and receive by a message broker.
package brokertest

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"pipeworks/internal/transport"
)

// Patience is how long a test waits for what must come, on a busy machine.
const Patience = 2 * time.Minute

// Sender makes one, and closes it after the test.
func Sender(t *testing.T, by transport.Transport, u transport.URL, o transport.Options) transport.Sender {
	t.Helper()
	s, err := by.Sender(t.Context(), u, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background(), nil) })
	return s
}

// Receiver makes one, and closes it after the test if that has not.
func Receiver(t *testing.T, by transport.Transport, u transport.URL, o transport.Options) transport.Receiver {
	t.Helper()
	r, err := by.Receiver(t.Context(), u, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// Records are messages with bodies.
func Records(bodies ...string) []transport.Message {
	m := make([]transport.Message, len(bodies))
	for i, b := range bodies {
		m[i].Body = []byte(b)
	}
	return m
}

// Numbered are bodies, each a number.
func Numbered(from, to int) (bodies []string) {
	for i := from; i < to; i++ {
		bodies = append(bodies, strconv.Itoa(i))
	}
	return bodies
}

// Bodies are those of messages.
func Bodies(messages []transport.Message) (all []string) {
	for _, m := range messages {
		all = append(all, string(m.Body))
	}
	return all
}

// Send sends messages with bodies, and has them confirmed.
func Send(t *testing.T, s transport.Sender, bodies ...string) {
	t.Helper()
	SendMessages(t, s, Records(bodies...)...)
}

// SendMessages sends messages, and has them confirmed.
func SendMessages(t *testing.T, s transport.Sender, messages ...transport.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if err := errors.Join(s.Send(ctx, messages), s.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
}

// Receive receives n messages.
func Receive(t *testing.T, r transport.Receiver, n int) (all []transport.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
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
