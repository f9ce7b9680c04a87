package grpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/grpc/relaypb"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/rpc"
)

// A call is relay's own protocol at both ends, over a line within the process,
// and the published service between them. HTTP/2's flow control is in the place
// of relay's.

// listenCalls lets calls in.
func listenCalls(ctx context.Context, u transport.URL, o transport.Options) (transport.Listener, error) {
	return listen(ctx, u, o, func(l *listener) {
		relaypb.RegisterRelayServer(l.server, &calls{l: l})
		relaypb.RegisterLinkServer(l.server, noLines{})
	})
}

// calls are the service of who answers calls.
type calls struct {
	relaypb.UnimplementedRelayServer
	l *listener
}

// Call implements relaypb.RelayServer.
func (s *calls) Call(stream relaypb.Relay_CallServer) error {
	a := &answers{stream: stream}
	e, err := s.call(stream.Context(), rpc.Request{
		Stdin:  &requests{stream: stream},
		Stdout: a.writer(func(p []byte) *relaypb.Answer { return &relaypb.Answer{Part: &relaypb.Answer_Stdout{Stdout: p}} }),
		Stderr: a.writer(func(p []byte) *relaypb.Answer { return &relaypb.Answer{Part: &relaypb.Answer_Stderr{Stderr: p}} }),
		Waiting: func(before int) {
			_ = a.send(&relaypb.Answer{Part: &relaypb.Answer_Waiting{Waiting: uint32(before)}})
		},
	})
	switch {
	case stream.Context().Err() != nil:
		return status.FromContextError(stream.Context().Err()).Err()
	case err != nil && e.Error == "":
		e.Status, e.Error = 1, err.Error()
	}
	return a.send(&relaypb.Answer{Part: &relaypb.Answer_Exit{Exit: exitOut(e)}})
}

// call makes a call of whoever accepts the other end of a line.
func (s *calls) call(ctx context.Context, r rpc.Request) (rpc.Exit, error) {
	near, far := rpc.Pair(peerName(ctx), s.l.Addr())
	if err := s.l.hand(ctx, far); err != nil {
		return rpc.Exit{}, err
	}
	e, _, err := rpc.Call(ctx, near, r)
	return e, err
}

// requests are the standard input in the requests of a stream.
type requests struct {
	stream relaypb.Relay_CallServer
	rest   []byte
}

// Read implements io.Reader.
func (r *requests) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		request, err := r.stream.Recv()
		if err != nil {
			return 0, err
		}
		r.rest = request.Data
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// answers are those of a stream, which several send.
type answers struct {
	mu     sync.Mutex
	stream relaypb.Relay_CallServer
}

func (a *answers) send(answer *relaypb.Answer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stream.Send(answer)
}

func (a *answers) writer(answer func([]byte) *relaypb.Answer) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		if err := a.send(answer(p)); err != nil {
			return 0, err
		}
		return len(p), nil
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Run implements relaypb.RelayServer.
func (s *calls) Run(ctx context.Context, in *relaypb.Input) (*relaypb.Output, error) {
	out, messages := &limited{}, &limited{}
	e, err := s.call(ctx, rpc.Request{Stdin: bytes.NewReader(in.Stdin), Stdout: out, Stderr: messages})
	switch {
	case ctx.Err() != nil:
		return nil, status.FromContextError(ctx.Err()).Err()
	case errors.Is(err, errLong), messages.Len()+out.Len() > maxAnswer:
		return nil, status.Error(codes.ResourceExhausted, errLong.Error())
	case err != nil:
		return nil, status.Error(codes.Aborted, err.Error())
	case e.Status != 0:
		return nil, status.Errorf(codes.Aborted, "exit status %d: %s", e.Status, tail(messages.String()))
	}
	return &relaypb.Output{Stdout: out.Bytes(), Stderr: messages.Bytes()}, nil
}

// maxAnswer leaves room for what is around it in a message.
const maxAnswer = maxMessage - 1024

var errLong = fmt.Errorf("the answer is longer than %d bytes: Call streams it", maxAnswer)

// limited is a buffer for what fits into a message.
type limited struct{ bytes.Buffer }

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxAnswer {
		return 0, errLong
	}
	return l.Buffer.Write(p)
}

