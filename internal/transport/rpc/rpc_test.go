package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"pipeworks/internal/transport"
)

// serve answers one call, in the background. The function it returns waits for
// its end.
func serve(ctx context.Context, h Handler) (conn transport.Conn, ended func() error) {
	near, far := Pair("caller", "server")
	end := make(chan error, 1)
	go func() { end <- Serve(ctx, far, h) }()
	return near, func() error { return <-end }
}

func cat(_ context.Context, in *Incoming) Exit {
	if _, err := io.Copy(in.Stdout, in.Stdin); err != nil {
		return Exit{Status: 1}
	}
	return Exit{}
}

func TestCall(t *testing.T) {
	conn, ended := serve(t.Context(), func(_ context.Context, in *Incoming) Exit {
		text, err := io.ReadAll(in.Stdin)
		if err != nil {
			t.Error(err)
		}
		in.Waiting(3)
		fmt.Fprintf(in.Stdout, "%s asks %s", in.Peer, text)
		fmt.Fprint(in.Stderr, "a message")
		return Exit{Status: 7, Times: Times{Run: time.Second}}
	})
	var out, messages strings.Builder
	before := 0
	e, trace, err := Call(t.Context(), conn, Request{
		Stdin: strings.NewReader("why"), Stdout: &out, Stderr: &messages, Waiting: func(n int) { before = n },
	})
	if err != nil || e.Status != 7 || out.String() != "caller asks why" || messages.String() != "a message" || before != 3 {
		t.Errorf("status %d, %q, %q, %d before, %v", e.Status, out.String(), messages.String(), before, err)
	}
	if e.Times.Run != time.Second || e.Times.Receive == 0 || e.Times.Send == 0 || trace.Send == 0 || trace.Handshake == 0 {
		t.Errorf("times %+v, %+v", e.Times, trace)
	}
	if err := ended(); err != nil {
		t.Error(err)
	}
}

