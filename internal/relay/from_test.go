package relay

import (
	"context"
	"io"
	"testing"
	"time"

	"pipeworks/internal/transport"
)

// slow is a receiver whose messages come when it was asked for them often enough.
type slow struct {
	transport.Receiver
	asked, comes int
}

func (r *slow) Receive(ctx context.Context, _ int) ([]transport.Message, error) {
	if r.asked == r.comes {
		r.asked++
		return make([]transport.Message, 1), nil
	}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func (r *slow) Pending(context.Context) (bool, error) {
	r.asked++
	return r.asked <= r.comes, nil
}

// That nothing comes is the end only if nothing is there.
func TestIdle(t *testing.T) {
	r := &slow{comes: 3}
	if m, err := receivePatiently(t.Context(), r, 1, time.Millisecond); len(m) != 1 || err != nil {
		t.Errorf("%d messages, %v", len(m), err)
	}
	if m, err := receivePatiently(t.Context(), r, 1, time.Millisecond); len(m) != 0 || err != io.EOF {
		t.Errorf("then %d messages, %v", len(m), err)
	}
}
