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

// What is in one transaction: a broker may write to its disk for each.
const (
	mostMessages = 256
	mostBytes    = 4 << 20
)

// publisher is a broker.Publisher. Messages that are there at the same time go in
// one transaction, whose end is confirmed.
type publisher struct {
	*line
	c         *config
	next      uint64 // message of the line
	confirmed uint64 // before this one; the reader's own
	messages  int    // of the transaction
	bytes     int
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
			for ; p.confirmed < n; p.confirmed++ {
				e.Confirmed(p.confirmed)
			}
			return nil
		})
		e.Broke(l.err)
	}()
	return p, nil
}

// Publish implements broker.Publisher.
func (p *publisher) Publish(m *transport.Message) error {
	if p.messages == 0 {
		if err := p.write(frame.New(frame.BEGIN, frame.Transaction, transaction)); err != nil {
			return err
		}
	}
	f := frame.New(frame.SEND,
		frame.Destination, p.c.destination,
		frame.Transaction, transaction,
		"persistent", "true",
		frame.ContentLength, strconv.Itoa(len(m.Body)))
	p.next++
	p.messages++
	p.bytes += len(m.Body)
	if m.Content != transport.Record {
		f.Header.Add(transport.ContentHeader, m.Content.String())
	}
	f.Body = m.Body
	if err := p.write(f); err != nil || p.messages < mostMessages && p.bytes < mostBytes {
		return err
	}
	return p.Flush()
}

// transaction is the name of the one that is open.
const transaction = "t"

// Flush implements broker.Publisher: it ends the transaction. The receipt is the
// number of the message after it.
func (p *publisher) Flush() error {
	if p.messages == 0 {
		return nil
	}
	p.messages, p.bytes = 0, 0
	return p.write(frame.New(frame.COMMIT, frame.Transaction, transaction, frame.Receipt, strconv.FormatUint(p.next, 10)))
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
