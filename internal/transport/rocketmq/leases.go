package rocketmq

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
)

const (
	ackMost  = 256             // messages in a call
	inFlight = 16              // calls about single messages
	backTime = 1 * time.Second // after which what is given back comes again: what a proxy itself takes
)

// lease is a message that is ours for a time, which is extended until it is
// acknowledged.
type lease struct {
	home string // the proxy that gave it
	id   string

	mu     sync.Mutex // while handle changes
	handle string
	since  time.Time
}

// leases are those of a receiver, on all of its lines.
type leases struct {
	c *config

	mu      sync.Mutex
	changed sync.Cond
	held    map[*lease]struct{}
	done    []*lease // acknowledged, which the broker is not told yet
	telling int      // those that it is being told
}

func newLeases(c *config) *leases {
	l := &leases{c: c, held: map[*lease]struct{}{}}
	l.changed.L = &l.mu
	return l
}

// take is what relay is given of a message.
func (l *leases) take(m *v2.Message, home string) (transport.Message, error) {
	p := m.GetSystemProperties()
	body, err := l.c.plain(m.GetBody(), p.GetBodyEncoding())
	if err != nil {
		return transport.Message{}, err
	}
	content, err := transport.ParseContent(m.GetUserProperties()[transport.ContentHeader])
	if err != nil {
		return transport.Message{}, err
	}
	one := &lease{home: home, id: p.GetMessageId(), handle: p.GetReceiptHandle(), since: time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[one] = struct{}{}
	return transport.Message{Body: body, Content: content, Tries: int(p.GetDeliveryAttempt()), Handle: one}, nil
}

// plain undoes what other clients compress.
func (c *config) plain(body []byte, e v2.Encoding) ([]byte, error) {
	if e != v2.Encoding_GZIP {
		return body, nil
	}
	var r io.Reader
	var err error
	if bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		r, err = gzip.NewReader(bytes.NewReader(body))
	} else { // that of RocketMQ 4, which is told under the same name
		r, err = zlib.NewReader(bytes.NewReader(body))
	}
	if err != nil {
		return nil, fmt.Errorf("a message is not compressed as it says: %w", err)
	}
	most := c.o.MaxRecord
	if most == 0 {
		most = 64 << 20
	}
	body, err = io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("a message is not compressed as it says: %w", err)
	}
	if len(body) > most {
		return nil, fmt.Errorf("a compressed message has more than the %d bytes that --max-record allows", most)
	}
	return body, nil
}

func (l *leases) acknowledge(messages []transport.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range messages {
		if one, ok := messages[i].Handle.(*lease); ok {
			delete(l.held, one)
			l.done = append(l.done, one)
		}
	}
	l.changed.Broadcast()
}

// forget lets the time of messages run out.
func (l *leases) forget(messages []transport.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range messages {
		delete(l.held, messages[i].Handle.(*lease))
	}
}

// settle tells the broker over a line what is acknowledged, all that is there at
// once.
func (l *leases) settle(line *line) {
	for {
		l.mu.Lock()
		var none error
		if transport.Wait(line.ctx, &l.changed, &none, func() bool { return len(l.done) == 0 }) != nil {
			l.mu.Unlock()
			return
		}
		some := l.done
		l.done, l.telling = nil, len(some)
		l.mu.Unlock()
		left, err := l.tell(line, some)
		l.mu.Lock()
		l.done, l.telling = append(left, l.done...), 0
		l.changed.Broadcast()
		l.mu.Unlock()
		if err != nil {
			line.lose(err)
			return
		}
	}
}

