package grpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	google "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/conformance"
	"pipeworks/internal/transport/grpc/relaypb"
	"pipeworks/internal/transport/rpc"
)

var anywhere = transport.URL{Scheme: "grpc", Host: "127.0.0.1:0"}

// freePort is where nobody listens.
func freePort(t *testing.T) transport.URL {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	return transport.URL{Scheme: "grpc", Host: socket.Addr().String()}
}

// answering serves calls by h for the time of a test.
func answering(t *testing.T, h rpc.Handler) transport.URL {
	t.Helper()
	l, err := Transport.Listen(t.Context(), anywhere, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go func() { _ = rpc.Serve(context.Background(), conn, h) }()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	u, err := transport.ParseURL(l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func call(t *testing.T, u transport.URL, r rpc.Request) (rpc.Exit, error) {
	t.Helper()
	conn, err := Transport.Dial(t.Context(), u, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Stderr == nil {
		r.Stderr = io.Discard
	}
	e, _, err := rpc.Call(t.Context(), conn, r)
	return e, err
}

func TestCall(t *testing.T) {
	u := answering(t, func(_ context.Context, in *rpc.Incoming) rpc.Exit {
		in.Waiting(2)
		fmt.Fprint(in.Stderr, "a message")
		if _, err := io.Copy(in.Stdout, in.Stdin); err != nil {
			t.Error(err)
		}
		return rpc.Exit{Status: 7, Times: rpc.Times{Run: time.Second}}
	})
	const size = 8 << 20 // more than a message or a window
	in := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(in)
	var out, messages bytes.Buffer
	before := 0
	e, err := call(t, u, rpc.Request{Stdin: bytes.NewReader(in), Stdout: &out, Stderr: &messages, Waiting: func(n int) { before = n }})
	if err != nil || e.Status != 7 || e.Times.Run != time.Second || e.Times.Receive == 0 || before != 2 || messages.String() != "a message" {
		t.Errorf("%+v, %d before, %q, %v", e, before, messages.String(), err)
	}
	if !bytes.Equal(in, out.Bytes()) {
		t.Errorf("%d bytes came back otherwise, as %d", size, out.Len())
	}
}

// A caller that does not read its answer holds up the command, and nothing else.
func TestBackpressure(t *testing.T) {
	blocked := make(chan struct{})
	u := answering(t, func(ctx context.Context, in *rpc.Incoming) rpc.Exit {
		go func() {
			for n := 0; ; {
				m, err := in.Stdout.Write(make([]byte, 1<<20))
				if n += m; err != nil {
					return
				}
				if n > 16<<20 {
					t.Error("16 MiB were written for nobody")
					return
				}
			}
		}()
		<-ctx.Done()
		return rpc.Exit{}
	})
	ctx, stop := context.WithCancelCause(t.Context())
	conn, err := Transport.Dial(t.Context(), u, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("told to stop")
	_, _, err = rpc.Call(ctx, conn, rpc.Request{Stdin: endless{}, Stderr: io.Discard, Stdout: writerFunc(func([]byte) (int, error) {
		time.AfterFunc(100*time.Millisecond, func() { stop(stopped) })
		<-blocked
		return 0, io.ErrClosedPipe
	})})
	close(blocked)
	if err != stopped {
		t.Errorf("got %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// The end of a call reaches the other side, whichever wants it.
func TestCancel(t *testing.T) {
	causes := make(chan error, 1)
	u := answering(t, func(ctx context.Context, in *rpc.Incoming) rpc.Exit {
		fmt.Fprint(in.Stdout, "begun")
		<-ctx.Done()
		_, err := io.Copy(io.Discard, in.Stdin)
		causes <- err
		return rpc.Exit{}
	})
	stdin, never := io.Pipe()
	defer never.Close()
	full := errors.New("the disk is full")
	_, err := call(t, u, rpc.Request{Stdin: stdin, Stdout: writerFunc(func([]byte) (int, error) { return 0, full })})
	if err != full {
		t.Errorf("got %v", err)
	}
	if err := <-causes; err == nil {
		t.Error("half a request was taken for whole")
	}
	_, err = call(t, u, rpc.Request{Stdin: stdin, Stdout: io.Discard, Timeout: 200 * time.Millisecond})
	if late := (&rpc.LateError{After: 200 * time.Millisecond}); err == nil || err.Error() != late.Error() {
		t.Errorf("got %v", err)
	}
	if err := <-causes; err == nil {
		t.Error("half a request was taken for whole")
	}
}

func client(t *testing.T, u transport.URL) relaypb.RelayClient {
	t.Helper()
	c, err := google.NewClient(u.Host, google.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return relaypb.NewRelayClient(c)
}

// A client of somebody's own, with the whole request in one message.
func TestRun(t *testing.T) {
	u := answering(t, func(_ context.Context, in *rpc.Incoming) rpc.Exit {
		text, err := io.ReadAll(in.Stdin)
		switch {
		case err != nil:
			t.Error(err)
		case string(text) == "fail":
			fmt.Fprintln(in.Stdout, "half an answer")
			fmt.Fprintln(in.Stderr, "ERROR 1146 (42S02): no such table")
			return rpc.Exit{Status: 1}
		case string(text) == "long":
			for err == nil {
				_, err = in.Stdout.Write(make([]byte, 1<<20))
			}
			return rpc.Exit{}
		}
		fmt.Fprintf(in.Stdout, "answer to %s", text)
		fmt.Fprint(in.Stderr, "note")
		return rpc.Exit{}
	})
	c := client(t, u)
	out, err := c.Run(t.Context(), &relaypb.Input{Stdin: []byte("a question")})
	if err != nil || string(out.Stdout) != "answer to a question" || string(out.Stderr) != "note" {
		t.Errorf("%v, %v", out, err)
	}
	for text, want := range map[string]error{
		"fail": status.Error(codes.Aborted, "exit status 1: ERROR 1146 (42S02): no such table"),
		"long": status.Error(codes.ResourceExhausted, errLong.Error()),
	} {
		if _, err := c.Run(t.Context(), &relaypb.Input{Stdin: []byte(text)}); err == nil || err.Error() != want.Error() {
			t.Errorf("%s: got %v, want %v", text, err, want)
		}
	}
}

// shouting is a server of somebody's own.
type shouting struct {
	relaypb.UnimplementedRelayServer
}

func (shouting) Call(stream relaypb.Relay_CallServer) error {
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return stream.Send(&relaypb.Answer{Part: &relaypb.Answer_Exit{Exit: &relaypb.Exit{Status: 3}}})
		}
		if err != nil || string(request.Data) == "fail" {
			return status.Error(codes.Internal, "broken")
		}
		if string(request.Data) == "forget" {
			return nil
		}
		if err := stream.Send(&relaypb.Answer{Part: &relaypb.Answer_Stdout{Stdout: bytes.ToUpper(request.Data)}}); err != nil {
			return err
		}
	}
}

func TestForeignServer(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := google.NewServer()
	relaypb.RegisterRelayServer(s, shouting{})
	go s.Serve(socket) //nolint:errcheck // it ends with Stop
	defer s.Stop()
	u := transport.URL{Scheme: "grpc", Host: socket.Addr().String()}
	for text, want := range map[string]string{"hello": "HELLO 3 <nil>", "fail": " 1 broken", "forget": " 1 " + rpc.ErrGone.Error()} {
		var out strings.Builder
		e, err := call(t, u, rpc.Request{Stdin: strings.NewReader(text), Stdout: &out})
		if got := fmt.Sprint(out.String(), " ", e.Status, " ", err); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// What goes to the wrong end, or to no end of ours, says why.
func TestMistakes(t *testing.T) {
	elsewhere := freePort(t)
	receiver, err := Transport.Receiver(t.Context(), elsewhere, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	nothing := rpc.Request{Stdin: strings.NewReader(""), Stdout: io.Discard}
	if _, err := call(t, elsewhere, nothing); err == nil || err.Error() != "this end receives messages, and that was a call" {
		t.Errorf("a call to a receiver: %v", err)
	}
	server := answering(t, nil)
	if _, err := Transport.Sender(t.Context(), server, transport.Options{}); err == nil || err.Error() != "this end answers calls, and that was a message" {
		t.Errorf("a message to a server: %v", err)
	}
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	if _, err := call(t, transport.URL{Scheme: "grpc", Host: web.Listener.Addr().String()}, nothing); err == nil || !errors.Is(err, rpc.ErrGone) && !strings.Contains(err.Error(), "server preface") {
		t.Errorf("a call to a web server: %v", err)
	}
	for host, want := range map[string]string{
		"127.0.0.1:1": "grpc://127.0.0.1:1: waited 1ms: nobody listens there (connection refused)",
		"no..host:9":  "unknown host no..host", // for which no name server is needed
		"127.0.0.1":   "grpc://127.0.0.1: it is written grpc://HOST:PORT",
	} {
		_, err := Transport.Dial(t.Context(), transport.URL{Scheme: "grpc", Host: host}, transport.Options{Timeout: time.Millisecond})
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v", host, err)
		}
	}
}

func TestConformance(t *testing.T) {
	messages := Transport
	messages.Dial, messages.Listen = nil, nil // whose lines carry calls, and no other frames
	conformance.Run(t, conformance.Fixture{Transport: messages, URL: func(t *testing.T) string { return freePort(t).String() }})
}
