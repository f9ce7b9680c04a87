package crawl

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"strings"

	"pipeworks/internal/extract"
	"pipeworks/internal/record"
)

// emit hands the record of a task on.
func (c *crawler) emit(ctx context.Context, t *task, a *answer) {
	r := &row{seq: t.seq, task: t, bytes: len(a.body)}
	var page found
	if c.wants.page && isHTML(a) {
		var err *pageError
		if page, err = c.extract(t.to, a); t.err == nil {
			t.err = err
		}
	}
	r.failed = t.err != nil
	if c.cfg.DryRun {
		r.values = t.verdict()
	} else {
		r.values = c.values(t, a, &page)
	}
	c.send(ctx, r)
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

// values are those of all fields, in their order.
func (c *crawler) values(t *task, a *answer, page *found) []record.Value {
	var finalURL, status, contentType, size, fetched, elapsed, parent, redirects, etag, modified, sum, cached, dup, in record.Value
	if t.to != nil {
		finalURL = record.String(t.to.href)
	}
	if a.status != 0 {
		status = record.Int(int64(a.status))
		size = record.Int(int64(len(a.body)))
		contentType = headerValue(a, "Content-Type")
		etag = headerValue(a, "ETag")
		modified = headerValue(a, "Last-Modified")
		cached = record.Boolean(false)
		if c.wants.sum {
			digest := sha256.Sum256(a.body)
			sum = record.String(hex.EncodeToString(digest[:]))
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
	values := append(make([]record.Value, 0, c.width),
		record.Int(t.seq), t.url, finalURL, status, contentType, page.charset, size, page.title)
	if page.fields == nil {
		page.fields = make([]record.Value, len(c.cfg.Select))
	}
	values = append(values, page.fields...)
	return append(values, fetched, elapsed, record.Int(int64(t.depth)), parent, redirects, etag, modified, sum, cached, dup, t.err.value(), in)
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

// found is what a page has: NULL is what it has not.
type found struct {
	title, charset record.Value
	fields         []record.Value // the selected ones; nil: none was looked for
}

// extract finds what is wanted of a page.
func (c *crawler) extract(at *address, a *answer) (f found, err *pageError) {
	defer func() {
		if p := recover(); p != nil { // a page that the parser cannot bear must not end the run
			f, err = found{}, newError(kindParse, false, "parse HTML: %v", p)
		}
	}()
	page, parseErr := extract.Parse(a.body, a.header.Get("Content-Type"), at.resolver())
	if parseErr != nil {
		return f, newError(kindParse, false, "%v", parseErr)
	}
	f = found{title: page.Title(), charset: record.String(page.Charset())}
	for _, s := range c.cfg.Select {
		f.fields = append(f.fields, page.Select(s))
	}
	return f, nil
}

// isHTML reports whether the answer has an HTML page, whole: it is declared as
// one, or not declared, and does not look like something else.
func isHTML(a *answer) bool {
	if a.err != nil && a.err.Kind != kindHTTP || len(a.body) == 0 {
		return false
	}
	looks := http.DetectContentType(a.body)
	declared := a.header.Get("Content-Type")
	if declared == "" {
		return strings.HasPrefix(looks, "text/html")
	}
	media, params, err := mime.ParseMediaType(declared)
	if err != nil { // wrong parameters of a type that can be read all the same
		media, _, _ = strings.Cut(declared, ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	if media != "text/html" && media != "application/xhtml+xml" {
		return false
	}
	switch {
	case strings.HasPrefix(looks, "text/"), strings.HasPrefix(strings.ToLower(params["charset"]), "utf-16"):
		return true
	case looks == "application/octet-stream": // some control character
		return bytes.IndexByte(a.body, 0) < 0
	}
	return false
}