// Long streams run both ways at once, and neither side holds more than windows
// of them.
func TestStreams(t *testing.T) {
	const size = 16 << 20
	conn, ended := serve(t.Context(), cat)
	in, out := crc32.NewIEEE(), crc32.NewIEEE()
	random := io.LimitReader(rand.NewChaCha8([32]byte{1}), size)
	var n counter
	e, _, err := Call(t.Context(), conn, Request{Stdin: io.TeeReader(random, in), Stdout: io.MultiWriter(out, &n), Stderr: io.Discard})
	if err != nil || e.Status != 0 || n != size || in.Sum32() != out.Sum32() {
		t.Errorf("status %d, %d bytes, %x for %x, %v", e.Status, n, out.Sum32(), in.Sum32(), err)
	}
	if err := ended(); err != nil {
		t.Error(err)
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// A caller that does not read its answer stops the handler, not the line: what
// it asks meanwhile, and the messages of the handler, pass.
func TestBackpressure(t *testing.T) {
	var written atomic.Int64
	var asked atomic.Int64
	told := make(chan struct{})
	conn, ended := serve(t.Context(), func(_ context.Context, in *Incoming) Exit {
		n, err := io.ReadFull(in.Stdin, make([]byte, 3*window))
		if err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		go func() {
			<-told
			_, _ = io.WriteString(in.Stderr, "a message")
		}()
		for range 8 * window / 1024 {
			n, err := in.Stdout.Write(make([]byte, 1024))
			written.Add(int64(n))
			if err != nil {
				t.Error(err)
			}
			if written.Load() == window {
				close(told)
			}
		}
		return Exit{}
	})
	reading, message := make(chan struct{}), make(chan struct{})
	var n counter
	go func() {
		<-message
		if w := written.Load(); w > 3*window { // one there, two here
			t.Errorf("%d bytes of the answer were written for nobody", w)
		}
		close(reading)
	}()
	endless := readerFunc(func(p []byte) (int, error) {
		asked.Add(int64(len(p)))
		return len(p), nil
	})
	_, _, err := Call(t.Context(), conn, Request{
		Stdin: endless,
		Stdout: writerFunc(func(p []byte) (int, error) {
			<-reading
			return n.Write(p)
		}),
		Stderr: writerFunc(func(p []byte) (int, error) {
			close(message)
			return len(p), nil
		}),
	})
	if err != nil || n != 8*window {
		t.Errorf("%d bytes, %v", n, err)
	}
	if a := asked.Load(); a > 6*window {
		t.Errorf("%d bytes were asked that nobody reads", a)
	}
	if err := ended(); err != nil {
		t.Error(err)
	}
}

type (
	readerFunc func([]byte) (int, error)
	writerFunc func([]byte) (int, error)
)

func (f readerFunc) Read(p []byte) (int, error)  { return f(p) }
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// untilCancelled answers with a line, and then with nothing for as long as
// anybody waits.
func untilCancelled(causes chan<- error) Handler {
	return func(ctx context.Context, in *Incoming) Exit {
		fmt.Fprintln(in.Stdout, "begun")
		<-ctx.Done()
		_, err := io.Copy(io.Discard, in.Stdin)
		causes <- err
		fmt.Fprint(in.Stderr, "last words")
		return Exit{Status: 143}
	}
}

// Every way to lose interest reaches the handler, whose request has no end then,
// and every end of the handler the caller.
func TestCancel(t *testing.T) {
	stopped, broken := errors.New("told to stop"), errors.New("broken")
	for _, tt := range []struct {
		name   string
		stdin  io.Reader                                // nil: one that never ends
		stdout func(stop context.CancelCauseFunc) error // when the first line has come
		limit  time.Duration
		want   error // of the caller
		cause  error // of the handler
	}{
		{name: "caller stopped", stdout: func(stop context.CancelCauseFunc) error { stop(stopped); return nil }, want: stopped, cause: errCancelled},
		{name: "output closed", stdout: func(context.CancelCauseFunc) error { return broken }, want: broken, cause: errCancelled},
		{name: "input broken", stdin: iotest.ErrReader(broken), want: broken, cause: errCancelled},
		{name: "too late", limit: time.Millisecond, want: &LateError{time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			causes := make(chan error, 1)
			conn, ended := serve(t.Context(), untilCancelled(causes))
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			stdin, never := io.Pipe()
			defer never.Close()
			var messages strings.Builder
			r := Request{Stdin: stdin, Stdout: io.Discard, Stderr: &messages, Timeout: tt.limit}
			if tt.stdin != nil {
				r.Stdin = tt.stdin
			}
			if tt.stdout != nil {
				r.Stdout = writerFunc(func(p []byte) (int, error) { return len(p), tt.stdout(stop) })
			}
			_, _, err := Call(ctx, conn, r)
			if err == nil || err.Error() != tt.want.Error() {
				t.Errorf("the call ended with %v, want %v", err, tt.want)
			}
			if cause := <-causes; cause == nil || tt.cause != nil && cause != tt.cause {
				t.Errorf("the handler's request ended with %v, want %v", cause, tt.cause)
			}
			if err := ended(); err != nil {
				t.Error(err)
			}
			if messages.String() != "last words" {
				t.Errorf("the handler's messages are %q", messages.String())
			}
		})
	}
}

// The caller learns why a server stops, and that it is gone.
func TestServerEnds(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	conn, ended := serve(ctx, untilCancelled(make(chan error, 1)))
	stdin, never := io.Pipe()
	defer never.Close()
	r := Request{Stdin: stdin, Stderr: io.Discard, Stdout: writerFunc(func(p []byte) (int, error) {
		stop(errors.New("the server was stopped"))
		return len(p), nil
	})}
	_, _, err := Call(t.Context(), conn, r)
	if _, is := errors.AsType[*StoppedError](err); !is || err.Error() != "the server was stopped" {
		t.Errorf("got %v", err)
	}
	if err := ended(); err != nil {
		t.Error(err)
	}

	conn, far := Pair("caller", "server")
	go func() {
		_, _ = far.Receive(nil)
		_ = far.Send(transport.Frame{Kind: output, Data: []byte("half an answer")})
		far.Close()
	}()
	var out strings.Builder
	r.Stdout = &out
	if _, _, err = Call(t.Context(), conn, r); !errors.Is(err, ErrGone) || out.String() != "half an answer" {
		t.Errorf("got %v and %q", err, out.String())
	}
}

// A caller that hangs up has sent no whole request.
func TestCallerGone(t *testing.T) {
	conn, ended := serve(t.Context(), func(ctx context.Context, in *Incoming) Exit {
		text, err := io.ReadAll(in.Stdin)
		if string(text) != "half a request" || err != errHungUp {
			t.Errorf("the request is %q, %v", text, err)
		}
		<-ctx.Done()
		return Exit{}
	})
	_ = conn.Send(transport.Frame{Kind: begin, Data: []byte(`{"version":1}`)}, transport.Frame{Kind: input, Data: []byte("half a request")})
	if f, err := conn.Receive(nil); f.Kind != welcome || err != nil {
		t.Errorf("%v, %v", f, err)
	}
	conn.Close()
	if err := ended(); !errors.Is(err, errHungUp) {
		t.Errorf("got %v", err)
	}
}

// What is no call, or one of another version, is refused with the reason.
func TestRefused(t *testing.T) {
	for _, f := range []transport.Frame{
		{Kind: 1, Data: []byte("hello")},
		{Kind: begin, Data: []byte(`{"version":2}`)},
		{Kind: begin, Data: []byte("garbage")},
		{Kind: exit},
	} {
		conn, ended := serve(t.Context(), cat)
		_ = conn.Send(f)
		answer, err := conn.Receive(nil)
		if answer.Kind != refuse || len(answer.Data) == 0 || err != nil {
			t.Errorf("%v: answered with %v, %v", f, answer, err)
		}
		if err := ended(); err == nil || err.Error() != string(answer.Data) {
			t.Errorf("%v: %v", f, err)
		}
	}
	conn, far := Pair("caller", "server")
	go func() {
		_, _ = far.Receive(nil)
		_ = far.Send(transport.Frame{Kind: refuse, Data: []byte("messages are received here")})
	}()
	_, _, err := Call(t.Context(), conn, Request{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard})
	if err == nil || err.Error() != "messages are received here" {
		t.Errorf("got %v", err)
	}
}

// Whatever a caller sends, the server comes to an end, gives the handler no
// bytes but those of the input, and takes it for whole only at its end.
func FuzzServe(f *testing.F) {
	f.Add([]byte("\x20{\"version\":1}\n\x23abc\n\x24\n"))
	f.Add([]byte("\x20{\"version\":1}\n\x23abc\n\x29\n\x23def\n"))
	f.Add([]byte("\x20{\"version\":1,\"timeout\":1}\n\x23abc\n\x28\x25\n"))
	f.Add([]byte("\x01\n"))
	f.Fuzz(func(t *testing.T, script []byte) {
		var want []byte
		whole, begun, sense := false, false, true
		var frames []transport.Frame
		for i, text := range bytes.Split(script, []byte("\n")) {
			if len(text) == 0 {
				continue
			}
			fr := transport.Frame{Kind: transport.FrameKind(text[0]), Seq: uint64(len(text)), Data: text[1:]}
			frames = append(frames, fr)
			begun = begun || i == 0 && fr.Kind == begin
			sense = sense && (i == 0 || fr.Kind == input && !whole || fr.Kind == end || fr.Kind == cancel)
			if begun && sense && fr.Kind == input {
				want = append(want, fr.Data...)
			}
			whole = whole || begun && sense && fr.Kind == end
		}
		var got []byte
		var readErr error
		conn, ended := serve(t.Context(), func(_ context.Context, in *Incoming) Exit {
			got, readErr = io.ReadAll(in.Stdin)
			return Exit{}
		})
		go func() {
			for _, fr := range frames {
				if conn.Send(fr) != nil {
					return
				}
			}
			conn.Close()
		}()
		_ = ended()
		if !bytes.HasPrefix(want, got) || readErr == nil && len(got) > 0 && !whole {
			t.Errorf("%q became the request %q, %v", script, got, readErr)
		}
	})
}
