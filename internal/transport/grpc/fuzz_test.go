package grpc

import (
	"bytes"
	"io"
	"testing"

	"google.golang.org/protobuf/proto"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/grpc/relaypb"
)

// messages is a stream of what was sent.
type messages struct{ all []*relaypb.Frames }

func (m *messages) Send(f *relaypb.Frames) error {
	m.all = append(m.all, proto.CloneOf(f))
	return nil
}

func (m *messages) Recv() (*relaypb.Frames, error) {
	if len(m.all) == 0 {
		return nil, io.EOF
	}
	f := m.all[0]
	m.all = m.all[1:]
	return f, nil
}

func packed(t testing.TB, m *relaypb.Frames) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzLine: whatever a message holds, a frame is as long as allowed, and is sent
// as one that comes again.
func FuzzLine(f *testing.F) {
	f.Add(packed(f, &relaypb.Frames{Frames: []*relaypb.Frame{{Kind: 1, Seq: 2, Data: []byte("data")}, {Kind: 255}}}))
	f.Add(packed(f, &relaypb.Frames{Frames: []*relaypb.Frame{{Kind: 1, Data: []byte("one"), More: true}, {Kind: 1, Data: []byte("two")}}}))
	f.Add(packed(f, &relaypb.Frames{Frames: []*relaypb.Frame{{Kind: 1, Data: make([]byte, 6000)}, {Kind: 256}}}))
	f.Fuzz(func(t *testing.T, in []byte) {
		var message relaypb.Frames
		if proto.Unmarshal(in, &message) != nil {
			return
		}
		const limit = 1000
		c := newLine(&messages{all: []*relaypb.Frames{&message}}, "", transport.Options{MaxRecord: limit})
		defer c.Close()
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
		wire := &messages{}
		if err := (&lineConn{stream: wire}).Send(frames...); err != nil {
			t.Fatal(err)
		}
		again := newLine(wire, "", transport.Options{MaxRecord: limit})
		defer again.Close()
		for _, want := range frames {
			got, err := again.Receive(nil)
			if err != nil || got.Kind != want.Kind || got.Seq != want.Seq || !bytes.Equal(got.Data, want.Data) {
				t.Fatalf("%v is sent as %v, %v", want, got, err)
			}
		}
	})
}
