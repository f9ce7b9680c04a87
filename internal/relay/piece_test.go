package relay

import (
	"bytes"
	"errors"
	"testing"

	"pipeworks/internal/transport"
)

// FuzzPieces: bytes cut into pieces are those bytes again, also if pieces come
// twice; without one of them it is an error, never other bytes.
func FuzzPieces(f *testing.F) {
	f.Add([]byte("some bytes"), byte(3), byte(1), false)
	f.Add([]byte(""), byte(0), byte(0), true)
	f.Add([]byte("abcdefghij"), byte(0), byte(9), true)
	f.Fuzz(func(t *testing.T, in []byte, size, which byte, lose bool) {
		p := newPieces()
		var messages []transport.Message
		for part := range chunks(in, int(size)+1) {
			messages = append(messages, p.next(append(make([]byte, pieceHead), part...)))
		}
		messages = append(messages, p.last(nil))
		i := int(which) % len(messages)
		var got []byte
		var r pieceReader
		var failed error
		for j, m := range messages {
			times := 1
			if i == j {
				times = 2
				if lose {
					times = 0
				}
			}
			for range times {
				data, err := r.next(m)
				if failed == nil {
					failed = err
				}
				if failed == nil {
					got = append(got, data...)
				}
			}
		}
		whole := r.ended && failed == nil
		if whole == lose || whole && !bytes.Equal(got, in) || !bytes.HasPrefix(in, got) {
			t.Errorf("%q without piece %d: %q, %v", in, i, got, failed)
		}
	})
}

func chunks(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			m := min(n, len(b))
			if !yield(b[:m]) {
				return
			}
			b = b[m:]
		}
	}
}

func TestPieceReader(t *testing.T) {
	a, b := newPieces(), newPieces()
	head := make([]byte, pieceHead)
	first := a.next(append(head[:pieceHead:pieceHead], 'x'))
	for name, messages := range map[string][]transport.Message{
		"records":         {{Body: []byte("a record")}},
		"another stream":  {first, b.next(append(head[:pieceHead:pieceHead], 'y'))},
		"too short":       {{Body: []byte("short"), Content: transport.Piece}},
		"the second only": {a.next(append(head[:pieceHead:pieceHead], 'z'))},
	} {
		var r pieceReader
		var err error
		for _, m := range messages {
			_, err = r.next(m)
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	var r pieceReader
	_, err := r.next(newPieces().last(errors.New("no more")))
	if aborted, ok := errors.AsType[*transport.AbortedError](err); !ok || aborted.Reason != "no more" {
		t.Errorf("got %v", err)
	}
}
