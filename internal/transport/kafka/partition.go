package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// partition is what is known of one that is ours. Its messages may be finished
// in any order, but a commit says that all before it are.
type partition struct {
	pending   [][]pending // not finished, or behind one that is not; in order, as they came
	done      kgo.EpochOffset
	committed kgo.EpochOffset
	lost      bool // it is not ours any more
}

// pending is a message that was received.
type pending struct {
	partition *partition
	next      kgo.EpochOffset // behind it
	finished  bool
}

// add returns a pending for each record, in order.
func (p *partition) add(records []*kgo.Record) []pending {
	all := make([]pending, len(records))
	for i, r := range records {
		all[i] = pending{partition: p, next: kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}}
	}
	p.pending = append(p.pending, all)
	return all
}

// finish moves done up to the first message that is not finished.
func (m *pending) finish() {
	m.finished = true
	for p := m.partition; len(p.pending) > 0; p.pending = p.pending[1:] {
		first := p.pending[0]
		for len(first) > 0 && first[0].finished {
			p.done = first[0].next
			first = first[1:]
		}
		if p.pending[0] = first; len(first) > 0 {
			return
		}
	}
}

// commitError is why a commit was not, or not wholly, accepted.
func commitError(answer *kmsg.OffsetCommitResponse, err error) error {
	if err != nil {
		return err
	}
	for _, topic := range answer.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}
