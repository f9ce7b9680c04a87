package fifomerge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"pipeworks/internal/fifo"
	"pipeworks/internal/framing"
	"pipeworks/internal/stream"
)

// WriteConfig says how to write to a named pipe that others write to as well.
type WriteConfig struct {
	Pipe      string          // its path
	Wait      time.Duration   // for the pipe and its reader; 0 is for ever
	Framing   framing.Framing // Newline or Null: a long record that is cut off is marked by its end
	MaxRecord int             // bytes; 0 is 64 MiB
}

// WriteSummary is what was written.
type WriteSummary struct {
	Out   int64 `json:"out"` // records
	Bytes int64 `json:"bytes"`
}

// Write copies records to a named pipe, none of them torn by the other writers
// that use it. A last record without terminator gets one.
func Write(ctx context.Context, cfg WriteConfig, in stream.Inputs) (sum WriteSummary, err error) {
	if cfg.MaxRecord == 0 {
		cfg.MaxRecord = defaultMaxRecord
	}
	w, err := fifo.OpenShared(ctx, cfg.Pipe, cfg.Framing.Terminator(), cfg.Wait)
	if err != nil {
		return sum, err
	}
	write := func(records []byte) error {
		if err := w.Write(ctx, records); err != nil {
			return err
		}
		sum.Out += cfg.Framing.Count(records)
		sum.Bytes += int64(len(records))
		return nil
	}
	err = in.Each(ctx, func(input *stream.Input) error {
		before := sum.Out
		b := framing.NewReader(input, cfg.Framing, cfg.MaxRecord)
		for {
			records, err := b.Read()
			if err == io.EOF {
				if rest := b.Rest(); len(rest) > 0 {
					return write(append(rest, cfg.Framing.Terminator()))
				}
				return nil
			}
			if _, ok := errors.AsType[*framing.TooLongError](err); ok {
				err = fmt.Errorf("%s: record %d %w", input.Name(), sum.Out-before+1, err)
			}
			if err == nil && len(records) > 0 {
				err = write(records)
			}
			if err != nil {
				return err
			}
		}
	})
	return sum, errors.Join(err, w.Close(ctx))
}
