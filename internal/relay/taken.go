package relay

import (
	"context"
	"os"
	"slices"
	"sort"
	"sync"
	"time"

	"pipeworks/internal/fifo"
	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
)

// taken acknowledges messages once the reader of a pipe has taken them out of
// it, and has come back for more or stays: one that takes a block, looks at its
// first lines and leaves, as head(1) does, has not had the rest.
type taken struct {
	r    transport.Receiver
	pipe *os.File
	done chan struct{}
	wake chan struct{}
	stop chan struct{} // closed: look no more

	bytes bool // what was taken is done with, as in any pipe

	// Of run, bytes from the beginning.
	gone  int64     // out of the pipe, at the last look
	since time.Time // that it is as much
	had   int64     // of it, what the reader has had

	mu      sync.Mutex
	written []written
	err     error
	closing bool
}

// written are messages that lie in the pipe, or did.
type written struct {
	ends     []int64 // bytes written up to each
	messages []transport.Message
}

// newTaken acknowledges messages of records, or of the pieces of bytes.
func newTaken(r transport.Receiver, pipe *os.File, bytes bool) *taken {
	t := &taken{r: r, pipe: pipe, done: make(chan struct{}), wake: make(chan struct{}, 1), stop: make(chan struct{}), bytes: bytes}
	go t.run()
	return t
}

// add says that messages were written, and how many bytes in all up to each. It
// keeps both.
func (t *taken) add(ends []int64, messages []transport.Message) {
	if len(messages) == 0 {
		return
	}
	t.mu.Lock()
	idle := len(t.written) == 0
	t.written = append(t.written, written{ends, messages})
	t.mu.Unlock()
	if idle {
		t.nudge()
	}
}

func (t *taken) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// stays is how long a reader that has taken all must have been there since then
// to count as one that stays.
const stays = 25 * time.Millisecond

// The pauses between looks into the pipe, while nothing new is written.
const (
	firstLook = 500 * time.Microsecond
	lastLook  = 2 * time.Millisecond
)

// run looks into the pipe until all was taken after close, or nobody reads it.
func (t *taken) run() {
	defer close(t.done)
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		acknowledged, left, closing := t.look()
		switch {
		case left < 0, left == 0 && closing:
			return
		case left == 0:
			<-t.wake
			pause = firstLook
			continue
		case acknowledged:
			pause = firstLook
		}
		select {
		case <-time.After(pause):
		case <-t.stop:
			t.look()
			return
		}
	}
}

// look acknowledges what was taken. What is left, as the batches that were added,
// is negative if there will be no more.
func (t *taken) look() (acknowledged bool, left int, closing bool) {
	t.mu.Lock()
	closing = t.closing
	all := t.written
	t.mu.Unlock()
	if len(all) == 0 {
		return false, 0, closing
	}
	last := all[len(all)-1].ends
	t.account(last[len(last)-1])
	n := 0           // batches that were taken as a whole
	var rest written // of the one behind them
	var done [][]transport.Message
	for n < len(all) && rest.ends == nil {
		b := all[n]
		k := sort.Search(len(b.ends), func(i int) bool { return b.ends[i] > t.had })
		done = append(done, b.messages[:k])
		if k == len(b.ends) {
			n++
		} else {
			rest = written{b.ends[k:], b.messages[k:]}
		}
	}
	messages := slices.Concat(done...)
	if len(messages) == 0 {
		return false, len(all), closing
	}
	err := t.r.Ack(context.Background(), messages)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.err = err
		return false, -1, closing
	}
	t.written = t.written[n:]
	if rest.ends != nil {
		t.written[0] = rest
	}
	return true, len(t.written), t.closing
}

// account finds out what the reader has had, of so many bytes that were
// written. More may be written at any time, and makes it seem less.
func (t *taken) account(written int64) {
	gone := written - int64(fifo.Unread(t.pipe))
	switch {
	case t.bytes:
		t.had = gone
	case gone > t.gone: // by one read that took all of the pipe, or several
		t.had, t.gone, t.since = max(t.gone, gone-stream.WidePipe), gone, time.Now()
	case time.Since(t.since) >= stays && fifo.IsRead(t.pipe):
		t.had = t.gone
	}
}

// close waits until all was taken. After a failure, and at the end of ctx, what
// the reader has not taken by then is left as it is.
func (t *taken) close(ctx context.Context, failure error) error {
	t.mu.Lock()
	t.closing = true
	t.mu.Unlock()
	t.nudge()
	if failure == nil {
		select {
		case <-t.done:
		case <-ctx.Done():
		}
	}
	last := time.AfterFunc(2*stays, func() { close(t.stop) })
	<-t.done
	last.Stop()
	if len(t.written) > 0 && failure == nil && t.err == nil {
		return context.Cause(ctx)
	}
	return t.err
}
