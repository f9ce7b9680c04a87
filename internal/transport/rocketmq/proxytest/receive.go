package proxytest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// What a proxy and a broker allow by default.
const (
	minInvisible = 10 * time.Second
	maxInvisible = 12 * time.Hour
	minPoll      = 5 * time.Second
	maxPoll      = 20 * time.Second
	maxBatch     = 32
	nackTime     = time.Second
)

// ReceiveMessage implements v2.MessagingServiceServer.
func (p *Proxy) ReceiveMessage(r *v2.ReceiveMessageRequest, stream v2.MessagingService_ReceiveMessageServer) error {
	ctx := stream.Context()
	found, status := p.receive(ctx, r)
	answers := []*v2.ReceiveMessageResponse{{Content: &v2.ReceiveMessageResponse_Status{Status: status}}}
	for _, m := range found {
		answers = append(answers, &v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Message{Message: m}})
	}
	answers = append(answers, &v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_DeliveryTimestamp{DeliveryTimestamp: timestamppb.Now()}})
	for i, answer := range answers {
		err := stream.Send(answer)
		if err == nil && ctx.Err() != nil {
			err = ctx.Err()
		}
		if err == nil {
			continue
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, m := range found[min(max(i-1, 0), len(found)):] { // as a proxy gives back what it cannot hand over
			if d := p.handle[m.GetSystemProperties().GetReceiptHandle()]; d != nil {
				d.until = time.Now().Add(nackTime)
			}
		}
		return err
	}
	return nil
}

func (p *Proxy) receive(ctx context.Context, r *v2.ReceiveMessageRequest) ([]*v2.Message, *v2.Status) {
	client, status := p.admit(ctx, "ReceiveMessage")
	if status == nil {
		status = p.known(client)
	}
	topic, group, invisible := r.GetMessageQueue().GetTopic().GetName(), r.GetGroup().GetName(), r.GetInvisibleDuration().AsDuration()
	if status == nil {
		status = checkTopic(topic)
	}
	if status == nil {
		status = checkGroup(group)
	}
	if status != nil {
		return nil, status
	}
	deadline, has := ctx.Deadline()
	switch {
	case !has:
		return nil, no(v2.Code_INTERNAL_SERVER_ERROR, "there is no deadline")
	case invisible < minInvisible || invisible > maxInvisible:
		return nil, no(v2.Code_ILLEGAL_INVISIBLE_TIME, "the invisibleTime is too small. min is %v", minInvisible)
	case r.GetBatchSize() > maxBatch || r.GetBatchSize() < 1:
		return nil, no(v2.Code_INTERNAL_SERVER_ERROR, "the broker's pop message num is greater than %d", maxBatch)
	}
	p.mu.Lock()
	request := p.clients[client].GetRequestTimeout().AsDuration()
	p.mu.Unlock()
	polling := min(max(time.Until(deadline)-request/2, minPoll), maxPoll)
	if polling > time.Until(deadline) {
		return nil, no(v2.Code_BAD_REQUEST, "the deadline time remaining is not enough for polling")
	}
	over := time.After(polling)
	for {
		found, next, changed := p.pop(topic, group, r.GetFilterExpression().GetExpression(), int(r.GetBatchSize()), invisible)
		if len(found) > 0 {
			return found, ok()
		}
		select {
		case <-changed:
		case <-next:
		case <-ctx.Done():
			return nil, no(v2.Code_MESSAGE_NOT_FOUND, "no new message")
		case <-over:
			return nil, no(v2.Code_MESSAGE_NOT_FOUND, "no new message")
		}
	}
}

// pop is what a group gets now; if it is nothing, next tells when the time of a
// message is over.
func (p *Proxy) pop(topic, group, tags string, n int, invisible time.Duration) (found []*v2.Message, next <-chan time.Time, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var soonest time.Duration
	all, wanted := p.topics[topic], strings.Split(tags, "||")
	for i := p.groups[[2]string{topic, group}]; i < len(all); i++ {
		m := all[i]
		d := m.groups[group]
		if d == nil {
			d = &delivery{done: tags != "*" && !slices.Contains(wanted, m.GetSystemProperties().GetTag())}
			m.groups[group] = d
		}
		if d.done {
			if p.groups[[2]string{topic, group}] == i {
				p.groups[[2]string{topic, group}]++
			}
			continue
		}
		if left := d.until.Sub(now); left > 0 {
			if soonest == 0 || left < soonest {
				soonest = left
			}
			if orderly(group) {
				break // the rest has to wait for it
			}
			continue
		}
		if len(found) == n {
			break
		}
		d.attempts++
		d.until = now.Add(invisible)
		p.newHandle(d)
		one := proto.CloneOf(m.Message)
		attempts, handle := d.attempts, d.handle
		one.SystemProperties.DeliveryAttempt, one.SystemProperties.ReceiptHandle = &attempts, &handle
		found = append(found, one)
	}
	if soonest > 0 {
		next = time.After(soonest)
	}
	return found, next, p.changed
}

// newHandle makes the last one of no use. The lock is held.
func (p *Proxy) newHandle(d *delivery) {
	delete(p.handle, d.handle)
	p.handles++
	d.handle = strconv.Itoa(p.handles)
	p.handle[d.handle] = d
}

// AckMessage implements v2.MessagingServiceServer.
func (p *Proxy) AckMessage(ctx context.Context, r *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
	_, status := p.admit(ctx, "AckMessage")
	if status == nil {
		status = checkGroup(r.GetGroup().GetName())
	}
	if status != nil {
		return &v2.AckMessageResponse{Status: status}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	answer := &v2.AckMessageResponse{Status: ok()}
	for _, e := range r.GetEntries() {
		result := &v2.AckMessageResultEntry{MessageId: e.MessageId, ReceiptHandle: e.ReceiptHandle, Status: p.valid(e.ReceiptHandle)}
		if result.Status == nil {
			result.Status = ok()
			d := p.handle[e.ReceiptHandle]
			d.done = true
			delete(p.handle, d.handle)
		} else {
			answer.Status = no(v2.Code_MULTIPLE_RESULTS, "MULTIPLE_RESULTS")
		}
		answer.Entries = append(answer.Entries, result)
	}
	p.change()
	return answer, nil
}

// valid says what is wrong with a handle. The lock is held.
func (p *Proxy) valid(handle string) *v2.Status {
	if d := p.handle[handle]; d == nil || !time.Now().Before(d.until) {
		return no(v2.Code_INVALID_RECEIPT_HANDLE, "receipt handle is expired")
	}
	return nil
}

// ChangeInvisibleDuration implements v2.MessagingServiceServer.
func (p *Proxy) ChangeInvisibleDuration(ctx context.Context, r *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
	_, status := p.admit(ctx, "ChangeInvisibleDuration")
	p.mu.Lock()
	defer p.mu.Unlock()
	if status == nil {
		status = p.valid(r.GetReceiptHandle())
	}
	if status != nil {
		return &v2.ChangeInvisibleDurationResponse{Status: status}, nil
	}
	d := p.handle[r.GetReceiptHandle()]
	d.until = time.Now().Add(r.GetInvisibleDuration().AsDuration())
	p.newHandle(d)
	p.change()
	return &v2.ChangeInvisibleDurationResponse{Status: ok(), ReceiptHandle: d.handle}, nil
}
