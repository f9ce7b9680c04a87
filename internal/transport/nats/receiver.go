package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"pipeworks/internal/transport"
)

const (
	defaultGroup   = "relay"
	defaultAckWait = 30 * time.Second
	maxAckPending  = 10000 // of all receivers of a group; the server's own 1,000 are few for batches

	pullTime  = 10 * time.Second // that a request for messages waits at the server
	pullGrace = 2 * time.Second  // after which it is taken for lost
	pullBytes = 8 << 20          // that may come at once
	pullRoom  = 64 << 10         // for what else there is of a message
	byeTime   = 5 * time.Second  // for the last words of a receiver
)

// What is said of a message, to the subject that it names.
var (
	acknowledged = []byte("+ACK")
	rejected     = []byte("-NAK") // it is to come again, at once
	inProgress   = []byte("+WPI")
)

// streamReceiver is a transport.Receiver from a consumer of JetStream, which all
// receivers of a group share. It asks for as many messages as are wanted, so
// that none waits here for its turn while another receiver is idle.
type streamReceiver struct {
	*client
	pullFrom string // where to ask for messages
	infoFrom string // and how many there are
	inbox    string // where they come
	maxBytes int
	replies  *nats.Subscription
	alive    *time.Timer // keeps the server from giving to others what is in the queue
	lease    time.Duration

	asked   int         // messages that the server owes
	overdue *time.Timer // until it is taken for no answer
	queue   []*nats.Msg
	held    map[*nats.Msg]struct{} // received and not acknowledged
	owed    []string               // subjects of acknowledgements that could not be sent
	closing bool
}

func newStreamReceiver(ctx context.Context, c *client) (transport.Receiver, error) {
	found, err := c.findStream(ctx)
	if err != nil {
		return nil, err
	}
	consumer, err := c.findConsumer(ctx, found)
	if err != nil {
		return nil, err
	}
	r := &streamReceiver{
		client:   c,
		pullFrom: fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", found.CachedInfo().Config.Name, consumer.Name),
		infoFrom: fmt.Sprintf("$JS.API.CONSUMER.INFO.%s.%s", found.CachedInfo().Config.Name, consumer.Name),
		inbox:    c.NewInbox(),
		maxBytes: max(pullBytes, int(c.MaxPayload())+pullRoom),
		lease:    consumer.AckWait / 3,
		held:     make(map[*nats.Msg]struct{}),
	}
	c.reconnected = r.resume
	r.alive = time.AfterFunc(r.lease, r.keepQueue)
	r.overdue = time.AfterFunc(pullTime, r.askAnew)
	if r.replies, err = c.Subscribe(r.inbox, r.arrived); err != nil {
		return nil, err
	}
	return r, r.replies.SetPendingLimits(-1, -1) // no more comes than was asked for
}

// findConsumer is the consumer of the group. If there is none, it is made; what
// the URL says of one that is there is changed.
func (c *client) findConsumer(ctx context.Context, s jetstream.Stream) (*jetstream.ConsumerConfig, error) {
	group := c.o.Group
	if group == "" {
		group = defaultGroup
	}
	want := jetstream.ConsumerConfig{
		Durable:       group,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       defaultAckWait,
		MaxAckPending: maxAckPending,
		FilterSubject: c.cfg.subject,
	}
	found, err := s.Consumer(ctx, group)
	switch {
	case err == nil:
		want = found.CachedInfo().Config
		if want.FilterSubject != c.cfg.subject && want.FilterSubject != "" {
			return nil, fmt.Errorf("%s: group %s is for %s: take another --group", c.cfg.url, group, want.FilterSubject)
		}
		if want.AckPolicy != jetstream.AckExplicitPolicy || want.DeliverSubject != "" {
			return nil, fmt.Errorf("%s: group %s is no pull consumer with explicit acknowledgement: take another --group", c.cfg.url, group)
		}
	case !errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil, c.streamError(err)
	}
	asIs := found != nil
	if c.cfg.ackWait != 0 && want.AckWait != c.cfg.ackWait {
		want.AckWait, asIs = c.cfg.ackWait, false
	}
	if c.o.Stream && want.MaxAckPending != 1 {
		want.MaxAckPending, asIs = 1, false // one that comes again is not overtaken
	}
	if !asIs {
		if _, err := s.CreateOrUpdateConsumer(ctx, want); err != nil {
			return nil, c.streamError(err)
		}
	}
	want.Name = group
	return &want, nil
}

// Receive implements transport.Receiver.
func (r *streamReceiver) Receive(ctx context.Context, n int) ([]transport.Message, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.wait(ctx, func() bool {
		r.ask(n)
		return len(r.queue) == 0
	})
	if err != nil {
		return nil, err
	}
	take := r.queue[:min(n, len(r.queue))]
	messages := make([]transport.Message, len(take))
	for i, m := range take {
		if messages[i], err = message(m); err != nil {
			return nil, err
		}
		messages[i].Tries = deliveries(m.Reply)
		messages[i].Handle = m
		r.held[m] = struct{}{}
	}
	r.queue = append(r.queue[:0], r.queue[len(take):]...)
	return messages, nil
}

// message is what came with m.
func message(m *nats.Msg) (transport.Message, error) {
	content, err := transport.ParseContent(m.Header.Get(transport.ContentHeader))
	return transport.Message{Body: m.Data, Content: content, ID: m.Header.Get(nats.MsgIdHdr)}, err
}

