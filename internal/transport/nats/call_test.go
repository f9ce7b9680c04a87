package nats

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
	"pipeworks/internal/transport/broker/brokertest"
)

// pair is both ends of a line.
func pair(t *testing.T, s *server) (caller, server transport.Conn) {
	t.Helper()
	u := s.url("calls")
	l, err := Transport.Listen(t.Context(), u, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	caller, err = Transport.Dial(t.Context(), u, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		caller.Close()
		server.Close()
	})
	return caller, server
}

// Frames of every size come back whole and in order, while the other side reads
// slowly or not at all.
func TestLine(t *testing.T) {
	s := startServer(t, "max_payload: 64KB")
	caller, server := pair(t, s)
	sizes := []int{0, 1, 4096, 5000, 64 << 10, 1 << 20, 0, 20 << 20}
	echoed := make(chan error, 1)
	go func() {
		for {
			f, err := server.Receive(nil)
			if err == nil {
				err = server.Send(f)
			}
			if err != nil {
				echoed <- err
				return
			}
		}
	}()
	sent := make(chan error, 1)
	go func() {
		for i, size := range sizes {
			err := caller.Send(transport.Frame{Kind: 40, Seq: uint64(i), Data: bytes.Repeat([]byte{byte(i)}, size)})
			if err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i, size := range sizes {
		f, err := caller.Receive(nil)
		if err != nil {
			t.Fatal(err)
		}
		if f.Kind != 40 || f.Seq != uint64(i) || !bytes.Equal(f.Data, bytes.Repeat([]byte{byte(i)}, size)) {
			t.Errorf("frame %d: kind %d, number %d, %d bytes, want %d", i, f.Kind, f.Seq, len(f.Data), size)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	caller.Close()
	if err := <-echoed; err != io.EOF {
		t.Errorf("the end is %v", err)
	}
}

// What nobody reads is not sent without limit.
func TestLineBackpressure(t *testing.T) {
	s := startServer(t, "")
	caller, server := pair(t, s)
	frame := transport.Frame{Data: make([]byte, 1<<20)}
	sent := make(chan int, 100)
	go func() {
		for i := range 20 {
			if caller.Send(frame) != nil {
				return
			}
			sent <- i
		}
		close(sent)
	}()
	for {
		select {
		case <-sent:
			continue
		case <-time.After(300 * time.Millisecond): // all that may be is on its way
		}
		break
	}
	for range 20 {
		if _, err := server.Receive(nil); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for range sent {
		n++
	}
	if n < 20-4-1 { // a window is 4 MiB
		t.Errorf("only %d frames waited", n)
	}
}

// Who dies is missed, at either end.
func TestLineBroken(t *testing.T) {
	s := startServer(t, "")
	a, b := pair(t, s)
	s.kill() // and with it whatever was on its way
	s.start()
	for _, c := range []transport.Conn{a, b} {
		if _, err := c.Receive(nil); err == nil || err == io.EOF {
			t.Errorf("after a restart of the server: %v", err)
		}
	}
	caller, err := dial(t.Context(), s.url("calls"), transport.Options{Timeout: 100 * time.Millisecond})
	if err == nil {
		caller.Close()
		t.Error("nobody listens, and the call was answered")
	}
}

// A process that is killed closes its connection without a word.
func TestLinePeerKilled(t *testing.T) {
	s := startServer(t, "")
	cfg, err := parse(s.url("calls"))
	if err != nil {
		t.Fatal(err)
	}
	listening, err := Transport.Listen(t.Context(), cfg.url, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer listening.Close()
	c, err := connect(t.Context(), cfg, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.call(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := listening.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c.Conn.Close()
	if _, err := conn.Receive(nil); !errors.Is(err, broker.ErrGone) {
		t.Errorf("got %v", err)
	}
}

// A subject of a stream answers, but not as a relay does.
func TestCallOfStream(t *testing.T) {
	s := startServer(t, "")
	u := s.url("jobs")
	brokertest.Send(t, s.sender(u, transport.Options{}), "a")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := Transport.Dial(ctx, u, transport.Options{Timeout: 100 * time.Millisecond}); err == nil || ctx.Err() != nil {
		t.Errorf("got %v", err)
	}
}
