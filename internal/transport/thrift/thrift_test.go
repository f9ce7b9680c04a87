package thrift

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	apache "github.com/apache/thrift/lib/go/thrift"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/conformance"
	"pipeworks/internal/transport/rpc"
	"pipeworks/internal/transport/thrift/relaythrift"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Fixture{Transport: Transport, URL: func(t *testing.T) string {
		socket, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		return "thrift://" + socket.Addr().String()
	}})
}

// answering serves calls by h for the time of a test.
func answering(t *testing.T, h rpc.Handler) transport.URL {
	t.Helper()
	l, err := Transport.Listen(t.Context(), transport.URL{Scheme: "thrift", Host: "127.0.0.1:0"}, transport.Options{})
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

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestCall(t *testing.T) {
	causes := make(chan error, 1)
	u := answering(t, func(ctx context.Context, in *rpc.Incoming) rpc.Exit {
		fmt.Fprint(in.Stderr, "a message")
		_, err := io.Copy(in.Stdout, in.Stdin)
		causes <- err
		return rpc.Exit{Status: 7}
	})
	in := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(in)
	var out, messages bytes.Buffer
	conn, err := Transport.Dial(t.Context(), u, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, _, err := rpc.Call(t.Context(), conn, rpc.Request{Stdin: bytes.NewReader(in), Stdout: &out, Stderr: &messages})
	if err != nil || e.Status != 7 || messages.String() != "a message" || !bytes.Equal(in, out.Bytes()) {
		t.Errorf("%+v, %q, %d bytes, %v", e, messages.String(), out.Len(), err)
	}
	if err := <-causes; err != nil {
		t.Error(err)
	}

	if conn, err = Transport.Dial(t.Context(), u, transport.Options{}); err != nil {
		t.Fatal(err)
	}
	stdin, ask := io.Pipe()
	defer ask.Close()
	go fmt.Fprint(ask, "half a request")
	full := errors.New("the disk is full")
	_, _, err = rpc.Call(t.Context(), conn, rpc.Request{Stdin: stdin, Stderr: io.Discard, Stdout: writerFunc(func([]byte) (int, error) { return 0, full })})
	if err != full {
		t.Errorf("got %v", err)
	}
	if err := <-causes; err == nil {
		t.Error("half a request was taken for whole")
	}
}

// A client of somebody's own.
func TestRun(t *testing.T) {
	u := answering(t, func(ctx context.Context, in *rpc.Incoming) rpc.Exit {
		text, _ := io.ReadAll(in.Stdin)
		switch string(text) {
		case "fail":
			fmt.Fprintln(in.Stdout, "half an answer")
			fmt.Fprintln(in.Stderr, "no such table")
			return rpc.Exit{Status: 3}
		case "sleep":
			<-ctx.Done()
		}
		fmt.Fprintf(in.Stdout, "answer to %s", text)
		return rpc.Exit{}
	})
	wire, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	limits := &apache.TConfiguration{}
	p := apache.NewTCompactProtocolConf(apache.NewTFramedTransportConf(apache.NewTSocketFromConnConf(wire, limits), limits), limits)
	c := relaythrift.NewRelayClient(apache.NewTStandardClient(p, p))
	answer, err := c.Run(t.Context(), []byte("a question"), 0)
	if err != nil || string(answer.Output) != "answer to a question" {
		t.Errorf("%v, %v", answer, err)
	}
	for text, want := range map[string]relaythrift.Failed{
		"fail":  {Status: 3, Message: "no such table"},
		"sleep": {Status: 1, Message: "the call took longer than 50ms"},
	} {
		limit := int64(0)
		if text == "sleep" {
			limit = 50
		}
		_, err := c.Run(t.Context(), []byte(text), limit)
		if failed, ok := errors.AsType[*relaythrift.Failed](err); !ok || *failed != want {
			t.Errorf("%s: got %v, want %v", text, err, want)
		}
	}
}

func TestMistakes(t *testing.T) {
	u := answering(t, nil)
	wire, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	fmt.Fprint(wire, "GET / HTTP/1.1\r\n\r\n") // is hung up on
	if _, err := io.ReadAll(wire); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
	if _, err := Transport.Sender(t.Context(), u, transport.Options{}); err == nil || !strings.Contains(err.Error(), "this end answers calls") {
		t.Errorf("a message to a server: %v", err)
	}
	_, err = Transport.Dial(t.Context(), transport.URL{Scheme: "thrift", Host: "127.0.0.1:1"}, transport.Options{Timeout: time.Millisecond})
	if err == nil || err.Error() != "thrift://127.0.0.1:1: waited 1ms: nobody listens there (connection refused)" {
		t.Errorf("got %v", err)
	}
}
