package rocketmq

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"hash/fnv"
	"net"
	"slices"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pipeworks/internal/framing"
	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
	"pipeworks/internal/transport/link"
)

const (
	lanes = 64 // of calls at the same time

	// A broker that has too much to do is asked again so often, after a while.
	throttled     = 5
	throttledWait = 100 * time.Millisecond
)

// wholeGroup is the message group of what has no key, where the order is kept.
const wholeGroup = "relay"

// publisher is a broker.Publisher. A call carries one message, since that is what
// the other clients do. What keeps its order goes one by one on a lane of its
// message group, the rest on whichever is free.
type publisher struct {
	*line
	events  *broker.Events
	grouped bool // messages with a key keep their order
	fifo    bool // those without one do
	normal  chan job
	ordered [lanes]chan job
	id      [8]byte // of the line, for those of its messages
	next    uint64  // number of the next message
}

// job is a message that is to be sent.
type job struct {
	n     uint64
	queue *v2.MessageQueue
	m     *v2.Message
}

func (c *config) publisher(ctx context.Context, e *broker.Events) (broker.Publisher, error) {
	kind := v2.ClientType_PRODUCER
	l, err := c.connect(ctx, &v2.Settings{
		ClientType: &kind,
		PubSub:     &v2.Settings_Publishing{Publishing: &v2.Publishing{Topics: []*v2.Resource{c.resource()}}},
	}, v2.Permission_WRITE)
	if err != nil {
		return nil, err
	}
	takes := func(t v2.MessageType) bool { // or the topic has no type
		types := l.queues[0].GetAcceptMessageTypes()
		return slices.Contains(types, t) || slices.Contains(types, v2.MessageType_MESSAGE_TYPE_UNSPECIFIED)
	}
	p := &publisher{line: l, events: e, normal: make(chan job)}
	_, _ = rand.Read(p.id[:]) // it never fails
	p.grouped = takes(v2.MessageType_FIFO)
	p.fifo = c.o.Stream || !takes(v2.MessageType_NORMAL)
	if c.o.Stream && !p.grouped {
		err := link.Permanent(&hintError{
			fmt.Errorf("%s: the topic keeps no order, as a byte stream needs it", c.url),
			"make one that does: mqadmin updateTopic -n NAMESERVER -c CLUSTER -t TOPIC -a +message.type=FIFO",
		})
		l.end(err)
		return nil, err
	}
	for i := range p.ordered {
		p.ordered[i] = make(chan job, 16)
		p.running.Go(func() { p.send(p.ordered[i]) })
		p.running.Go(func() { p.send(p.normal) })
	}
	context.AfterFunc(l.ctx, func() {
		if cause := context.Cause(l.ctx); link.IsPermanent(cause) {
			e.Failed(cause)
		} else {
			e.Broke(cause)
		}
	})
	return p, nil
}

// Publish implements broker.Publisher.
func (p *publisher) Publish(m *transport.Message) error {
	j := job{n: p.next, m: p.message(m), queue: p.queues[p.next%uint64(len(p.queues))]}
	p.next++
	lane := p.normal
	if group := j.m.GetSystemProperties().GetMessageGroup(); group != "" {
		hash := fnv.New64a()
		_, _ = hash.Write([]byte(group)) // it never fails
		j.queue = p.queues[hash.Sum64()%uint64(len(p.queues))]
		lane = p.ordered[hash.Sum64()%lanes]
	}
	select {
	case lane <- j:
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}

// message is what RocketMQ is given of the next message.
func (p *publisher) message(m *transport.Message) *v2.Message {
	properties := &v2.SystemProperties{
		MessageId:     p.messageID(),
		BornTimestamp: timestamppb.Now(),
		BodyEncoding:  v2.Encoding_IDENTITY,
		MessageType:   v2.MessageType_NORMAL,
	}
	if p.c.tag != "" {
		properties.Tag = &p.c.tag
	}
	group := m.Key
	if m.Key != "" {
		properties.Keys = []string{m.Key}
	} else if p.fifo {
		group = wholeGroup
	}
	if group != "" && p.grouped {
		properties.MessageType, properties.MessageGroup = v2.MessageType_FIFO, &group
	}
	body, content := bytes.Clone(m.Body), m.Content
	if len(body) == 0 && content == transport.Record { // RocketMQ takes no empty body
		body, _ = framing.Length.Append(nil, nil) // it never fails
		content = transport.Lengths
	}
	one := &v2.Message{Topic: p.c.resource(), SystemProperties: properties, Body: body}
	if content != transport.Record {
		one.UserProperties = map[string]string{transport.ContentHeader: content.String()}
	}
	return one
}

// idEpoch is what the time in a message's id counts from.
var idEpoch = time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)

// messageID is that of the next message, in the form that RocketMQ's tools know:
// a version, what is unique of the sender, seconds and a number.
func (p *publisher) messageID() string {
	return fmt.Sprintf("01%X%08X%08X", p.id, uint32(time.Since(idEpoch)/time.Second), uint32(p.next))
}

// send sends what comes on a lane, one by one, until the line is lost.
func (p *publisher) send(lane <-chan job) {
	for {
		select {
		case j := <-lane:
			if err := p.confirm(j); err != nil {
				p.lose(err)
				return
			}
			p.events.Confirmed(j.n)
		case <-p.ctx.Done():
			return
		}
	}
}

// confirm sends a message and waits until it is confirmed.
func (p *publisher) confirm(j job) error {
	request := &v2.SendMessageRequest{Messages: []*v2.Message{j.m}}
	for try := 1; ; try++ {
		err := p.call(j, request)
		if !isStatus(err, v2.Code_TOO_MANY_REQUESTS) || try == throttled {
			return err
		}
		select {
		case <-time.After(throttledWait):
		case <-p.ctx.Done():
			return context.Cause(p.ctx)
		}
	}
}

func (p *publisher) call(j job, request *v2.SendMessageRequest) error {
	ctx, cancel := context.WithTimeout(p.ctx, requestTime)
	defer cancel()
	answer, err := p.peers[home(j.queue)].SendMessage(ctx, request)
	if err != nil {
		return p.c.failed(err)
	}
	return p.c.check(answer.GetStatus())
}

// Flush implements broker.Publisher: nothing is held back.
func (p *publisher) Flush() error { return nil }

// Limit implements broker.Publisher.
func (p *publisher) Limit() int {
	return int(p.peers[home(p.queues[0])].settings.GetPublishing().GetMaxBodySize())
}

// Close implements broker.Publisher.
func (p *publisher) Close() {
	if p.ctx.Err() == nil {
		p.bye()
	}
	p.end(net.ErrClosed)
}
