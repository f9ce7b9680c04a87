package fifomerge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"pipeworks/internal/fifo"
	"pipeworks/internal/reject"
)

// sink is where the records of all sources go, each of them in one piece.
type sink struct {
	framing   Framing
	maxRecord int
	mark      []byte       // fifo.TornMark, ended; nil where it marks nothing
	warn      func(string) // nil: nobody is told

	mu      sync.Mutex // of what follows
	out     io.Writer
	rejects *reject.Sink
	sum     MergeSummary
}

func newSink(framing Framing, maxRecord int, rejects *reject.Sink, warn func(string), out io.Writer) *sink {
	if maxRecord == 0 {
		maxRecord = defaultMaxRecord
	}
	s := &sink{framing: framing, maxRecord: maxRecord, rejects: rejects, warn: warn, out: out}
	if framing != Length {
		s.mark = append([]byte(fifo.TornMark), framing.terminator())
	}
	return s
}

// source is what one reader gives, such as a pipe.
type source struct {
	*sink
	name   string
	blocks *blocks
	count  int // records so far
}

func (s *sink) source(name string, r io.Reader) *source {
	return &source{sink: s, name: name, blocks: newBlocks(r, s.framing, s.maxRecord)}
}

// read reads once and returns the whole records that this completes.
func (in *source) read() ([]byte, error) {
	records, err := in.blocks.Read()
	if tooLong, ok := errors.AsType[*tooLongError](err); ok {
		return nil, in.reject(tooLong, tooLong.Head)
	}
	return records, err
}

// deliver writes whole records. Where one ends in the mark that the rest of it
// will never come, it is rejected.
func (in *source) deliver(records []byte) error {
	for in.mark != nil {
		end := bytes.Index(records, in.mark)
		if end < 0 {
			break
		}
		begin := bytes.LastIndexByte(records[:end], in.framing.terminator()) + 1
		if err := in.write(records[:begin]); err != nil {
			return err
		}
		if begin < end { // else the mark came alone: the end was seen before
			if err := in.reject(errUnfinished, records[begin:end]); err != nil {
				return err
			}
		}
		records = records[end+len(in.mark):]
	}
	return in.write(records)
}

// write writes whole records that no mark is among.
func (in *source) write(records []byte) error {
	if len(records) == 0 {
		return nil
	}
	n := in.framing.count(records)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.count += int(n)
	in.sum.In += n
	written, err := in.out.Write(records)
	in.sum.Bytes += int64(written)
	if err != nil {
		return err
	}
	in.sum.Out += n
	return nil
}

var errUnfinished = errors.New("was not finished")

// unfinished rejects what the last writer left of a record.
func (in *source) unfinished() error {
	if rest := in.blocks.Rest(); len(rest) > 0 {
		return in.reject(errUnfinished, rest)
	}
	return nil
}

func (in *source) reject(err error, input []byte) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.count++
	err = fmt.Errorf("%s: record %d %w", in.name, in.count, err)
	if in.rejects.Out == nil && in.warn != nil {
		in.warn(err.Error() + " and is dropped")
	}
	return in.rejects.Add(reject.Record{Source: in.name, Line: in.count, Err: err, Input: input})
}
