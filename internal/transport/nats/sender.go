package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"pipeworks/internal/transport"
)

// What may be on its way to a stream without its confirmation.
const (
	windowMessages = 4096
	windowBytes    = 16 << 20
)

const (
	retryPause = 250 * time.Millisecond // after a stream could not take a message just now
	ackTime    = 10 * time.Second       // after which a message or its confirmation is taken for lost
)

// streamSender is a transport.Sender to a stream of JetStream. What is not
// confirmed is kept, and sent again after a reconnection.
type streamSender struct {
	*client
	limit   int
	replies string // the number of a message behind it is where its confirmation goes
	window  []sent // a ring: of message n the one at n modulo its length
	first   uint64 // that is not confirmed
	next    uint64 // to be sent
	bytes   int    // that are not confirmed
	retry   *time.Timer
	since   time.Time // of a stream that takes nothing; zero: it does
}

// sent is a message that was sent.
type sent struct {
	msg       nats.Msg
	confirmed bool
}

func newStreamSender(ctx context.Context, c *client) (transport.Sender, error) {
	found, err := c.findStream(ctx)
	if err != nil {
		return nil, err
	}
	limit := int(c.MaxPayload())
	if most := int(found.CachedInfo().Config.MaxMsgSize); most > 0 {
		limit = min(limit, most)
	}
	s := &streamSender{client: c, limit: limit, replies: c.NewInbox() + "."}
	s.window = make([]sent, windowMessages)
	if c.o.Stream {
		s.window = s.window[:1] // one that was refused and is sent again is not overtaken
	}
	c.reconnected = s.sendAgain
	s.retry = time.AfterFunc(ackTime, s.retryNow)
	replies, err := c.Subscribe(s.replies+"*", s.confirm)
	if err != nil {
		return nil, err
	}
	// There are as many as messages without one, which are limited.
	return s, replies.SetPendingLimits(-1, -1)
}

// headerRoom is for what a message of relay says in its header.
const headerRoom = 64

// Limit implements transport.Sender.
func (s *streamSender) Limit() int { return s.limit - headerRoom }

// header is that of a message; nil: it needs none.
func (c *client) header(m *transport.Message) (h nats.Header) {
	if m.Content != transport.Record {
		h = nats.Header{transport.ContentHeader: {m.Content.String()}}
	}
	if c.o.Dedupe && m.ID != "" {
		if h == nil {
			h = nats.Header{}
		}
		h[nats.MsgIdHdr] = []string{m.ID}
	}
	return h
}

// check refuses messages that are too long, before any is sent.
func (c *client) check(messages []transport.Message, limit int) error {
	for i := range messages {
		size := len(messages[i].Body)
		if c.o.Dedupe {
			size += len(messages[i].ID)
		}
		if size > limit-headerRoom {
			return c.tooLong(size, limit-headerRoom)
		}
	}
	return nil
}

// Send implements transport.Sender.
func (s *streamSender) Send(ctx context.Context, messages []transport.Message) error {
	if err := s.check(messages, s.limit); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range messages {
		m := &messages[i]
		full := func() bool {
			return s.next-s.first == uint64(len(s.window)) || s.bytes > 0 && s.bytes+len(m.Body) > windowBytes
		}
		if err := s.wait(ctx, full); err != nil {
			return err
		}
		slot := s.slot(s.next)
		body := append(slot.msg.Data[:0], m.Body...)
		*slot = sent{msg: nats.Msg{
			Subject: s.cfg.subject,
			Reply:   s.replies + strconv.FormatUint(s.next, 36),
			Header:  s.header(m),
			Data:    body,
		}}
		s.next++
		s.bytes += len(body)
		s.publish(slot)
	}
	return nil
}

func (s *streamSender) slot(n uint64) *sent { return &s.window[n%uint64(len(s.window))] }

// publish sends a message, or leaves it to the reconnection.
func (s *streamSender) publish(m *sent) {
	if !s.up.Load() {
		return
	}
	if err := s.PublishMsg(&m.msg); err != nil && !s.passing(err) {
		s.failed(fmt.Errorf("send to %s: %w", s.cfg.url, err))
	}
}

// passing reports whether an error is the lack of a connection, which is waited
// for.
func (c *client) passing(err error) bool {
	return errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrConnectionReconnecting) || !c.IsConnected()
}

// sendAgain sends all that is not confirmed.
func (s *streamSender) sendAgain() {
	for n := s.first; n < s.next; n++ {
		if m := s.slot(n); !m.confirmed {
			s.publish(m)
		}
	}
	s.retry.Reset(ackTime)
}

func (s *streamSender) retryNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendAgain()
}

// confirmation is what a stream answers.
type confirmation struct {
	Error *struct {
		Code        int    `json:"code"`
		Description string `json:"description"`
	} `json:"error"`
}

// keptBody is memory of a message that is used for the next one.
const keptBody = 4 << 10

// confirm is called with the answer to a message.
func (s *streamSender) confirm(answer *nats.Msg) {
	n, err := strconv.ParseUint(answer.Subject[len(s.replies):], 36, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || n < s.first || n >= s.next || s.slot(n).confirmed {
		return // of a message that was sent twice
	}
	if !s.accepted(answer) {
		return
	}
	s.since = time.Time{}
	s.slot(n).confirmed = true
	for s.first < s.next && s.slot(s.first).confirmed {
		m := s.slot(s.first)
		s.bytes -= len(m.msg.Data)
		if cap(m.msg.Data) > keptBody {
			m.msg.Data = nil
		}
		s.first++
	}
	s.retry.Reset(ackTime)
	s.changed.Broadcast()
}

// accepted reports whether the stream has the message. If it could not take it
// just now, it is asked again.
func (s *streamSender) accepted(answer *nats.Msg) bool {
	refused := "no stream takes it"
	if answer.Header.Get("Status") != "503" { // nobody listens
		if !bytes.Contains(answer.Data, []byte(`"error"`)) {
			return true
		}
		var c confirmation
		if err := json.Unmarshal(answer.Data, &c); err != nil {
			s.failed(fmt.Errorf("send to %s: what is no confirmation came: %q", s.cfg.url, answer.Data))
			return false
		}
		if c.Error == nil {
			return true
		}
		refused = c.Error.Description
		if c.Error.Code != 503 { // for now
			s.failed(fmt.Errorf("send to %s: %s", s.cfg.url, refused))
			return false
		}
	}
	switch {
	case s.since.IsZero():
		s.since = time.Now()
		s.o.Warnf("%s: %s: trying again", s.cfg.url, refused)
	case s.o.Timeout > 0 && time.Since(s.since) > s.o.Timeout:
		s.failed(fmt.Errorf("send to %s: tried for %v: %s", s.cfg.url, s.o.Timeout, refused))
	}
	s.retry.Reset(retryPause)
	return false
}

// Flush implements transport.Sender.
func (s *streamSender) Flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wait(ctx, func() bool { return s.first < s.next })
}

// Close implements transport.Sender. A stream has no end of its own.
func (s *streamSender) Close(context.Context, error) error {
	s.retry.Stop()
	s.close()
	return nil
}
