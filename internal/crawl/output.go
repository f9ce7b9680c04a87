package crawl

import (
	"io"
	"slices"

	"pipeworks/internal/record"
)

// The fields of a record, in order: leading, the selected ones, trailing, and
// the input if there is one.
var (
	leading  = []string{"seq", "url", "final_url", "status", "content_type", "bytes", "title"}
	trailing = []string{"fetched_at", "elapsed_ms", "error"}
)

const inputField = "input"

// row is a record on its way out.
type row struct {
	values []record.Value // of all fields, input last
	failed bool
	bytes  int
}

// writer writes the records in the order in which they come.
type writer struct {
	rows   record.Writer
	fields []string
	begun  bool
	wide   bool // the input is among the fields
	sum    Summary
}

func newWriter(out io.Writer, cfg *Config) (*writer, error) {
	rows, err := record.NewWriter(out, cfg.Format, cfg.Rows)
	if err != nil {
		return nil, err
	}
	w := &writer{rows: rows, fields: slices.Clone(leading)}
	for _, s := range cfg.Select {
		w.fields = append(w.fields, s.Name)
	}
	w.fields = append(append(w.fields, trailing...), inputField)
	return w, nil
}

// write writes what comes until the channel is closed. What is pending is
// flushed before it waits. It calls fail with the first error, and then only
// empties the channel, so that nobody waits for it.
func (w *writer) write(rows <-chan *row, fail func(error)) {
	for r := range rows {
		err := w.row(r)
		if err == nil && len(rows) == 0 {
			err = w.rows.Flush()
		}
		if err != nil {
			fail(err)
			break
		}
	}
	for range rows {
	}
}

func (w *writer) row(r *row) error {
	last := len(r.values) - 1
	if wide := !r.values[last].IsNull(); !w.begun || wide && !w.wide {
		// The first input that is more than a URL adds the field; in formats
		// with a header it then stays.
		w.begun, w.wide = true, wide
		fields := w.fields
		if !wide {
			fields = fields[:last]
		}
		if err := w.rows.Begin(fields); err != nil {
			return err
		}
	}
	if !w.wide {
		r.values = r.values[:last]
	}
	if err := w.rows.Write(r.values); err != nil {
		return err
	}
	w.sum.Out++
	w.sum.Bytes += int64(r.bytes)
	if r.failed {
		w.sum.Failed++
	}
	return nil
}
