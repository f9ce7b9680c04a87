package thrift

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	apache "github.com/apache/thrift/lib/go/thrift"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/thrift/relaythrift"
)

// fromBytes is a connection on which only in comes.
type fromBytes struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *fromBytes) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *fromBytes) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *fromBytes) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *fromBytes) SetReadDeadline(time.Time) error  { return nil }
func (c *fromBytes) SetWriteDeadline(time.Time) error { return nil }
func (c *fromBytes) Close() error                     { return nil }

// asked are the bytes of a question.
func asked(ask func(*relaythrift.RelayClient)) []byte {
	wire := &fromBytes{in: bytes.NewReader(nil)}
	p := protocol(wire, 1000)
	ask(relaythrift.NewRelayClient(apache.NewTStandardClient(p, p)))
	return wire.out.Bytes()
}

// FuzzConnection: whatever a client sends, the server comes to the end of it, and
// no line has a frame that could not be sent.
func FuzzConnection(f *testing.F) {
	frames := outward([]transport.Frame{{Kind: 40, Seq: 1, Data: []byte("data")}, {Kind: 255}})
	open := asked(func(c *relaythrift.RelayClient) { _, _ = c.Open(context.Background()) })
	write := asked(func(c *relaythrift.RelayClient) { _ = c.Write(context.Background(), 1, frames) })
	f.Add(append(open, write...))
	f.Add(write)
	f.Add(asked(func(c *relaythrift.RelayClient) { _, _ = c.Read(context.Background(), 7) }))
	f.Add([]byte("\x7f\xff\xff\xff"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const longest = 1000
		to := link.NewArrivals()
		to.End() // no call and no line is taken, but one
		known := newLine("test", longest)
		all := &lines{open: map[int64]*line{1: known}}
		taken := make(chan struct{})
		go func() {
			defer close(taken)
			for {
				f, err := known.Receive(nil)
				if err != nil {
					return
				}
				if len(f.Data) > longest {
					t.Errorf("a frame of %d bytes", len(f.Data))
				}
				if again, err := inward(outward([]transport.Frame{f})[0], longest); err != nil || again.Kind != f.Kind || again.Seq != f.Seq || !bytes.Equal(again.Data, f.Data) {
					t.Errorf("%v becomes %v, %v", f, again, err)
				}
			}
		}()
		known.out <- nil // for who reads
		c := &connection{lines: all, to: to, at: "here", peer: "there", longest: longest, opened: []*line{known}}
		ctx, cancel := context.WithCancel(t.Context())
		if bytes.Count(in, []byte("read")) > 1 {
			cancel() // a second one would wait
		}
		c.serve(ctx, &fromBytes{in: bytes.NewReader(in)})
		cancel()
		<-taken
	})
}
