package crawl

import (
	"bytes"
	"context"
	"mime"
	"net/http"
	"strings"

	"pipeworks/internal/extract"
	"pipeworks/internal/record"
)

// emit hands the record of a task on and ends the task.
func (c *crawler) emit(ctx context.Context, t *task, a *answer) {
	r := &row{bytes: len(a.body)}
	title, fields := record.Value{}, make([]record.Value, len(c.cfg.Select))
	if isHTML(a) {
		var err *pageError
		if title, err = c.extract(t.to, a, fields); t.err == nil {
			t.err = err
		}
	}
	r.failed = t.err != nil
	var finalURL, status, contentType, size, fetched, elapsed, in record.Value
	if t.to != nil {
		finalURL = record.String(t.to.href)
	}
	if a.status != 0 {
		status = record.Int(int64(a.status))
		size = record.Int(int64(len(a.body)))
		if text := a.header.Get("Content-Type"); text != "" {
			contentType = record.String(text)
		}
	}
	if !t.sent.IsZero() {
		fetched = record.String(t.sent.UTC().Format("2006-01-02T15:04:05.000Z"))
		elapsed = record.Int(t.spent.Milliseconds())
	}
	if t.raw != nil {
		in = record.Value{Kind: record.JSON, Bytes: t.raw}
	}
	r.values = append(r.values, record.Int(t.seq), t.url, finalURL, status, contentType, size, title)
	r.values = append(r.values, fields...)
	r.values = append(r.values, fetched, elapsed, t.err.value(), in)
	select {
	case c.rows <- r:
		c.frontier.done(t)
	case <-ctx.Done():
	}
}

// extract fills in the selected fields and returns the title.
func (c *crawler) extract(at *address, a *answer, fields []record.Value) (title record.Value, err *pageError) {
	defer func() {
		if p := recover(); p != nil { // a page that the parser cannot bear must not end the run
			clear(fields)
			title, err = record.Value{}, newError(kindParse, false, "parse HTML: %v", p)
		}
	}()
	page, parseErr := extract.Parse(a.body, a.header.Get("Content-Type"), at.resolver())
	if parseErr != nil {
		return title, newError(kindParse, false, "%v", parseErr)
	}
	for i, s := range c.cfg.Select {
		fields[i] = page.Select(s)
	}
	return page.Title(), nil
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
