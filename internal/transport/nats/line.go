package nats

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/nats-io/nats.go"
)

// What a message of a line is. Behind it stand the number of bytes that were
// sent before it and the number that were received and read, eight bytes each,
// so that a message that was lost is noticed by the next.
const (
	lineOpen  byte = 'o' // the answer to a caller; the subject to reply to is the line's other end
	lineData  byte = 'd' // and the data
	lineAlive byte = 'a'
	lineEnd   byte = 'e'
)

const (
	lineHead   = 17
	lineChunk  = 128 << 10 // bytes of a message
	lineWindow = 4 << 20   // that are sent and not read
	// lineTick is between two signs of life. One for whom nobody listens any more is
	// answered by the server; where even that is gone lineDead is the end.
	lineTick = time.Second
	lineDead = 15 * time.Second
)

var (
	errPeerGone = errors.New("the other side is gone")
	errLineLost = errors.New("messages of the line were lost")
	errLineShut = errors.New("the line is closed")
)

// line is a byte stream between two inboxes. It is guarded by the client's lock.
type line struct {
	*client
	inbox, peer string // where it listens, and the other side does
	sub         *nats.Subscription
	chunk       int
	tick        *time.Timer

	sent     uint64 // bytes
	taken    uint64 // of them, read by the other side
	received uint64
	read     uint64
	told     uint64 // of read, as the other side knows it
	heard    time.Time
	waiting  [][]byte // received and not read
	err      error    // io.EOF: the other side has closed it
}

// newLine listens at an inbox of its own. It holds on to the client until it is
// closed.
func (c *client) newLine() (*line, error) {
	l := &line{client: c, inbox: c.NewInbox(), heard: time.Now()}
	l.chunk = min(lineChunk, int(c.MaxPayload())-lineHead)
	var err error
	if l.sub, err = c.Subscribe(l.inbox, l.arrived); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines[l] = struct{}{}
	return l, l.sub.SetPendingLimits(-1, -1) // the window is the limit
}

// open begins the signs of life to the other side, which is known now.
func (l *line) open(peer string) {
	l.peer = peer
	l.tick = time.AfterFunc(lineTick, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if time.Since(l.heard) > lineDead {
			l.breakOff(errPeerGone)
		}
		if l.err == nil {
			l.say(lineAlive, nil)
			l.tick.Reset(lineTick)
		}
	})
}

// say sends a message, and with it what was read.
func (l *line) say(kind byte, data []byte) {
	m := make([]byte, 0, lineHead+len(data))
	m = append(m, kind)
	m = binary.BigEndian.AppendUint64(m, l.sent)
	m = binary.BigEndian.AppendUint64(m, l.read)
	// With a subject to reply to, the server says that nobody listens.
	if err := l.PublishRequest(l.peer, l.inbox, append(m, data...)); err != nil {
		l.breakOff(err)
		return
	}
	l.sent += uint64(len(data))
	l.told = l.read
}

// breakOff ends the line, if it has not ended.
func (l *line) breakOff(err error) {
	if l.err == nil {
		l.err = err
	}
	l.changed.Broadcast()
}

// arrived is called with a message of the line.
func (l *line) arrived(m *nats.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.Header.Get("Status") == noResponders {
		l.breakOff(errPeerGone)
		return
	}
	if len(m.Data) < lineHead || l.peer == "" && m.Data[0] != lineOpen {
		l.breakOff(errors.New("what answers is no relay: is the subject one of a stream?"))
		return
	}
	kind, data := m.Data[0], m.Data[lineHead:]
	if kind == lineOpen && l.peer == "" {
		l.open(m.Reply)
	}
	if binary.BigEndian.Uint64(m.Data[1:]) != l.received {
		l.breakOff(errLineLost)
		return
	}
	l.heard = time.Now()
	l.taken = binary.BigEndian.Uint64(m.Data[9:])
	switch kind {
	case lineData:
		l.received += uint64(len(data))
		l.waiting = append(l.waiting, data)
	case lineEnd:
		l.breakOff(io.EOF)
	}
	l.changed.Broadcast()
}

// Read implements io.Reader.
func (l *line) Read(buf []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.wait(context.Background(), func() bool { return len(l.waiting) == 0 && l.err == nil })
	if len(l.waiting) == 0 {
		if l.err != nil {
			err = l.err
		}
		return 0, err
	}
	n := 0
	for n < len(buf) && len(l.waiting) > 0 {
		part := copy(buf[n:], l.waiting[0])
		n += part
		if l.waiting[0] = l.waiting[0][part:]; len(l.waiting[0]) == 0 {
			l.waiting[0] = nil
			l.waiting = l.waiting[1:]
		}
	}
	l.read += uint64(n)
	if l.read-l.told >= lineWindow/4 && l.err == nil {
		l.say(lineAlive, nil)
	}
	return n, nil
}

// Write implements io.Writer.
func (l *line) Write(data []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(data) > 0 {
		err := l.wait(context.Background(), func() bool { return l.err == nil && l.sent-l.taken >= lineWindow })
		if err != nil {
			return n, err
		}
		if l.err == nil {
			part := data[:min(l.chunk, len(data))]
			l.say(lineData, part)
			n += len(part)
			data = data[len(part):]
		}
		switch l.err {
		case nil:
		case io.EOF:
			return n, errPeerGone
		default:
			return n, l.err
		}
	}
	return n, nil
}

// Close implements io.Closer. What was written before arrives.
func (l *line) Close() error {
	l.mu.Lock()
	if l.err != errLineShut {
		if l.err == nil && l.peer != "" {
			l.say(lineEnd, nil)
		}
		l.err = errLineShut
		if l.tick != nil {
			l.tick.Stop()
		}
		l.changed.Broadcast()
	}
	delete(l.lines, l)
	last := !l.kept && len(l.lines) == 0
	l.mu.Unlock()
	err := l.sub.Unsubscribe()
	if flushed := l.FlushTimeout(byeTime); err == nil {
		err = flushed
	}
	if last {
		l.close()
	}
	if errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrBadSubscription) {
		return nil // it was closed before
	}
	return err
}
