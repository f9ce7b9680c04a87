package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pipeworks/internal/transport"
)

const (
	defaultGroup = "relay"

	heartbeatTime = time.Second            // also how soon a receiver hears that another has come or gone
	sessionTime   = 10 * time.Second       // without a heartbeat a receiver is dead, and others get its partitions
	commitPause   = 100 * time.Millisecond // between two commits, each of all that was finished meanwhile
	fetchBytes    = 16 << 20               // that a broker sends at once
)

// receiver is a transport.Receiver: a member of a consumer group. What is
// finished is committed, and of each partition only up to the first message that
// is not.
type receiver struct {
	*client
	grouped bool
	wake    chan struct{} // something is to be committed; has room for one
	stopped chan struct{} // closed when the committer has ended
	stop    context.CancelFunc

	queue []transport.Message // fetched and not returned
	stale bool                // some of them may be of a partition that was lost; guarded by mu

	commits    sync.Mutex           // held during one, so that they come in order
	partitions map[int32]*partition // that are ours; guarded by mu
}

func newReceiver(ctx context.Context, u transport.URL, o transport.Options) (transport.Receiver, error) {
	cfg, err := parse(u)
	if err != nil {
		return nil, err
	}
	r := &receiver{
		grouped:    o.Group != "" || !cfg.hasOffset,
		wake:       make(chan struct{}, 1),
		stopped:    make(chan struct{}),
		partitions: make(map[int32]*partition),
	}
	options := []kgo.Opt{
		kgo.ConsumeTopics(cfg.topic),
		kgo.ConsumeResetOffset(cfg.offset),
		kgo.FetchMaxBytes(fetchBytes),
	}
	if r.grouped {
		group := o.Group
		if group == "" {
			group = defaultGroup
		}
		options = append(options,
			kgo.ConsumerGroup(group),
			kgo.SessionTimeout(sessionTime),
			kgo.HeartbeatInterval(heartbeatTime),
			kgo.DisableAutoCommit(),
			kgo.BlockRebalanceOnPoll(), // until what was polled is known here
			kgo.OnPartitionsRevoked(r.revoked),
			kgo.OnPartitionsLost(r.lost),
		)
	}
	if r.client, _, err = connect(ctx, cfg, o, false, options...); err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(r.alive)
	r.stop = stop
	go r.commitFinished(run)
	return r, nil
}

// Receive implements transport.Receiver.
func (r *receiver) Receive(ctx context.Context, n int) ([]transport.Message, error) {
	for {
		if messages := r.next(n); len(messages) > 0 {
			return messages, nil
		}
		if err := r.fetch(ctx); err != nil {
			return nil, err
		}
	}
}