// tail is the end of messages, as much as fits into a header.
func tail(messages string) string {
	messages = strings.TrimSpace(messages)
	return messages[max(0, len(messages)-2048):]
}

// callDialer is a link.Dialer for a call each.
func callDialer(u transport.URL, _ transport.Options) (link.Connect, error) {
	d, err := newDialer(u)
	return func(ctx context.Context) (transport.Conn, error) {
		c, err := connect(ctx, d)
		if err != nil {
			return nil, err
		}
		near, far := rpc.Pair("relay call", d.Address)
		go func() {
			defer c.Close()
			_ = rpc.Serve(context.WithoutCancel(ctx), far, func(ctx context.Context, in *rpc.Incoming) rpc.Exit {
				return forward(ctx, relaypb.NewRelayClient(c), in)
			})
		}()
		return near, nil
	}, err
}

// forward lets a server answer a call.
func forward(ctx context.Context, client relaypb.RelayClient, in *rpc.Incoming) rpc.Exit {
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	stream, err := client.Call(ctx)
	if err != nil {
		return failed(err)
	}
	go func() {
		_, err := io.Copy(writerFunc(func(p []byte) (int, error) {
			return len(p), stream.Send(&relaypb.Request{Data: p})
		}), in.Stdin)
		if err == nil { // else it is no whole request
			_ = stream.CloseSend()
		}
	}()
	for {
		answer, err := stream.Recv()
		if status.Code(err) == codes.DeadlineExceeded { // the server's clock was ahead, and ours says it better
			select {
			case <-ctx.Done():
			case <-time.After(lastWords):
			}
		}
		if err != nil {
			return failed(err)
		}
		switch part := answer.Part.(type) {
		case *relaypb.Answer_Stdout:
			_, err = in.Stdout.Write(part.Stdout)
		case *relaypb.Answer_Stderr:
			_, err = in.Stderr.Write(part.Stderr)
		case *relaypb.Answer_Waiting:
			in.Waiting(int(part.Waiting))
		case *relaypb.Answer_Exit:
			return exitIn(part.Exit)
		}
		if err != nil {
			return failed(err)
		}
	}
}

// failed is a call of which the server has not said how it ended.
func failed(err error) rpc.Exit {
	e := rpc.Exit{Status: 1}
	s, _ := status.FromError(err)
	switch {
	case err == io.EOF:
		e.Error = rpc.ErrGone.Error()
	case s.Code() == codes.Unavailable:
		e.Error = rpc.ErrGone.Error() + ": " + s.Message()
	case s.Code() == codes.Unimplemented:
		e.Error = "the server has no service pipeworks.relay.v1.Relay"
	default:
		e.Error = s.Message()
	}
	return e
}

func exitOut(e rpc.Exit) *relaypb.Exit {
	t := e.Times
	return &relaypb.Exit{
		Status: int32(e.Status), Error: e.Error, Hint: e.Hint,
		Times: &relaypb.Times{Receive: int64(t.Receive), Dispatch: int64(t.Dispatch), Run: int64(t.Run), Pack: int64(t.Marshal), Send: int64(t.Send)},
	}
}

func exitIn(e *relaypb.Exit) rpc.Exit {
	t := e.GetTimes()
	return rpc.Exit{
		Status: int(e.GetStatus()), Error: e.GetError(), Hint: e.GetHint(),
		Times: rpc.Times{
			Receive: time.Duration(t.GetReceive()), Dispatch: time.Duration(t.GetDispatch()), Run: time.Duration(t.GetRun()),
			Marshal: time.Duration(t.GetPack()), Send: time.Duration(t.GetSend()),
		},
	}
}

// noCalls are the calls of who receives messages.
type noCalls struct {
	relaypb.UnimplementedRelayServer
}

var errNoCalls = status.Error(codes.FailedPrecondition, "this end receives messages, and that was a call")

func (noCalls) Call(relaypb.Relay_CallServer) error { return errNoCalls }

func (noCalls) Run(context.Context, *relaypb.Input) (*relaypb.Output, error) { return nil, errNoCalls }
