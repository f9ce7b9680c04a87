// Package conformance is what every transport has to pass.
package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"pipeworks/internal/framing"
	"pipeworks/internal/transport"
)

// Fixture is a transport, and how to try it.
type Fixture struct {
	Transport transport.Transport

	// URL is where a sender and a receiver meet, a new place for each test.
	URL func(t *testing.T) string

	Options transport.Options

	// Kept: messages wait for a receiver that has not come yet, and a stream of
	// them has no end.
	Kept bool

	// NoAcks: what a receiver has taken does not come again.
	NoAcks bool

	// NoAbort: a sender that breaks off cannot tell.
	NoAbort bool

	// Largest is the longest message to try, in bytes; 0 is 64 MiB.
	Largest int

	// Parallel: the tests may go on at the same time, but for a Restart.
	Parallel bool

	// Restart ends the broker and starts it again with what it keeps; nil: there is
	// none, or it cannot be done.
	Restart func(t *testing.T)
}

// patience is how long a test waits for what must come.
const patience = 2 * time.Minute

// Run tries the transport.
func Run(t *testing.T, f Fixture) {
	if f.Largest == 0 {
		f.Largest = 64 << 20
	}
	f.Options.MaxRecord = f.Largest + 4
	f.Options.Framing = framing.Length // any bytes
	if f.Options.Warn == nil {
		f.Options.Warn = func(string, ...any) {}
	}
	for name, test := range map[string]func(*testing.T, Fixture){
		"Order":   testOrder,
		"Sizes":   testSizes,
		"Again":   testAgain,
		"End":     testEnd,
		"Abort":   testAbort,
		"TooLong": testTooLong,
		"Bounded": testBounded,
		"Nobody":  testNobody,
		"Cancel":  testCancel,
		"Restart": testRestart,
	} {
		if f.Transport.Sender != nil && f.Transport.Receiver != nil {
			t.Run(name, func(t *testing.T) {
				if f.Parallel && name != "Restart" {
					t.Parallel()
				}
				test(t, f)
			})
		}
	}
	if f.Transport.Dial != nil && f.Transport.Listen != nil {
		t.Run("Conn", func(t *testing.T) {
			if f.Parallel {
				t.Parallel()
			}
			testConn(t, f)
		})
	}
}

// pair is a sender and a receiver that have met.
type pair struct {
	t   *testing.T
	f   Fixture
	ctx context.Context
	u   transport.URL
	s   transport.Sender
	r   transport.Receiver
}

func meet(t *testing.T, f Fixture) *pair {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience) // cleaning up takes it, too
	t.Cleanup(cancel)
	u, err := transport.ParseURL(f.URL(t))
	if err == nil {
		err = u.Check(f.Transport)
	}
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, f: f, ctx: ctx, u: u}
	p.receiver()
	p.sender()
	return p
}

// receiver opens a receiver, in place of one that was closed. It may have to
// wait for a sender, so nothing is done with it yet.
func (p *pair) receiver() {
	p.t.Helper()
	var err error
	if p.r, err = p.f.Transport.Receiver(p.ctx, p.u, p.f.Options); err != nil {
		p.t.Fatal("receiver:", err)
	}
	r := p.r
	p.t.Cleanup(func() { _ = r.Close() })
}

func (p *pair) sender() {
	p.t.Helper()
	var err error
	if p.s, err = p.f.Transport.Sender(p.ctx, p.u, p.f.Options); err != nil {
		p.t.Fatal("sender:", err)
	}
	s := p.s
	p.t.Cleanup(func() { // before the receiver's, which may wait for it
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Close(ctx, errors.New("the test is over"))
	})
}

// message carries one record as the transport would get it from relay.
func (f Fixture) message(record []byte) transport.Message {
	if !f.Transport.Blocks {
		return transport.Message{Body: record}
	}
	body, _ := framing.Length.Append(nil, record)
	return transport.Message{Body: body, Content: transport.Lengths}
}

func (p *pair) send(records ...[]byte) {
	p.t.Helper()
	messages := make([]transport.Message, len(records))
	for i, record := range records {
		messages[i] = p.f.message(record)
	}
	if err := p.s.Send(p.ctx, messages); err != nil {
		p.t.Fatal("send:", err)
	}
}

// records are those of messages. A transport of blocks may put several in one.
func records(t *testing.T, messages []transport.Message) (all [][]byte) {
	t.Helper()
	for _, m := range messages {
		switch m.Content {
		case transport.Record:
			all = append(all, bytes.Clone(m.Body))
		case transport.Lengths:
			for rest := m.Body; len(rest) > 0; {
				var record []byte
				record, rest = framing.Length.Next(rest)
				all = append(all, bytes.Clone(framing.Length.Bare(record)))
			}
		default:
			t.Fatalf("content %v was not sent", m.Content)
		}
	}
	return all
}