// fetch waits for messages and takes all that were fetched, so that the next
// are asked for meanwhile.
func (r *receiver) fetch(ctx context.Context) error {
	ctx, stop := r.while(ctx)
	defer stop()
	fetched := r.PollFetches(ctx)
	messages, err := r.received(fetched)
	r.AllowRebalance()
	r.queue = messages
	switch {
	case len(messages) > 0:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

// next takes up to n messages off the queue, but none of a partition that is
// not ours any more: others have it.
func (r *receiver) next(n int) (messages []transport.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stale {
		r.stale = false
		r.queue = slices.DeleteFunc(r.queue, func(m transport.Message) bool {
			p, ok := m.Handle.(*pending)
			return ok && p.partition.lost
		})
	}
	n = min(n, len(r.queue))
	messages, r.queue = r.queue[:n:n], r.queue[n:]
	return messages
}

// passes reports whether an error is that of a group that could not be joined for
// now, as while a broker restarts, or has forgotten us: the client goes on trying.
func passes(err error) bool {
	session, ok := errors.AsType[*kgo.ErrGroupSession](err)
	if !ok {
		return false
	}
	answer, ok := errors.AsType[*kerr.Error](session)
	return !ok || answer.Retriable || answer == kerr.UnknownMemberID || answer == kerr.IllegalGeneration || answer == kerr.RebalanceInProgress
}

// received makes messages of what was fetched.
func (r *receiver) received(fetched kgo.Fetches) (messages []transport.Message, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	messages = make([]transport.Message, 0, fetched.NumRecords())
	fetched.EachPartition(func(p kgo.FetchTopicPartition) {
		if lost, ok := errors.AsType[*kgo.ErrDataLoss](p.Err); ok {
			r.o.Warnf("%s: %v", r.cfg.url, lost)
		} else if passes(p.Err) {
			r.o.Warnf("%s: %v", r.cfg.url, p.Err)
		} else if p.Err != nil && err == nil {
			err = fmt.Errorf("receive from %s: %w", r.cfg.url, p.Err)
		}
		var handles []pending
		if r.grouped && len(p.Records) > 0 {
			handles = r.partition(p.Partition).add(p.Records)
		}
		for i, record := range p.Records {
			m := transport.Message{Body: record.Value, Key: string(record.Key)}
			for _, h := range record.Headers {
				if h.Key == transport.ContentHeader && err == nil {
					m.Content, err = transport.ParseContent(string(h.Value))
				}
			}
			if handles != nil {
				m.Handle = &handles[i]
			}
			messages = append(messages, m)
		}
	})
	return messages, err
}

// partition is what is known of one that is ours.
func (r *receiver) partition(number int32) *partition {
	p := r.partitions[number]
	if p == nil {
		p = &partition{}
		r.partitions[number] = p
	}
	return p
}

// Ack implements transport.Receiver.
func (r *receiver) Ack(_ context.Context, messages []transport.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range messages {
		if m, ok := messages[i].Handle.(*pending); ok {
			m.finish()
		}
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return r.err
}

// Extend implements transport.Receiver: a member of a group is alive as long as
// its heartbeats come.
func (r *receiver) Extend(context.Context, []transport.Message) error { return nil }

// commitFinished commits what was finished, as it is.
func (r *receiver) commitFinished(ctx context.Context) {
	defer close(r.stopped)
	for {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return
		}
		if err := r.commit(ctx); err != nil && ctx.Err() == nil {
			// A rebalance, most likely. It is still to be done, if it is still ours.
			select {
			case r.wake <- struct{}{}:
			default:
			}
		}
		select {
		case <-time.After(commitPause):
		case <-ctx.Done():
			return
		}
	}
}

// commit tells the group what was finished since it was told last.
func (r *receiver) commit(ctx context.Context) error {
	r.commits.Lock()
	defer r.commits.Unlock()
	r.mu.Lock()
	told := make(map[*partition]kgo.EpochOffset)
	offsets := make(map[int32]kgo.EpochOffset)
	for number, p := range r.partitions {
		if p.done != p.committed {
			told[p], offsets[number] = p.done, p.done
		}
	}
	r.mu.Unlock()
	if len(offsets) == 0 {
		return nil
	}
	var err error
	r.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{r.cfg.topic: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, cause error) {
			err = commitError(answer, cause)
		})
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, offset := range told {
		p.committed = offset
	}
	return nil
}

// revoked is called before others get some of our partitions.
func (r *receiver) revoked(ctx context.Context, _ *kgo.Client, topics map[string][]int32) {
	if err := r.commit(ctx); err != nil {
		r.o.Warnf("%s: what was finished is done again: commit: %v", r.cfg.url, err)
	}
	r.lost(ctx, nil, topics)
}

// lost is called when partitions are not ours any more. What is acknowledged of
// them from now on is not heard.
func (r *receiver) lost(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, number := range topics[r.cfg.topic] {
		if p := r.partitions[number]; p != nil {
			p.lost, r.stale = true, true
			delete(r.partitions, number)
		}
	}
}

// Close implements transport.Receiver.
func (r *receiver) Close() error {
	r.stop()
	<-r.stopped
	defer r.close()
	if !r.grouped {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.alive, connectTime)
	defer cancel()
	err := r.commit(ctx)
	if err != nil {
		err = fmt.Errorf("%s: what was finished last is done again: commit: %w", r.cfg.url, err)
	}
	if leaving := r.LeaveGroupContext(ctx); err == nil {
		err = leaving
	}
	return err
}
