package fifomerge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"pipeworks/internal/fifo"
	"pipeworks/internal/framing"
	"pipeworks/internal/progress"
	"pipeworks/internal/reject"
	"pipeworks/internal/stream"
)

// Records says what the records of all sources are.
type Records struct {
	Framing   framing.Framing
	MaxRecord int  // bytes; 0 is 64 MiB
	Tag       bool // each gets the name of its source

	Meter   *progress.Meter      // counts them; nil: nobody does
	Rejects *reject.Sink         // of those that are not whole
	Warn    func(message string) // about what goes wrong meanwhile; nil: nobody is told
}

const defaultMaxRecord = 64 << 20

// sink is where the records of all sources go, each of them in one piece.
type sink struct {
	Records
	mark []byte // fifo.TornMark, ended; nil where it marks nothing

	// put delivers records of a source in the form that was made of them. The
	// sink is locked.
	put func(in *source, records, made []byte) error

	mu  sync.Mutex // of the Meter, the Rejects, and what follows
	out io.Writer
	sum MergeSummary
}

// blockSize is how much is written at once of what is not passed on as it came.
const blockSize = 128 << 10

func newSink(r Records, out io.Writer) *sink {
	if r.MaxRecord == 0 {
		r.MaxRecord = defaultMaxRecord
	}
	if pipe, ok := out.(interface{ Widen(bytes int) }); ok {
		pipe.Widen(stream.WidePipe)
	}
	s := &sink{Records: r, out: out}
	s.put = s.write
	if r.Framing != framing.Length {
		s.mark = append([]byte(fifo.TornMark), r.Framing.Terminator())
	}
	return s
}

// source is what one reader gives, such as a pipe.
type source struct {
	*sink
	name   string
	tag    *tag // nil: records go out as they are
	made   []byte
	blocks *framing.Reader
	count  int // records so far

	sorted *sorted // nil: its records go out as they come

	// Of a source that is spooled:
	log    *logReader
	offset int64 // in the log, of the record that is next
	skip   int64 // how much of what is made of the next records is delivered already
}

// source is the one called name, which r reads.
func (s *sink) source(name string, r io.Reader) *source {
	in := &source{sink: s, name: name, blocks: framing.NewReader(r, s.Framing, s.MaxRecord)}
	if s.Tag {
		in.tag = newTag(name)
	}
	return in
}

// take reads once and delivers the records that this completes.
func (in *source) take() error {
	records, err := in.blocks.Read()
	if in.log != nil {
		in.offset = in.log.offset - int64(in.blocks.Held()+len(records))
	}
	if tooLong, ok := errors.AsType[*framing.TooLongError](err); ok {
		return in.reject(tooLong, tooLong.Head)
	}
	if err != nil {
		return err
	}
	return in.deliver(records)
}

// deliver delivers whole records. Where one ends in the mark that the rest of
// it will never come, it is rejected.
func (in *source) deliver(records []byte) error {
	for in.mark != nil {
		end := bytes.Index(records, in.mark)
		if end < 0 {
			break
		}
		begin := bytes.LastIndexByte(records[:end], in.Framing.Terminator()) + 1
		if err := in.deliverWhole(records[:begin]); err != nil {
			return err
		}
		if begin < end { // else the mark came alone: the end was seen before
			if err := in.reject(errUnfinished, records[begin:end]); err != nil {
				return err
			}
		}
		in.offset += int64(end - begin + len(in.mark))
		records = records[end+len(in.mark):]
	}
	return in.deliverWhole(records)
}

// deliverWhole delivers whole records that no mark is among.
func (in *source) deliverWhole(records []byte) error {
	if len(records) == 0 {
		return nil
	}
	if in.sorted != nil {
		return in.sorted.send(records)
	}
	n := in.Framing.Count(records)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.count += int(n)
	in.sum.In += n
	in.Meter.AddRecords(int(n))
	in.Meter.AddBytes(len(records))
	made := records
	if in.tag != nil {
		in.made = in.tag.append(in.made[:0], in.Framing, records)
		made = in.made
	}
	if err := in.put(in, records, made); err != nil {
		return err
	}
	in.offset += int64(len(records))
	in.sum.Out += n
	return nil
}

// write puts the records on the output.
func (s *sink) write(_ *source, _, made []byte) error {
	n, err := s.out.Write(made)
	s.sum.Bytes += int64(n)
	return err
}

var errUnfinished = errors.New("was not finished")

// unfinished rejects what the last writer left of a record.
func (in *source) unfinished() error {
	if rest := in.blocks.Rest(); len(rest) > 0 {
		return in.reject(errUnfinished, rest)
	}
	return nil
}

// finish says that no more will come.
func (in *source) finish() {
	if in.sorted != nil {
		close(in.sorted.batches)
	}
}

func (in *source) reject(err error, input []byte) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.count++
	err = fmt.Errorf("%s: record %d %w", in.name, in.count, err)
	if in.Rejects.Out == nil && in.Warn != nil {
		in.Warn(err.Error() + " and is dropped")
	}
	return in.Rejects.Add(reject.Record{Source: in.name, Line: in.count, Err: err, Input: input})
}
