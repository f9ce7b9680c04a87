package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// findStream is the stream that keeps the messages of the subject. If there is
// none, it is made.
func (c *client) findStream(ctx context.Context) (jetstream.Stream, error) {
	js, err := jetstream.New(c.Conn)
	if err != nil {
		return nil, err
	}
	name := c.cfg.stream
	if name == "" {
		name, err = js.StreamNameBySubject(ctx, c.cfg.subject)
	}
	var s jetstream.Stream
	if err == nil {
		s, err = js.Stream(ctx, name)
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = c.makeStream(ctx, js)
	}
	if err != nil {
		return nil, c.streamError(err)
	}
	return s, nil
}

func (c *client) makeStream(ctx context.Context, js jetstream.JetStream) (jetstream.Stream, error) {
	config := jetstream.StreamConfig{
		Name:      c.cfg.stream,
		Subjects:  []string{c.cfg.subject},
		Retention: jetstream.WorkQueuePolicy,
		Replicas:  c.cfg.replicas,
	}
	if config.Name == "" {
		config.Name = strings.NewReplacer(".", "_", "*", "ANY", ">", "ALL", "/", "_", "\\", "_").Replace(c.cfg.subject)
	}
	switch c.cfg.retention {
	case "limits":
		config.Retention = jetstream.LimitsPolicy
	case "interest":
		config.Retention = jetstream.InterestPolicy
	}
	s, err := js.CreateStream(ctx, config)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // the other side was quicker
		s, err = js.Stream(ctx, config.Name)
	}
	return s, err
}

// streamError adds the cure, where it is known.
func (c *client) streamError(err error) error {
	hint := ""
	api, isAPI := errors.AsType[*jetstream.APIError](err)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		hint = "start the server with -js, or use ?core, which delivers at most once"
	case isAPI && (api.ErrorCode == 10099 || api.ErrorCode == 10100): // ADR-10
		hint = "a stream with retention workqueue has one group of receivers: make it with ?retention=interest, or use that --group"
	}
	return &streamError{fmt.Errorf("stream of %s: %w", c.cfg.url, err), hint}
}

type streamError struct {
	error
	hint string
}

func (e *streamError) Unwrap() error { return e.error }
func (e *streamError) Hint() string  { return e.hint }
