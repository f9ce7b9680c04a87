package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pipeworks/internal/transport"
)

// What may be on its way without its confirmation.
const (
	windowMessages = 16 << 10
	windowBytes    = 16 << 20
)

// sender is a transport.Sender. The producer is idempotent: what it sends again
// for want of an answer is there once.
type sender struct {
	*client
	max int // bytes of a message

	// Guarded by mu: of what is not confirmed.
	messages int
	bytes    int
}

func newSender(ctx context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	cfg, err := parse(u)
	if err != nil {
		return nil, err
	}
	options := []kgo.Opt{
		kgo.DefaultProduceTopic(cfg.topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.MaxBufferedRecords(2 * windowMessages), // Send waits before that
		kgo.ProducerBatchCompression(cfg.compression),
		kgo.UnknownTopicRetries(-1), // the topic was there: it comes back
	}
	if o.Stream {
		options = append(options, kgo.RecordPartitioner(kgo.ManualPartitioner())) // the first has all, in order
	}
	c, limit, err := connect(ctx, cfg, o, true, options...)
	if err != nil {
		return nil, err
	}
	if o.Dedupe {
		o.Warnf("%s: Kafka knows no message by its id: what this run sends twice is there once, what another sends again is not noticed", u)
	}
	return &sender{client: c, max: min(limit, maxBatch) - limitRoom}, nil
}

// Limit implements transport.Sender.
func (s *sender) Limit() int { return s.max }

// Send implements transport.Sender.
func (s *sender) Send(ctx context.Context, messages []transport.Message) error {
	size := 0
	for i := range messages {
		m := &messages[i]
		if n := len(m.Body) + len(m.Key); n > s.max {
			return &transport.TooLongError{Size: n, Limit: s.max, By: limitHint}
		}
		size += len(m.Body)
	}
	// The caller wants its memory back. A batch comes and goes together.
	memory := make([]byte, 0, size)
	records := make([]kgo.Record, len(messages))
	now := time.Now() // once for all: it costs as much as the rest of a short record
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range messages {
		m, r := &messages[i], &records[i]
		begin := len(memory)
		memory = append(memory, m.Body...)
		r.Value = memory[begin:len(memory):len(memory)]
		r.Timestamp = now
		if m.Key != "" {
			r.Key = []byte(m.Key)
		}
		if m.Content != transport.Record {
			r.Headers = []kgo.RecordHeader{{Key: transport.ContentHeader, Value: []byte(m.Content.String())}}
		}
		full := func() bool {
			return s.messages == windowMessages || s.bytes > 0 && s.bytes+len(m.Body) > windowBytes
		}
		if err := s.wait(ctx, full); err != nil {
			return err
		}
		s.messages++
		s.bytes += len(m.Body)
		s.Produce(s.alive, r, s.confirm)
	}
	return nil
}

// confirm is called when a record is there, or will not be.
func (s *sender) confirm(r *kgo.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages--
	s.bytes -= len(r.Value)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("send to %s: %w", s.cfg.url, err)
		if errors.Is(err, kerr.MessageTooLarge) {
			s.err = &hintError{s.err, limitHint}
		}
	}
	s.changed.Broadcast()
}

const limitHint = "the limit is max.message.bytes of the topic, or message.max.bytes of the broker"

// Flush implements transport.Sender.
func (s *sender) Flush(ctx context.Context) error {
	ctx, stop := s.while(ctx)
	defer stop()
	if err := s.client.Flush(ctx); err != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wait(ctx, func() bool { return s.messages > 0 })
}

// Close implements transport.Sender. A topic has no end of its own.
func (s *sender) Close(context.Context, error) error {
	s.close()
	return nil
}