// tell acknowledges messages, and returns those that are left when the line is
// lost.
func (l *leases) tell(line *line, all []*lease) ([]*lease, error) {
	late := 0
	for len(all) > 0 {
		n := 1
		for n < len(all) && n < ackMost && all[n].home == all[0].home {
			n++
		}
		request := &v2.AckMessageRequest{Topic: l.c.resource(), Group: &v2.Resource{Name: l.c.group()}}
		for _, one := range all[:n] {
			one.mu.Lock()
			request.Entries = append(request.Entries, &v2.AckMessageEntry{MessageId: one.id, ReceiptHandle: one.handle})
			one.mu.Unlock()
		}
		answer, err := line.ack(all[0].home, request)
		if err != nil {
			return all, err
		}
		for _, e := range answer.GetEntries() {
			if e.GetStatus().GetCode() != v2.Code_OK {
				late++
			}
		}
		all = all[n:]
	}
	if late > 0 {
		l.c.o.Warnf("%s: %d messages could not be acknowledged, and come again", l.c.url, late)
	}
	return nil, nil
}

func (l *line) ack(home string, request *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
	ctx, cancel := context.WithTimeout(l.ctx, requestTime)
	defer cancel()
	answer, err := l.peer(home).AckMessage(ctx, request)
	if err != nil {
		return nil, l.c.failed(err)
	}
	if len(answer.GetEntries()) == 0 { // it was refused as a whole
		return answer, l.c.check(answer.GetStatus())
	}
	return answer, nil
}

// peer is a proxy of this line, if possible the one that an earlier line had.
func (l *line) peer(home string) *peer {
	if p := l.peers[home]; p != nil {
		return p
	}
	return l.peers[address(l.c.proxy)]
}

// renew extends in time what is held, over a line.
func (l *leases) renew(line *line) {
	tick := time.NewTicker(l.c.ackWait / 6)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-line.ctx.Done():
			return
		}
		l.change(line.ctx, line, l.c.ackWait, time.Now().Add(-l.c.ackWait/3))
	}
}

// giveBack has everything that is held come again, once the broker knows what
// is acknowledged.
func (l *leases) giveBack(line *line) {
	ctx, cancel := context.WithTimeout(line.ctx, broker.GoodbyeTime)
	defer cancel()
	l.mu.Lock()
	var none error
	err := transport.Wait(ctx, &l.changed, &none, func() bool { return len(l.done)+l.telling > 0 })
	l.mu.Unlock()
	if err != nil {
		l.c.o.Warnf("%s: the last acknowledgements may not have arrived, then their messages come again", l.c.url)
	}
	l.change(ctx, line, backTime, time.Now())
}

// change says how long it is from now until what is held comes again, of what was
// last told that not after a time.
func (l *leases) change(ctx context.Context, line *line, d time.Duration, before time.Time) {
	l.mu.Lock()
	var some []*lease
	for one := range l.held {
		some = append(some, one)
	}
	l.mu.Unlock()
	var calls sync.WaitGroup
	defer calls.Wait()
	free := make(chan struct{}, inFlight)
	for _, one := range some {
		if ctx.Err() != nil {
			return
		}
		free <- struct{}{}
		calls.Go(func() {
			defer func() { <-free }()
			if err := l.changeOne(ctx, line, one, d, before); err != nil && ctx.Err() == nil {
				line.lose(err)
			}
		})
	}
}

func (l *leases) changeOne(ctx context.Context, line *line, one *lease, d time.Duration, before time.Time) error {
	one.mu.Lock()
	defer one.mu.Unlock()
	l.mu.Lock()
	_, held := l.held[one]
	l.mu.Unlock()
	if !held || one.since.After(before) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	now := time.Now()
	answer, err := line.peer(one.home).ChangeInvisibleDuration(ctx, &v2.ChangeInvisibleDurationRequest{
		Topic:             l.c.resource(),
		Group:             &v2.Resource{Name: l.c.group()},
		ReceiptHandle:     one.handle,
		MessageId:         one.id,
		InvisibleDuration: durationpb.New(d),
	})
	if err != nil {
		return l.c.failed(err)
	}
	if answer.GetStatus().GetCode() == v2.Code_OK {
		one.handle, one.since = answer.GetReceiptHandle(), now
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, one) // its time was over: it comes again in any case
	return nil
}
