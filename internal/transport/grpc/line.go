package grpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	google "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/grpc/relaypb"
	"pipeworks/internal/transport/link"
)

// lines are the service of who receives messages.
type lines struct {
	relaypb.UnimplementedLinkServer
	l *listener
	o transport.Options
}

// Line implements relaypb.LinkServer.
func (s *lines) Line(stream relaypb.Link_LineServer) error {
	c := newLine(stream, peerName(stream.Context()), s.o)
	if err := s.l.hand(stream.Context(), c); err != nil {
		return err
	}
	select {
	case <-c.closed:
	case <-stream.Context().Done():
	}
	return nil
}

// noLines are the lines of who answers calls.
type noLines struct {
	relaypb.UnimplementedLinkServer
}

func (noLines) Line(relaypb.Link_LineServer) error {
	return status.Error(codes.FailedPrecondition, "this end answers calls, and that was a message")
}

// lineDialer is a link.Dialer for messages.
func lineDialer(u transport.URL, o transport.Options) (link.Connect, error) {
	d, err := newDialer(u)
	return func(ctx context.Context) (transport.Conn, error) {
		c, err := connect(ctx, d)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		stream, err := relaypb.NewLinkClient(c).Line(ctx)
		if err != nil {
			cancel()
			c.Close()
			return nil, named(err)
		}
		return &dialed{newLine(stream, d.Address, o), stream, c, cancel}, nil
	}, err
}

// listenLines lets messages in.
func listenLines(ctx context.Context, u transport.URL, o transport.Options) (transport.Listener, error) {
	return listen(ctx, u, o, func(l *listener) {
		relaypb.RegisterLinkServer(l.server, &lines{l: l, o: o})
		relaypb.RegisterRelayServer(l.server, noCalls{})
	})
}

// stream is either end of a Line.
type stream interface {
	Send(*relaypb.Frames) error
	Recv() (*relaypb.Frames, error)
}

// lineConn is a transport.Conn over a stream of frames.
type lineConn struct {
	stream stream
	peer   string
	max    int // bytes of a frame's data

	sending sync.Mutex
	come    chan *relaypb.Frames
	frames  []*relaypb.Frame // of them, those not received yet
	recvErr error            // once come is closed
	closed  chan struct{}
	hangUp  func()
}

func newLine(s stream, peer string, o transport.Options) *lineConn {
	c := &lineConn{stream: s, peer: peer, max: o.MaxRecord, come: make(chan *relaypb.Frames), closed: make(chan struct{})}
	if c.max == 0 {
		c.max = 64 << 20
	}
	c.max += 4096
	c.hangUp = sync.OnceFunc(func() { close(c.closed) })
	go c.pump()
	return c
}

// pump receives until the stream ends, so that a Receive can be given up.
func (c *lineConn) pump() {
	defer close(c.come)
	for {
		frames, err := c.stream.Recv()
		if err != nil {
			c.recvErr = err
			return
		}
		select {
		case c.come <- frames:
		case <-c.closed: // what comes late is for nobody
		}
	}
}

// fragment is the most data of a frame that goes in one piece, and batch what a
// message holds before another is begun.
const (
	fragment = 1 << 20
	batch    = 1 << 20
)

// Send implements transport.Conn.
func (c *lineConn) Send(frames ...transport.Frame) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	message, size := &relaypb.Frames{}, 0
	add := func(f transport.Frame, data []byte, more bool) error {
		message.Frames = append(message.Frames, &relaypb.Frame{Kind: uint32(f.Kind), Seq: f.Seq, Data: data, More: more})
		size += len(data) + 16
		if size < batch {
			return nil
		}
		err := c.stream.Send(message)
		message, size = &relaypb.Frames{}, 0
		return err
	}
	for _, f := range frames {
		data := f.Data
		for ; len(data) > fragment; data = data[fragment:] {
			if err := add(f, data[:fragment], true); err != nil {
				return named(err)
			}
		}
		if err := add(f, data, false); err != nil {
			return named(err)
		}
	}
	if size == 0 {
		return nil
	}
	return named(c.stream.Send(message))
}

// Receive implements transport.Conn.
func (c *lineConn) Receive(buf []byte) (f transport.Frame, err error) {
	part, err := c.next()
	if err != nil {
		return f, err
	}
	if part.Kind > math.MaxUint8 {
		return f, fmt.Errorf("what came is no frame: its kind is %d", part.Kind)
	}
	f = transport.Frame{Kind: transport.FrameKind(part.Kind), Seq: part.Seq, Data: append(buf[:0], part.Data...)}
	for part.More {
		if part, err = c.next(); err == io.EOF {
			err = errors.New("the line broke off in a message")
		}
		if err != nil {
			return f, err
		}
		f.Data = append(f.Data, part.Data...)
		if len(f.Data) > c.max {
			break
		}
	}
	if len(f.Data) > c.max {
		return f, errors.New("a message is longer than --max-record allows")
	}
	return f, nil
}

// next is the next fragment.
func (c *lineConn) next() (*relaypb.Frame, error) {
	for len(c.frames) == 0 {
		select {
		case frames, ok := <-c.come:
			if !ok {
				return nil, named(c.recvErr)
			}
			c.frames = frames.Frames
		case <-c.closed:
			return nil, errClosed
		}
	}
	part := c.frames[0]
	c.frames = c.frames[1:]
	return part, nil
}

var errClosed = errors.New("the line is closed")

func (c *lineConn) Peer() string { return c.peer }

// Close implements transport.Conn. Of who listens it ends the stream behind
// what was sent.
func (c *lineConn) Close() error {
	c.hangUp()
	return nil
}

// dialed is the end of a line that was dialled.
type dialed struct {
	*lineConn
	stream relaypb.Link_LineClient
	conn   *google.ClientConn
	cancel context.CancelFunc
}

// Close implements transport.Conn. What was sent arrives, if the other side
// still takes it.
func (d *dialed) Close() error {
	d.hangUp()
	late := time.AfterFunc(lastWords, d.cancel)
	defer late.Stop()
	if d.sending.TryLock() {
		_ = d.stream.CloseSend()
		d.sending.Unlock()
	} else {
		d.cancel()
	}
	for range d.come { // until the other side has hung up
	}
	d.cancel()
	return d.conn.Close()
}

// named leaves of an error of a stream what happened.
func named(err error) error {
	s, ok := status.FromError(err)
	switch {
	case err == nil, err == io.EOF:
		return err
	case ok && s.Code() == codes.FailedPrecondition, ok && s.Code() == codes.Unimplemented:
		return link.Permanent(errors.New(s.Message()))
	case ok && s.Code() == codes.Unavailable:
		return errors.New("the other side is gone: " + s.Message())
	case ok:
		return errors.New(s.Message())
	}
	return err
}
