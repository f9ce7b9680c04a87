package stomp

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-stomp/stomp/v3/frame"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
)

// publisher is a broker.Publisher.
type publisher struct {
	*line
	c    *config
	next uint64 // message of the line
}

func (c *config) publisher(ctx context.Context, o transport.Options, e *broker.Events) (broker.Publisher, error) {
	l, err := c.connect(ctx, o)
	if err != nil {
		return nil, err
	}
	p := &publisher{line: l, c: c}
	go func() {
		l.run(func(f *frame.Frame) error {
			n, err := strconv.ParseUint(f.Header.Get(frame.ReceiptId), 10, 64)
			if f.Command != frame.RECEIPT || err != nil {
				return fmt.Errorf("the broker sends %s without having been asked", f.Command)
			}
			e.Confirmed(n)
			return nil
		})
		e.Broke(l.err)
	}()
	return p, nil
}

// Publish implements broker.Publisher.
func (p *publisher) Publish(m *transport.Message) error {
	f := frame.New(frame.SEND,
		frame.Destination, p.c.destination,
		frame.Receipt, strconv.FormatUint(p.next, 10),
		"persistent", "true",
		frame.ContentLength, strconv.Itoa(len(m.Body)))
	p.next++
	if m.Content != transport.Record {
		f.Header.Add(transport.ContentHeader, m.Content.String())
	}
	f.Body = m.Body
	return p.write(f)
}

const limitedBy = "ActiveMQ's maxFrameSize, an option of its transport connector"

// Limit implements broker.Publisher. ActiveMQ takes 100 MiB unless it is told
// otherwise, headers and all; others do not say who they are.
func (p *publisher) Limit() int {
	if strings.HasPrefix(p.server, "ActiveMQ/") {
		return 100<<20 - 4<<10
	}
	return 0
}

// Close implements broker.Publisher.
func (p *publisher) Close() { p.close() }
