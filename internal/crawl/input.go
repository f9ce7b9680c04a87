package crawl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"pipeworks/internal/record"
	"pipeworks/internal/reject"
	"pipeworks/internal/stream"
)

// read hands the inputs to the frontier and returns how many there were.
func (c *crawler) read(ctx context.Context, in stream.Inputs) (seq int64, err error) {
	err = in.Each(ctx, func(in *stream.Input) error {
		options := c.cfg.Input
		options.Source, options.Fallback, options.LineField = in.Name(), record.Lines, c.cfg.URLField
		reader, err := record.NewReader(in, options)
		if err != nil {
			return err
		}
		for {
			var rec record.Record
			err := reader.Read(&rec)
			var syntax *record.SyntaxError
			switch {
			case err == io.EOF:
				return nil
			case errors.As(err, &syntax):
				seq++
				if !c.send(ctx, &row{seq: seq}) {
					return context.Cause(ctx)
				}
				if err := c.cfg.Rejects.Add(reject.Record{Source: in.Name(), Line: syntax.Line, Err: err, Input: syntax.Raw}); err != nil {
					return err
				}
				continue
			case err != nil:
				return err
			}
			seq++
			t, err := c.task(&rec)
			if err != nil {
				return fmt.Errorf("%s: %w", in.Name(), err)
			}
			t.seq = seq
			done, err := c.recognise(t)
			if err != nil {
				return err
			}
			if done {
				c.resumed++
				if !c.send(ctx, &row{seq: seq}) {
					return context.Cause(ctx)
				}
				continue
			}
			if !c.frontier.add(t) {
				return context.Cause(ctx)
			}
		}
	})
	return seq, err
}

// task is what to do for an input record. An error means that no record of
// the input can be any better.
func (c *crawler) task(rec *record.Record) (*task, error) {
	url, ok := rec.Get(c.cfg.URLField)
	if !ok && !rec.Typed {
		return nil, &noFieldError{c.cfg.URLField, rec.Fields}
	}
	t := &task{input: &input{}}
	t.url = record.Value{Kind: url.Kind, Bytes: bytes.Clone(url.Bytes)}
	if rec.Typed || len(rec.Fields) > 1 {
		t.raw = object(rec)
	}
	var err error
	switch {
	case !ok:
		err = fmt.Errorf("no field %q", c.cfg.URLField)
	case url.IsNull():
		err = fmt.Errorf("field %q is null", c.cfg.URLField)
	case url.Kind != record.Text:
		err = fmt.Errorf("field %q is no text", c.cfg.URLField)
	default:
		t.to, err = parseAddress(string(url.Bytes))
	}
	if err != nil {
		t.err = newError(kindURL, false, "%v", err)
		return t, nil
	}
	t.home = t.to.origin
	if c.cfg.PublicOnly {
		t.reach = publicOnly
	}
	return t, nil
}

// recognise marks the task of a URL that came before, and remembers that of
// another. It reports whether an earlier run did it.
func (c *crawler) recognise(t *task) (done bool, err error) {
	if t.err == nil && !c.cfg.DryRun {
		if t.dupOf, err = c.visited.claim(t.to.href, t.seq); err != nil {
			return false, err
		}
	}
	if c.cfg.Follow.active() { // its links may not be
		return false, nil
	}
	return c.cfg.Progress.has(t)
}

// object is a record as JSON on one line.
func object(rec *record.Record) []byte {
	if rec.Typed {
		return record.AppendJSON(nil, record.Value{Kind: record.JSON, Bytes: rec.Raw}) // on one line
	}
	text := []byte{'{'}
	for i, name := range rec.Fields {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(record.AppendJSONString(text, []byte(name)), ':')
		text = record.AppendJSON(text, rec.Values[i])
	}
	return append(text, '}')
}

// noFieldError says that the header of a CSV or TSV input lacks the field of
// the URL.
type noFieldError struct {
	field  string
	fields []string
}

func (e *noFieldError) Error() string { return fmt.Sprintf("no field %q", e.field) }

// Hint names the fields that there are.
func (e *noFieldError) Hint() string {
	return "--url-field names the field of the URL; there are " + strings.Join(e.fields, ", ")
}