// take receives n records at least, and acknowledges them.
func (p *pair) take(n int) (all [][]byte) {
	p.t.Helper()
	for len(all) < n {
		messages, err := p.r.Receive(p.ctx, n-len(all))
		if err != nil {
			p.t.Fatalf("receive: %v, after %d of %d records", err, len(all), n)
		}
		if len(messages) == 0 || len(messages) > n-len(all) {
			p.t.Fatalf("%d messages at once, 1 to %d were asked for", len(messages), n-len(all))
		}
		all = append(all, records(p.t, messages)...)
		if err := p.r.Ack(p.ctx, messages); err != nil {
			p.t.Fatal("ack:", err)
		}
	}
	return all
}

// numbered is a record that tells its number, and has every byte in it if it is
// long enough.
func numbered(n, size int) []byte {
	b := make([]byte, max(size, 8))
	binary.BigEndian.PutUint64(b, uint64(n))
	for i := 8; i < len(b); i++ {
		b[i] = byte(i * (n | 1))
	}
	return b
}

// same compares records, which may be long.
func same(t *testing.T, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("record %d: %s, want %s", i, brief(got[i]), brief(want[i]))
		}
	}
}

func brief(b []byte) string { return fmt.Sprintf("%d bytes: %x…", len(b), b[:min(len(b), 16)]) }

// inBackground runs the sender's part beside the receiver's, and waits for it.
func inBackground(t *testing.T, fn func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- fn() }()
	t.Cleanup(func() {
		select {
		case err := <-done:
			if err != nil {
				t.Error("sender:", err)
			}
		case <-time.After(patience):
			t.Error("the sender does not come to its end")
		}
	})
}

// Many records come in order, as they were.
func testOrder(t *testing.T, f Fixture) {
	p := meet(t, f)
	var want [][]byte
	for i := range 5000 {
		want = append(want, numbered(i, i%500))
	}
	inBackground(t, func() error {
		for i := 0; i < len(want); i += 50 {
			var messages []transport.Message
			for _, record := range want[i : i+50] {
				messages = append(messages, f.message(record))
			}
			if err := p.s.Send(p.ctx, messages); err != nil {
				return err
			}
		}
		return p.s.Flush(p.ctx)
	})
	same(t, p.take(len(want)), want)
}

// Records of any length come whole, one by one.
func testSizes(t *testing.T, f Fixture) {
	p := meet(t, f)
	for _, size := range []int{0, 1, 7, 4095, 4096, 4097, 65535, 65536, 1 << 20, 5_000_000, f.Largest} {
		if size > f.Largest {
			continue
		}
		record := make([]byte, size)
		for i := range record {
			record[i] = byte(i*7 + i>>8)
		}
		done := make(chan error, 1)
		go func() {
			err := p.s.Send(p.ctx, []transport.Message{f.message(record)})
			if err == nil {
				err = p.s.Flush(p.ctx)
			}
			done <- err
		}()
		same(t, p.take(1), [][]byte{record})
		if err := <-done; err != nil {
			t.Fatal("send:", err)
		}
	}
}

// What was not acknowledged comes again to the next receiver, and only that.
func testAgain(t *testing.T, f Fixture) {
	if f.NoAcks {
		t.Skip("what was taken does not come again")
	}
	p := meet(t, f)
	var want [][]byte
	for i := range 20 {
		want = append(want, numbered(i, 100))
		p.send(want[i])
	}
	same(t, p.take(10), want[:10])
	for seen := 0; seen < 5; {
		messages, err := p.r.Receive(p.ctx, 5-seen)
		if err != nil {
			t.Fatal("receive:", err)
		}
		seen += len(messages)
	}
	if err := p.r.Close(); err != nil {
		t.Error("close:", err)
	}
	p.receiver()
	again := map[string]bool{}
	for _, record := range p.take(10) {
		again[string(record)] = true
	}
	for i, record := range want {
		if again[string(record)] != (i >= 10) {
			t.Errorf("record %d: came again: %v", i, i < 10)
		}
	}
	if err := p.s.Flush(p.ctx); err != nil {
		t.Error("flush:", err)
	}
}

