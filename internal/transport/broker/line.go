package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"
)

// Hello is what a caller says to a place where calls are taken. The inbox to reply
// to is its end of the line.
const Hello = "relay/1"

// answerTime is how long a server may take to answer a hello, before another is
// asked.
const answerTime = 5 * time.Second

// What a message of a line is. Behind it stand the number of bytes that were
// sent before it and the number that were received and read, eight bytes each,
// so that a message that was lost is noticed by the next.
const (
	lineOpen  byte = 'o' // the answer to a caller; the inbox to reply to is the line's other end
	lineData  byte = 'd' // and the data
	lineAlive byte = 'a'
	lineEnd   byte = 'e'
)

const (
	lineHead   = 17
	lineChunk  = 128 << 10 // bytes of a message
	lineWindow = 4 << 20   // that are sent and not read
	// lineTick is between two signs of life. Of one for whom nobody listens any more
	// the broker says so; where even that is gone lineDead is the end.
	lineTick = time.Second
	lineDead = 15 * time.Second
)

// ErrGone is a line whose other side is not there any more.
var ErrGone = errors.New("the other side is gone")

var (
	errLost = errors.New("messages of the line were lost")
	errShut = errors.New("the line is closed")
)

// Line is a byte stream between two inboxes of a broker, an io.ReadWriteCloser.
type Line struct {
	post  func(to string, message []byte) error // our inbox is where to reply to
	leave func() error                          // is called after the last message
	chunk int

	mu      sync.Mutex
	changed sync.Cond
	peer    string // the other inbox; empty: it is not known yet
	tick    *time.Timer

	sent     uint64 // bytes
	taken    uint64 // of them, read by the other side
	received uint64
	read     uint64
	told     uint64 // of read, as the other side knows it
	heard    time.Time
	waiting  [][]byte // received and not read
	err      error    // io.EOF: the other side has closed it
}

// NewLine makes a line that sends by post, messages of at most so many bytes, and
// leaves the broker in the end.
func NewLine(limit int, post func(to string, message []byte) error, leave func() error) *Line {
	l := &Line{post: post, leave: leave, chunk: min(lineChunk, limit-lineHead), heard: time.Now()}
	l.changed.L = &l.mu
	return l
}

// Call opens the line to one who takes calls at a place.
func (l *Line) Call(ctx context.Context, place string) error {
	if err := l.post(place, []byte(Hello)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, errors.New("no answer"))
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.Break(context.Cause(ctx)) })()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.peer == "" && l.err == nil {
		l.changed.Wait()
	}
	switch {
	case l.peer != "": // it may have ended since
		return nil
	case errors.Is(l.err, ErrGone):
		return errors.New("nobody takes calls there")
	}
	return l.err
}

// Answer opens the line to a caller.
func (l *Line) Answer(caller string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open(caller)
	l.say(lineOpen, nil)
}

// open begins the signs of life to the other side, which is known now.
func (l *Line) open(peer string) {
	l.peer = peer
	l.tick = time.AfterFunc(lineTick, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if time.Since(l.heard) > lineDead {
			l.end(ErrGone)
		}
		if l.err == nil {
			l.say(lineAlive, nil)
			l.tick.Reset(lineTick)
		}
	})
}

// say sends a message, and with it what was read.
func (l *Line) say(kind byte, data []byte) {
	m := make([]byte, 0, lineHead+len(data))
	m = append(m, kind)
	m = binary.BigEndian.AppendUint64(m, l.sent)
	m = binary.BigEndian.AppendUint64(m, l.read)
	if err := l.post(l.peer, append(m, data...)); err != nil {
		l.end(err)
		return
	}
	l.sent += uint64(len(data))
	l.told = l.read
}

// Break ends the line, if it has not ended.
func (l *Line) Break(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(err)
}

// end is Break for who holds the lock.
func (l *Line) end(err error) {
	if l.err == nil {
		l.err = err
	}
	l.changed.Broadcast()
}

// Arrived is called with a message for the inbox, and where to reply to.
func (l *Line) Arrived(message []byte, reply string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	if len(message) < lineHead || l.peer == "" && message[0] != lineOpen {
		l.end(errors.New("what answers is no relay"))
		return
	}
	kind, data := message[0], message[lineHead:]
	if kind == lineOpen && l.peer == "" {
		l.open(reply)
	}
	if binary.BigEndian.Uint64(message[1:]) != l.received {
		l.end(errLost)
		return
	}
	l.heard = time.Now()
	l.taken = binary.BigEndian.Uint64(message[9:])
	switch {
	case kind == lineData && len(data) > 0:
		l.received += uint64(len(data))
		l.waiting = append(l.waiting, data)
	case kind == lineEnd:
		l.end(io.EOF)
	}
	l.changed.Broadcast()
}

// Read implements io.Reader.
func (l *Line) Read(buf []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) == 0 && l.err == nil {
		l.changed.Wait()
	}
	if len(l.waiting) == 0 {
		return 0, l.err
	}
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
func (l *Line) Write(data []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(data) > 0 {
		for l.err == nil && l.sent-l.taken >= lineWindow {
			l.changed.Wait()
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
			return n, ErrGone
		default:
			return n, l.err
		}
	}
	return n, nil
}

// Close implements io.Closer. What was written before arrives.
func (l *Line) Close() error {
	l.mu.Lock()
	if l.err == errShut {
		l.mu.Unlock()
		return nil
	}
	if l.err == nil && l.peer != "" {
		l.say(lineEnd, nil)
	}
	l.err = errShut
	if l.tick != nil {
		l.tick.Stop()
	}
	l.changed.Broadcast()
	l.mu.Unlock()
	return l.leave()
}

// Peer is the inbox of the other side.
func (l *Line) Peer() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peer
}