// deliveries is how often a message was delivered, which the subject of its
// acknowledgement tells: $JS.ACK.STREAM.CONSUMER.DELIVERED.…, or with a domain
// and an account before the stream.
func deliveries(reply string) int {
	parts := strings.Split(reply, ".")
	at := 4
	if len(parts) > 9 {
		at = 6
	}
	if len(parts) <= at {
		return 0
	}
	n, _ := strconv.Atoi(parts[at]) // 0: unknown
	return n
}

// ask sees to it that there are n messages, here or on their way. It waits until
// half of them are gone, lest each has a request of its own.
func (r *streamReceiver) ask(n int) {
	if have := len(r.queue) + r.asked; have > n/2 || !r.up.Load() || r.closing {
		return
	}
	batch := n - len(r.queue) - r.asked
	request, _ := json.Marshal(map[string]any{ // it cannot fail
		"batch": batch, "expires": pullTime.Nanoseconds(), "max_bytes": r.maxBytes,
	})
	if err := r.PublishRequest(r.pullFrom, r.inbox, request); err != nil {
		if !r.passing(err) {
			r.failed(fmt.Errorf("receive from %s: %w", r.cfg.url, err))
		}
		return
	}
	r.asked += batch
	r.overdue.Reset(pullTime + pullGrace)
}

// askAnew is called when nothing has come for so long that no request is left.
func (r *streamReceiver) askAnew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = 0
	r.changed.Broadcast()
}

// arrived is called with a message, or with the end of a request.
func (r *streamReceiver) arrived(m *nats.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if status := m.Header.Get("Status"); status != "" && m.Reply == "" {
		r.ended(status, m.Header)
		return
	}
	r.asked = max(0, r.asked-1)
	if r.closing {
		r.say(rejected, m.Reply)
		return
	}
	r.queue = append(r.queue, m)
	r.overdue.Reset(pullTime + pullGrace)
	if len(r.queue) == 1 {
		r.changed.Broadcast()
	}
}

// ended is called with the status of a request that has ended before all of its
// messages had come.
func (r *streamReceiver) ended(status string, h nats.Header) {
	left, err := strconv.Atoi(h.Get("Nats-Pending-Messages"))
	if err != nil {
		left = r.asked
	}
	switch description := h.Get("Description"); {
	case status == "100": // a heartbeat
		return
	case status == "404", status == "408": // none came in time
	case status == "409" && strings.HasPrefix(description, "Consumer Deleted"):
		r.failed(fmt.Errorf("receive from %s: the consumer was deleted", r.cfg.url))
	case status == "409" && strings.HasPrefix(description, "Message Size Exceeds MaxBytes"): // enough for once
	default: // 503, or 409 for another reason: the server is about to start, or has too much to do
		r.overdue.Reset(retryPause)
		return
	}
	r.asked = max(0, r.asked-left)
	r.changed.Broadcast()
}

// keepQueue tells the server that what waits here is not forgotten.
func (r *streamReceiver) keepQueue() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return
	}
	for _, m := range r.queue {
		r.say(inProgress, m.Reply)
	}
	r.alive.Reset(r.lease)
}

// resume is called after a reconnection, which requests do not outlive.
func (r *streamReceiver) resume() {
	r.asked = 0
	owed := r.owed
	r.owed = nil
	for _, reply := range owed {
		r.acknowledge(reply)
	}
}

// say tells the server about a message, if it is there.
func (r *streamReceiver) say(word []byte, reply string) bool {
	return r.up.Load() && r.Publish(reply, word) == nil
}

func (r *streamReceiver) acknowledge(reply string) {
	if !r.say(acknowledged, reply) {
		r.owed = append(r.owed, reply)
	}
}

// Ack implements transport.Receiver.
func (r *streamReceiver) Ack(_ context.Context, messages []transport.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range messages {
		if m, ok := messages[i].Handle.(*nats.Msg); ok {
			delete(r.held, m)
			r.acknowledge(m.Reply)
		}
	}
	return r.err
}

// Extend implements transport.Receiver.
func (r *streamReceiver) Extend(_ context.Context, messages []transport.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range messages {
		if m, ok := messages[i].Handle.(*nats.Msg); ok {
			r.say(inProgress, m.Reply)
		}
	}
	return r.err
}

// Pending implements transport.Pending. Of a server that is away, or does not answer,
// it is not known.
func (r *streamReceiver) Pending(ctx context.Context) (bool, error) {
	asking, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	answer, err := r.RequestWithContext(asking, r.infoFrom, nil)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	var info struct {
		Pending int `json:"num_pending"`
	}
	if err == nil {
		err = json.Unmarshal(answer.Data, &info)
	}
	return err != nil || info.Pending > 0, nil
}

// Close implements transport.Receiver.
func (r *streamReceiver) Close() error {
	r.mu.Lock()
	r.closing = true
	r.alive.Stop()
	r.overdue.Stop()
	for _, m := range r.queue {
		r.say(rejected, m.Reply)
	}
	for m := range r.held {
		r.say(rejected, m.Reply)
	}
	r.mu.Unlock()
	defer r.close()
	// What is on its way is given back, too, before the end.
	drained := make(chan struct{})
	r.replies.SetClosedHandler(func(string) { close(drained) })
	err := r.replies.Drain()
	if err == nil {
		select {
		case <-drained:
		case <-time.After(byeTime):
		}
		err = r.FlushTimeout(byeTime)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.owed) > 0 || err != nil {
		return fmt.Errorf("%s: the last acknowledgements may not have arrived, then their messages come again", r.cfg.url)
	}
	return nil
}
