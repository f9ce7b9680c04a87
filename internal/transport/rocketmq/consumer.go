package rocketmq

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
	"pipeworks/internal/transport/link"
)

const (
	pollTime  = 20 * time.Second // that a request for messages waits at the proxy, and some
	pollMost  = 32               // messages that a broker gives at once
	pollPause = 250 * time.Millisecond
)

// consumer is a broker.Consumer. It asks for messages while somebody waits for
// some, so that none lies here while another receiver is idle.
type consumer struct {
	*line
	leases *leases

	mu      sync.Mutex
	changed sync.Cond
	wanted  int // messages, by who waits
	queue   []transport.Message
	lost    error // the line, by this
}

func (l *leases) consumer(ctx context.Context) (broker.Consumer, error) {
	c := l.c
	kind := v2.ClientType_SIMPLE_CONSUMER
	line, err := c.connect(ctx, &v2.Settings{
		ClientType: &kind,
		PubSub: &v2.Settings_Subscription{Subscription: &v2.Subscription{
			Group:              &v2.Resource{Name: c.group()},
			Subscriptions:      []*v2.SubscriptionEntry{{Topic: c.resource(), Expression: c.filter()}},
			LongPollingTimeout: durationpb.New(pollTime - requestTime/2),
		}},
	}, v2.Permission_READ)
	if err != nil {
		return nil, err
	}
	for _, p := range line.peers {
		if c.o.Stream && p.settings != nil && !p.settings.GetSubscription().GetFifo() {
			err := link.Permanent(&hintError{
				fmt.Errorf("%s: consumer group %s keeps no order, as a byte stream needs it", c.url, c.group()),
				"let it keep the order: mqadmin updateSubGroup -n NAMESERVER -c CLUSTER -o true -g " + c.group(),
			})
			line.end(err)
			return nil, err
		}
	}
	r := &consumer{line: line, leases: l}
	r.changed.L = &r.mu
	context.AfterFunc(line.ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lost = context.Cause(line.ctx)
		r.changed.Broadcast()
	})
	polled := map[string]bool{} // a broker gives from all its queues
	for _, q := range line.queues {
		if name := q.GetBroker().GetName(); !polled[name] {
			polled[name] = true
			line.running.Go(func() { r.poll(q) })
		}
	}
	line.running.Go(func() { l.settle(line) })
	line.running.Go(func() { l.renew(line) })
	return r, nil
}

// filter is what the receiver wants of the topic.
func (c *config) filter() *v2.FilterExpression {
	f := &v2.FilterExpression{Type: v2.FilterType_TAG, Expression: "*"}
	if c.tag != "" {
		f.Expression = c.tag
	}
	return f
}

// poll asks the broker that has a queue for messages, while some are wanted.
func (r *consumer) poll(q *v2.MessageQueue) {
	for {
		r.mu.Lock()
		for r.lost == nil && (r.wanted == 0 || len(r.queue) > 0) {
			r.changed.Wait()
		}
		n, lost := r.wanted, r.lost
		r.mu.Unlock()
		if lost != nil {
			return
		}
		messages, err := r.ask(q, min(n, pollMost))
		r.mu.Lock()
		r.queue = append(r.queue, messages...)
		r.changed.Broadcast()
		r.mu.Unlock()
		switch {
		case isStatus(err, v2.Code_TOO_MANY_REQUESTS):
			select {
			case <-time.After(pollPause):
			case <-r.ctx.Done():
			}
		case err != nil:
			r.lose(err)
			return
		}
	}
}

// ask asks once, for at most n messages.
func (r *consumer) ask(q *v2.MessageQueue, n int) (messages []transport.Message, err error) {
	ctx, cancel := context.WithTimeout(r.ctx, pollTime) // which tells the proxy how long to wait
	defer cancel()
	p := r.peers[home(q)]
	stream, err := p.ReceiveMessage(ctx, &v2.ReceiveMessageRequest{
		Group:             &v2.Resource{Name: r.c.group()},
		MessageQueue:      q,
		FilterExpression:  r.c.filter(),
		BatchSize:         int32(n),
		InvisibleDuration: durationpb.New(r.c.ackWait),
	})
	if err != nil {
		return nil, r.c.failed(err)
	}
	for {
		answer, err := stream.Recv()
		if err == io.EOF || status.Code(err) == codes.DeadlineExceeded { // it took a little too long
			return messages, nil
		}
		if err != nil {
			return messages, r.c.failed(err)
		}
		if s := answer.GetStatus(); s != nil && s.GetCode() != v2.Code_MESSAGE_NOT_FOUND {
			if err := r.c.check(s); err != nil {
				return messages, err
			}
		}
		if m := answer.GetMessage(); m != nil {
			one, err := r.leases.take(m, home(q))
			if err != nil {
				return messages, link.Permanent(fmt.Errorf("receive from %s: %w", r.c.url, err))
			}
			messages = append(messages, one)
		}
	}
}

// Receive implements broker.Consumer.
func (r *consumer) Receive(ctx context.Context, n int) ([]transport.Message, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 { // else it is handed out even if the line is lost
		r.wanted = n
		r.changed.Broadcast()
		err := transport.Wait(ctx, &r.changed, &r.lost, func() bool { return len(r.queue) == 0 })
		r.wanted = 0
		if err != nil {
			return nil, err
		}
	}
	n = min(n, len(r.queue))
	messages := r.queue[:n:n]
	r.queue = r.queue[n:]
	return messages, nil
}

// Ack implements broker.Consumer.
func (r *consumer) Ack(_ context.Context, messages []transport.Message) error {
	r.leases.acknowledge(messages)
	return nil
}

// Close implements broker.Consumer. What was received over a line that is lost
// is still ours: it is acknowledged over the next one.
func (r *consumer) Close() {
	if r.ctx.Err() == nil {
		r.leases.giveBack(r.line)
		r.bye()
	}
	r.end(net.ErrClosed)
	r.leases.forget(r.queue) // nobody has seen it: it comes again
}
