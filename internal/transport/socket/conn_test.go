package socket

import (
	"bytes"
	"io"
	"net"
	"testing"

	"pipeworks/internal/transport"
)

// sent is what conn.Send writes.
func sent(t testing.TB, frames ...transport.Frame) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(theirs)
		done <- all
	}()
	if err := NewConn(ours, "", 0).Send(frames...); err != nil {
		t.Fatal(err)
	}
	ours.Close()
	return <-done
}

// readOnly is a connection from which only in comes.
type readOnly struct {
	io.WriteCloser
	in io.Reader
}

func (r readOnly) Read(p []byte) (int, error) { return r.in.Read(p) }

// FuzzReceive: whatever comes, a frame is as long as allowed, and is sent as the
// bytes that it came in.
func FuzzReceive(f *testing.F) {
	f.Add(sent(f, transport.Frame{Kind: 1, Seq: 2, Data: []byte("data")}, transport.Frame{Kind: 255}))
	f.Add(sent(f, transport.Frame{Kind: 16, Data: bytes.Repeat([]byte("x"), smallFrame+1)}))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte(preamble + "\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte(preamble + "\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 1000
		c := NewConn(readOnly{in: bytes.NewReader(in)}, "", limit)
		var frames []transport.Frame
		for {
			frame, err := c.Receive(nil)
			if err != nil {
				break
			}
			if len(frame.Data) > limit+4096 {
				t.Fatalf("%d bytes", len(frame.Data))
			}
			frames = append(frames, frame)
		}
		if len(frames) > 0 && !bytes.HasPrefix(in, sent(t, frames...)) {
			t.Errorf("%q came, and is sent as %q", in, sent(t, frames...))
		}
	})
}
