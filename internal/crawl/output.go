package crawl

import (
	"io"
	"slices"

	"pipeworks/internal/progress"
	"pipeworks/internal/record"
)

// The fields of a record, in order: leading, the extracted ones, trailing, and
// the input if there is one.
var (
	leading  = []string{"seq", "url", "final_url", "status", "content_type", "charset", "bytes", "title"}
	trailing = []string{
		"parse", "fetched_at", "elapsed_ms", "depth", "parent", "redirects", "etag", "last_modified", "sha256", "from_cache",
		"dup_of", "error",
	}
)

const inputField = "input"

// verdictFields are those of a dry run.
var verdictFields = []string{"url", "allowed", "reason", inputField}

// names are those of all fields.
func (c *Config) names() []string {
	if c.DryRun {
		return verdictFields
	}
	return slices.Concat(leading, c.extracted(), trailing, []string{inputField})
}

// extracted are the fields that are there because they were asked for.
func (c *Config) extracted() []string {
	names := c.Extract.Fields()
	if c.SaveDir != "" {
		names = append(names, "saved")
	}
	return names
}

// wants is what has to be found out for the fields that are written.
type wants struct {
	page bool // what is in it
	sum  bool
}

func (c *Config) wants() wants {
	written := c.Fields
	if len(written) == 0 {
		written = c.names()
	}
	w := wants{sum: c.SaveDir != "" || slices.Contains(written, "sha256"), page: c.Extract.Follow || c.RespectMeta}
	for _, name := range written {
		extracted := slices.Contains(c.Extract.Fields(), name)
		w.page = w.page || extracted || name == "title" || name == "charset" || name == "parse"
	}
	return w
}

// row is a record on its way out.
type row struct {
	seq    int64
	task   *task          // nil: the input has no record
	values []record.Value // of all fields, input last, for each record of the task
	bytes  int

	unchanged bool   // the task has no record for that
	stored    string // the URL whose answer in the cache is handed on by this; "": none
}

// writer writes the records in the order in which they come, or in that of
// the input.
type writer struct {
	rows   record.Writer
	fields []string
	pick   []int // the fields to write; nil: all, the input if there is one
	begun  bool
	wide   bool   // the input is among the fields
	order  *order // nil: as they come
	done   func(*task)
	sum    Summary
	failed *task // the first that did; nil: none

	progress *Progress
	walks    bool // over pages that may be done
	cache    *cache
	meter    *progress.Meter
	keys     []uint64 // of inputs whose records are written and not flushed
	stored   []string // URLs of such
}

// maxPending is how many inputs may be done and not noted.
const maxPending = 64

func newWriter(out io.Writer, cfg *Config) (*writer, error) {
	rows, err := record.NewWriter(out, cfg.Format, cfg.Rows)
	if err != nil {
		return nil, err
	}
	w := &writer{rows: rows, fields: cfg.names()}
	if cfg.Ordered {
		w.order = newOrder()
	}
	for _, name := range cfg.Fields {
		w.pick = append(w.pick, slices.Index(w.fields, name))
	}
	return w, nil
}

// write writes what comes until the channel is closed. What is pending is
// flushed before it waits. It calls fail with the first error, and then only
// empties the channel, so that nobody waits for it.
func (w *writer) write(rows <-chan *row, fail func(error)) {
	err := w.writeAll(rows)
	if w.order != nil {
		if err == nil {
			err = w.order.drain(w.row) // what came behind what the run was stopped at
		}
		if err == nil {
			err = w.flush()
		}
		w.order.close()
	}
	if err != nil {
		fail(err)
	}
	for range rows {
	}
}

func (w *writer) writeAll(rows <-chan *row) error {
	for r := range rows {
		var err error
		if w.order != nil {
			err = w.order.put(r, w.row)
		} else {
			err = w.row(r)
		}
		if err == nil && (len(rows) == 0 || len(w.keys) >= maxPending || len(w.stored) >= maxPending) {
			err = w.flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) row(r *row) error {
	if r.task == nil {
		return nil
	}
	if w.walks {
		if done, err := w.progress.has(r.task); done || err != nil {
			w.sum.Resumed++
			w.done(r.task)
			return err
		}
	}
	for values := range slices.Chunk(r.values, len(w.fields)) {
		values, err := w.begin(values)
		if err == nil {
			err = w.rows.Write(values)
		}
		if err != nil {
			return err
		}
		w.sum.Out++
		w.meter.AddRecords(1)
	}
	w.sum.Bytes += int64(r.bytes)
	w.meter.AddBytes(r.bytes)
	if r.task.err != nil {
		if w.failed == nil || r.task.seq < w.failed.seq {
			w.failed = r.task
		}
		w.sum.Failed++
	}
	if w.progress.notes() {
		w.keys = append(w.keys, r.task.key())
	}
	if r.unchanged {
		w.sum.Unchanged++
	}
	if r.stored != "" {
		w.stored = append(w.stored, r.stored)
	}
	w.done(r.task)
	return nil
}

// flush passes on what is pending and then notes that it was: killed between the
// two, the run repeats records, and loses none.
func (w *writer) flush() error {
	if err := w.rows.Flush(); err != nil {
		return err
	}
	for _, url := range w.stored {
		if err := w.cache.confirm(url); err != nil {
			return err
		}
	}
	w.stored = w.stored[:0]
	if len(w.keys) == 0 {
		return nil
	}
	err := w.progress.note(w.keys)
	w.keys = w.keys[:0]
	return err
}

// begin writes the header where one is due and returns the values to write.
func (w *writer) begin(values []record.Value) ([]record.Value, error) {
	if w.pick != nil {
		picked := make([]record.Value, len(w.pick))
		fields := make([]string, len(w.pick))
		for i, at := range w.pick {
			picked[i], fields[i] = values[at], w.fields[at]
		}
		if w.begun {
			return picked, nil
		}
		w.begun = true
		return picked, w.rows.Begin(fields)
	}
	last := len(values) - 1
	if wide := !values[last].IsNull(); !w.begun || wide && !w.wide {
		// The first input that is more than a URL adds the field; in formats
		// with a header it then stays.
		w.begun, w.wide = true, wide
		fields := w.fields
		if !wide {
			fields = fields[:last]
		}
		if err := w.rows.Begin(fields); err != nil {
			return nil, err
		}
	}
	if !w.wide {
		values = values[:last]
	}
	return values, nil
}
