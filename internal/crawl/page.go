package crawl

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"pipeworks/internal/extract"
	"pipeworks/internal/record"
)

// emit follows what a task's answer leads to and hands its records on: one, or
// with Each some of one page.
func (c *crawler) emit(ctx context.Context, t *task, a *answer) {
	r := &row{seq: t.seq, task: t, bytes: len(a.body)}
	page := c.extract(t, a)
	if c.cfg.DryRun {
		r.values = t.verdict()
	} else {
		if err := c.follow(t, a, page.Links); err != nil {
			c.frontier.fail(err)
		}
		if r.unchanged = c.cfg.IfChanged && a.unchanged && t.err == nil; !r.unchanged {
			r.values = c.values(t, a, page)
		}
		if a.stored {
			r.stored = t.to.href
		}
	}
	c.send(ctx, r)
}

// extract finds what is wanted in the page of an answer.
func (c *crawler) extract(t *task, a *answer) *extract.Page {
	page := &extract.Page{}
	if c.wants.page && a.whole() {
		page = c.extractor.Extract(extract.Source{Body: a.body, ContentType: a.header.Get("Content-Type"), Resolve: t.to.resolver()})
		if page.Err != nil && t.err == nil {
			t.err = newError(kindParse, false, "%v", page.Err)
		}
	}
	if !c.cfg.RespectMeta {
		return page
	}
	says := page.Robots
	for _, value := range a.header.Values("X-Robots-Tag") {
		says.AddHeader(value, c.cfg.agent)
	}
	page.Links = slices.DeleteFunc(page.Links, func(l extract.Link) bool { return says.NoFollow || l.NoFollow })
	if says.NoIndex {
		page = &extract.Page{Links: page.Links}
		if t.err == nil {
			t.err = newError(kindRobots, false, "the page asks not to be indexed")
		}
	}
	return page
}

// send hands a row on. It returns false when the run is stopped.
func (c *crawler) send(ctx context.Context, r *row) bool {
	select {
	case c.rows <- r:
		return true
	case <-ctx.Done():
		return false
	}
}

// values are those of all fields, in their order, for each row of the page.
func (c *crawler) values(t *task, a *answer, page *extract.Page) []record.Value {
	var finalURL, status, contentType, charset, size, saved, parse, fetched, elapsed, parent, redirects, etag, modified, sum, cached, dup, in record.Value
	if t.to != nil {
		finalURL = record.String(t.to.href)
	}
	if a.status != 0 {
		status = record.Int(int64(a.status))
		size = record.Int(int64(len(a.body)))
		contentType = headerValue(a, "Content-Type")
		etag = headerValue(a, "ETag")
		modified = headerValue(a, "Last-Modified")
		cached = record.Boolean(a.cached)
		if c.wants.sum {
			digest := sha256.Sum256(a.body)
			sum = record.String(hex.EncodeToString(digest[:]))
		}
		if c.cfg.SaveDir != "" && a.whole() {
			path, err := save(c.cfg.SaveDir, string(sum.Bytes), a.body)
			if err != nil {
				c.frontier.fail(err)
			}
			saved = record.String(path)
		}
	}
	if !t.sent.IsZero() {
		fetched = record.String(t.sent.UTC().Format("2006-01-02T15:04:05.000Z"))
		elapsed = record.Int(t.spent.Milliseconds())
		redirects = jsonValue(t.trail, "[]")
	}
	if t.depth > 0 {
		parent = record.String(t.parent)
	}
	if t.dupOf > 0 {
		dup = record.Int(int64(t.dupOf))
	}
	if t.raw != nil {
		in = record.Value{Kind: record.JSON, Bytes: t.raw}
	}
	if page.Charset != "" {
		charset = record.String(page.Charset)
	}
	if page.Err != nil {
		parse = record.String("truncated")
	}
	rows := page.Rows
	if rows == nil {
		rows = [][]record.Value{make([]record.Value, len(c.cfg.Extract.Fields()))}
	}
	values := make([]record.Value, 0, c.width*len(rows))
	for _, row := range rows {
		values = append(values, record.Int(t.seq), t.asked(), finalURL, status, contentType, charset, size, page.Title)
		values = append(values, row...)
		if c.cfg.SaveDir != "" {
			values = append(values, saved)
		}
		values = append(values, parse, fetched, elapsed, record.Int(int64(t.depth)), parent, redirects, etag, modified, sum, cached, dup, t.err.value(), in)
	}
	return values
}

// verdict are the values of a dry run.
func (t *task) verdict() []record.Value {
	var reason, in record.Value
	if t.err != nil {
		reason = record.String(t.err.Message)
	}
	if t.raw != nil {
		in = record.Value{Kind: record.JSON, Bytes: t.raw}
	}
	return []record.Value{t.url, record.Boolean(t.err == nil), reason, in}
}

func headerValue(a *answer, name string) record.Value {
	if text := a.header.Get(name); text != "" {
		return record.String(text)
	}
	return record.Value{}
}

// whole reports whether the answer has a page that is worth reading.
func (a *answer) whole() bool {
	return len(a.body) > 0 && (a.err == nil || a.err.Kind == kindHTTP)
}
