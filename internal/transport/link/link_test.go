package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/rpc"
)

// listener hands over what a test hands to it.
type listener struct{ *Arrivals }

func (listener) Addr() string { return "test:" }

func (l listener) Close() error {
	l.End()
	return nil
}

// receiving returns a receiver, and the other end of a line to it.
func receiving(t *testing.T, o transport.Options) (*receiver, transport.Conn) {
	t.Helper()
	l := listener{NewArrivals()}
	r := newReceiver(t.Context(), l, o)
	near, far := rpc.Pair("sender", "receiver")
	if err := l.Hand(t.Context(), far); err != nil {
		t.Fatal(err)
	}
	return r, near
}

// Messages that nobody asks for take little memory, however small they are.
func TestSmallMessagesWait(t *testing.T) {
	r, conn := receiving(t, transport.Options{Warn: t.Logf})
	s, err := newSender(t.Context(), "test:", func(context.Context) (transport.Conn, error) { return conn, nil }, transport.Options{Warn: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	const n = window/256 + 10000
	var sent atomic.Int64
	done := make(chan error, 1)
	go func() {
		for range n {
			if err := s.Send(t.Context(), []transport.Message{{Body: []byte("x")}}); err != nil {
				done <- err
				return
			}
			sent.Add(1)
		}
		done <- s.Close(t.Context(), nil)
	}()
	r.mu.Lock()
	for r.bytes+2*size([]byte("x")) < window {
		r.changed.Wait()
	}
	r.mu.Unlock()
	if sent := sent.Load(); sent > window/256 {
		t.Errorf("%d messages were sent, and none is acknowledged", sent)
	}
	for got := 0; ; {
		messages, err := r.Receive(t.Context(), 100)
		if err == io.EOF && got == n {
			break
		}
		if err != nil {
			t.Fatalf("after %d messages: %v", got, err)
		}
		for _, m := range messages {
			if string(m.Body) != "x" || cap(m.Body) > 64 {
				t.Fatalf("message %q in %d bytes", m.Body, cap(m.Body))
			}
		}
		got += len(messages)
		if err := r.Ack(t.Context(), messages); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// frames are those that a script has, a line each: its kind, its number, its
// data.
func frames(script []byte) (all []transport.Frame) {
	for line := range bytes.SplitSeq(script, []byte("\n")) {
		if len(line) >= 2 {
			all = append(all, transport.Frame{Kind: transport.FrameKind(line[0]), Seq: uint64(line[1] - '0'), Data: line[2:]})
		}
	}
	return all
}

// meant are the messages of frames up to what makes no sense, and whether the
// sender came to its end.
func meant(all []transport.Frame) (bodies []string, done bool) {
	for _, f := range all {
		n := uint64(len(bodies))
		switch isMessage := f.Kind >= message && f.Kind <= message+transport.FrameKind(transport.Piece); {
		case isMessage && f.Seq <= n: // again
		case isMessage && f.Seq == n+1 && !done:
			bodies = append(bodies, string(f.Data))
		case f.Kind == end && f.Seq == n:
			done = true
		default:
			return bodies, done
		}
	}
	return bodies, done
}

// FuzzReceiver: whatever a sender says, messages come whole and in order, and an
// end is one only if the sender has come to it.
func FuzzReceiver(f *testing.F) {
	f.Add([]byte("\x101one\n\x112two\n\x042"))
	f.Add([]byte("\x101one\n\x101one\n\x041\n\x112two"))
	f.Add([]byte("\x101one\n\x113three\n\x042"))
	f.Add([]byte("\x101one\n\x045"))
	f.Add([]byte("\x060no more"))
	f.Fuzz(func(t *testing.T, script []byte) {
		all := frames(script)
		want, done := meant(all)
		r, conn := receiving(t, transport.Options{Timeout: time.Millisecond})
		hi := transport.Frame{Kind: hello, Data: greeting{session: newSession()}.append(nil)}
		_ = conn.Send(hi)
		for range 2 { // welcome, and what is done
			_, _ = conn.Receive(nil)
		}
		go func() {
			for _, fr := range all {
				if conn.Send(fr) != nil {
					break
				}
			}
			for saysEnd := !done; !saysEnd; { // until the other side has it all
				answer, err := conn.Receive(nil)
				saysEnd = err != nil || answer.Kind == ended
			}
			conn.Close()
		}()
		var got []string
		for {
			messages, err := r.Receive(t.Context(), 2)
			if err != nil {
				if aborted := new(transport.AbortedError); done != (err == io.EOF) || !done && !errors.As(err, &aborted) {
					t.Errorf("%q ended with %v", script, err)
				}
				break
			}
			for _, m := range messages {
				got = append(got, string(m.Body))
			}
			_ = r.Ack(t.Context(), messages)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q became %q, want %q", script, got, want)
		}
		_ = r.Close()
	})
}

// FuzzSender: whatever a receiver answers, a message counts as done only if it
// was acknowledged.
func FuzzSender(f *testing.F) {
	f.Add([]byte("\x031\n\x033"))
	f.Add([]byte("\x053"))
	f.Add([]byte("\x039\n\x080"))
	f.Add([]byte("\x070go away"))
	f.Fuzz(func(t *testing.T, script []byte) {
		near, far := rpc.Pair("sender", "receiver")
		go func() {
			defer far.Close()
			if _, err := far.Receive(nil); err != nil {
				return
			}
			_ = far.Send(transport.Frame{Kind: welcome})
			for n := 0; n < 3; { // it has them
				fr, err := far.Receive(nil)
				if err != nil {
					return
				}
				n = int(fr.Seq)
			}
			for _, fr := range frames(script) {
				if far.Send(fr) != nil {
					return
				}
			}
		}()
		lines := []transport.Conn{near}
		s, err := newSender(t.Context(), "test:", func(context.Context) (transport.Conn, error) {
			if len(lines) == 0 {
				return nil, Permanent(io.ErrClosedPipe)
			}
			defer func() { lines = nil }()
			return lines[0], nil
		}, transport.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Send(t.Context(), []transport.Message{{Body: []byte("one")}, {Body: []byte("two")}, {Body: []byte("three")}})
		if err != nil {
			t.Fatal(err)
		}
		acked := slices.ContainsFunc(frames(script), func(f transport.Frame) bool { return (f.Kind == ack || f.Kind == ended) && f.Seq >= 3 })
		if err := s.Flush(t.Context()); err == nil && !acked {
			t.Errorf("%q confirmed all", script)
		}
		_ = s.Close(t.Context(), io.ErrUnexpectedEOF)
	})
}