// The sender's end is the receiver's, after everything.
func testEnd(t *testing.T, f Fixture) {
	if f.Kept {
		t.Skip("a stream has no end")
	}
	p := meet(t, f)
	want := [][]byte{numbered(1, 10), numbered(2, 100_000), {}}
	inBackground(t, func() error {
		for _, record := range want {
			if err := p.s.Send(p.ctx, []transport.Message{f.message(record)}); err != nil {
				return err
			}
		}
		return errors.Join(p.s.Flush(p.ctx), p.s.Close(p.ctx, nil))
	})
	same(t, p.take(len(want)), want)
	if messages, err := p.r.Receive(p.ctx, 1); err != io.EOF {
		t.Errorf("then %d messages, %v", len(messages), err)
	}
}

// A sender that breaks off is not taken for one that has ended.
func testAbort(t *testing.T, f Fixture) {
	if f.NoAbort {
		t.Skip("a sender that breaks off cannot tell")
	}
	p := meet(t, f)
	p.send(numbered(1, 10))
	p.take(1)
	if err := p.s.Close(p.ctx, errors.New("no more paper")); err != nil {
		t.Error("close:", err)
	}
	_, err := p.r.Receive(p.ctx, 1)
	aborted, ok := errors.AsType[*transport.AbortedError](err)
	if !ok || aborted.Reason != "no more paper" {
		t.Errorf("got %v", err)
	}
}

// A message beyond the limit is an error before anything is sent.
func testTooLong(t *testing.T, f Fixture) {
	p := meet(t, f)
	limit := p.s.Limit()
	if limit == 0 {
		t.Skip("there is no limit")
	}
	err := p.s.Send(p.ctx, []transport.Message{f.message([]byte("before")), {Body: make([]byte, limit+1)}})
	tooLong, ok := errors.AsType[*transport.TooLongError](err)
	if !ok || tooLong.Limit != limit || tooLong.Size != limit+1 {
		t.Fatalf("got %v", err)
	}
	p.send([]byte("after"))
	same(t, p.take(1), [][]byte{[]byte("after")})
}

// A sender waits for a receiver that takes nothing, before it fills the memory.
func testBounded(t *testing.T, f Fixture) {
	if f.Kept {
		t.Skip("the broker keeps what comes")
	}
	p := meet(t, f)
	ctx, cancel := context.WithCancel(p.ctx)
	var sent int
	blocked := make(chan error, 1)
	progress := make(chan int, 1<<20)
	go func() {
		record := make([]byte, 1<<20)
		for i := 0; ; i++ {
			if err := p.s.Send(ctx, []transport.Message{f.message(record)}); err != nil {
				blocked <- err
				return
			}
			progress <- i
		}
	}()
	for quiet := false; !quiet; {
		select {
		case i := <-progress:
			if sent = i; sent > 256 {
				t.Error("it goes on sending")
				quiet = true
			}
		case <-time.After(time.Second):
			quiet = true
		}
	}
	cancel()
	if err := <-blocked; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Where nobody is, the wait ends.
func testNobody(t *testing.T, f Fixture) {
	if f.Kept {
		t.Skip("there is always the broker")
	}
	u, err := transport.ParseURL(f.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	o := f.Options
	o.Timeout = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := f.Transport.Sender(ctx, u, o)
	if err == nil {
		err = s.Send(ctx, []transport.Message{f.message([]byte("x"))})
		if err == nil {
			err = s.Flush(ctx)
		}
		_ = s.Close(ctx, errors.New("the test is over"))
	}
	if err == nil || ctx.Err() != nil {
		t.Errorf("a sender alone: %v", err)
	}
}

// The end of the context ends a Receive that waits.
func testCancel(t *testing.T, f Fixture) {
	p := meet(t, f)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(p.ctx)
	go func() {
		time.Sleep(20 * time.Millisecond)
		cancel(cause)
	}()
	if messages, err := p.r.Receive(ctx, 1); !errors.Is(err, cause) {
		t.Errorf("%d messages, %v", len(messages), err)
	}
	p.send([]byte("x"))
	same(t, p.take(1), [][]byte{[]byte("x")})
}

// A broker that restarts loses nothing that was sent, and no receiver.
func testRestart(t *testing.T, f Fixture) {
	if f.Restart == nil {
		t.Skip("there is nothing to restart")
	}
	p := meet(t, f)
	seen := map[string]bool{}
	for i := range 200 {
		p.send(numbered(i, 50))
		if i == 100 {
			f.Restart(t)
		}
	}
	if err := p.s.Flush(p.ctx); err != nil {
		t.Fatal("flush:", err)
	}
	for len(seen) < 200 { // those whose acknowledgement got lost come twice
		for _, record := range p.take(1) {
			seen[string(record)] = true
		}
	}
}
