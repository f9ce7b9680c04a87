package extract

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"golang.org/x/net/html"

	"pipeworks/internal/record"
)

// reading is the work on one page.
type reading struct {
	x    *Extractor
	src  Source
	page Page
	lim  limits
	base string // what the page's <base href> says

	start time.Time // of the work, without what it had to wait
}

// Extract reads a page. It does not keep the body.
func (x *Extractor) Extract(src Source) *Page {
	x.turns <- struct{}{} // the time for a page is not spent waiting for the others
	defer func() { <-x.turns }()
	r := &reading{x: x, src: src, start: time.Now()}
	r.limit(x.cfg.Timeout / 2)
	r.read()
	if r.page.Err == nil {
		r.page.Err = r.lim.err
	}
	if r.page.Rows == nil {
		r.page.Rows = [][]record.Value{make([]record.Value, len(x.cfg.Fields()))}
	}
	return &r.page
}

// limit lets the work go on until some time from its start, with new limits if
// one of the old ones was reached.
func (r *reading) limit(until time.Duration) {
	if r.page.Err == nil && r.lim.err != nil {
		r.page.Err = r.lim.err
	}
	r.lim = limits{deadline: r.start.Add(until), output: r.x.cfg.Memory / 4}
}

func (r *reading) read() {
	defer func() {
		if p := recover(); p != nil { // a page that a parser cannot bear must not end the run
			r.page.Err = fmt.Errorf("read the page: %v", p)
		}
	}()
	content := contentOf(r.src.Body, r.src.ContentType)
	if content == binary {
		if r.x.cfg.Body {
			row := make([]record.Value, len(r.x.cfg.Fields()))
			row[len(row)-1] = record.Value{Kind: record.Binary, Bytes: bytes.Clone(r.src.Body)}
			r.page.Rows = [][]record.Value{row}
		}
		return
	}
	text, charset := decode(r.src.Body, r.src.ContentType, content != plain)
	r.page.Charset = charset
	var body record.Value
	if r.x.cfg.Body || r.x.wantText && content == plain {
		text = bytes.Clone(text)
		body = record.Value{Kind: record.Text, Bytes: text}
	}
	switch content {
	case plain:
		v := newVisitor(r.x, &r.lim, false)
		v.readable.buf = text
		r.finish(nil, v, body)
	case markupXML:
		r.xml(text, body)
	default:
		r.html(newlines(text), body)
	}
}

// newlines returns a text with LF for CRLF and CR, as HTML and XML have it.
func newlines(text []byte) []byte {
	if bytes.IndexByte(text, '\r') < 0 {
		return text
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}

// html reads an HTML page in UTF-8.
func (r *reading) html(page []byte, body record.Value) {
	v := newVisitor(r.x, &r.lim, r.x.streams)
	o := newOutline(page, v)
	o.run()
	exact := !o.inexact && !v.foreign
	selected := [][]found{v.fields}
	if !(exact && r.x.streams) && r.lim.err == nil {
		err := r.inMemory(o.weight.bytes, func() error {
			root, err := html.Parse(&parseReader{page, &r.lim})
			if err != nil {
				return err
			}
			if !exact {
				walker := newVisitor(r.x, &r.lim, false)
				if walker.walk(root); r.lim.err == nil {
					v = walker
				}
			}
			selected = (&tree{r.x, &r.lim}).rows(root)
			return nil
		})
		if err != nil {
			r.page.Err = fmt.Errorf("parse HTML: %w", err)
		}
	}
	r.finish(selected, v, body)
}

// inMemory builds and uses a tree that takes about so many bytes, if it may.
func (r *reading) inMemory(size int, build func() error) error {
	if size > r.x.cfg.Memory {
		return errTree
	}
	waiting := time.Now()
	r.x.memory.take(size)
	defer r.x.memory.give(size)
	r.start = r.start.Add(time.Since(waiting))
	r.limit(r.x.cfg.Timeout * 7 / 8)
	return build()
}

// finish fills in the page with what was found: selected for each row, and
// what is common to all.
func (r *reading) finish(selected [][]found, v *visitor, body record.Value) {
	r.limit(max(r.x.cfg.Timeout, time.Since(r.start)+r.x.cfg.Timeout/8)) // something is left for it
	r.base = v.base
	r.page.Robots = v.robots
	if v.title != nil {
		r.page.Title = record.Value{Kind: record.Text, Bytes: v.title.text}
	}
	common := r.common(v, body)
	size := 0
	for _, value := range common {
		size += len(value.Bytes)
	}
	if len(selected) == 0 {
		selected = [][]found{nil}
	}
	for i, fields := range selected {
		if i > 0 && !r.lim.spend(size) {
			break
		}
		r.page.Rows = append(r.page.Rows, append(r.row(i, fields), common...))
	}
}

// common are the values that all rows share.
func (r *reading) common(v *visitor, body record.Value) (values []record.Value) {
	cfg := &r.x.cfg
	for _, expr := range cfg.Regex {
		values = append(values, expr.find(v.readable.buf, &r.lim))
	}
	if r.x.wantLinks {
		r.page.Links = r.links(v.links)
	}
	if cfg.Links {
		values = append(values, urlArray(r.page.Links))
	}
	if cfg.Meta {
		values = append(values, v.meta.value(r.resolve))
	}
	if cfg.Text {
		values = append(values, record.Value{Kind: record.Text, Bytes: v.readable.buf})
	}
	if cfg.Body {
		values = append(values, body)
	}
	return values
}

// row are the values of the selectors in the row of an index; without fields
// they are NULL.
func (r *reading) row(i int, fields []found) (values []record.Value) {
	if r.x.cfg.Each != nil {
		item := record.Value{}
		if fields != nil {
			item = record.Int(int64(i + 1))
		}
		values = append(values, item)
	}
	for j, s := range r.x.cfg.Select {
		value := record.Value{}
		if fields != nil {
			value = r.field(s, fields[j])
		}
		values = append(values, value)
	}
	return values
}

// field is the value of what was selected for a field.
func (r *reading) field(s *Selector, texts found) record.Value {
	var list values
	for _, t := range texts {
		value := record.Value{}
		switch {
		case t == nil:
		case t.ref:
			if url, ok := r.resolve(string(t.text)); ok {
				value = record.String(url)
			} else if s.all {
				continue
			}
		default:
			value = record.Value{Kind: record.Text, Bytes: t.text}
		}
		list = append(list, value)
	}
	switch {
	case s.all:
		return list.array()
	case len(list) > 0:
		return list[0]
	}
	return record.Value{}
}

func (r *reading) resolve(ref string) (string, bool) {
	if !r.lim.step() {
		return "", false
	}
	url, ok := r.src.Resolve(r.base, ref)
	return url, ok && r.lim.spend(len(url))
}

// links resolves the links of a page, of which each counts once.
func (r *reading) links(links []link) []Link {
	var urls []Link
	const noLink = -1
	at := map[string]int{} // in urls, of references as they are and as they are resolved
	for _, l := range links {
		ref, _, _ := strings.Cut(l.href, "#")
		i, known := at[ref]
		if !known {
			url, ok := r.resolve(ref)
			switch i, known = at[url]; {
			case known && ok:
			case ok && (strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://")):
				i = len(urls)
				urls = append(urls, Link{url, l.noFollow})
				at[url] = i
			default:
				i = noLink
			}
			at[ref] = i
		}
		if i != noLink {
			urls[i].NoFollow = urls[i].NoFollow && l.noFollow
		}
	}
	return urls
}

func urlArray(urls []Link) record.Value {
	var list values
	for _, l := range urls {
		list = append(list, record.String(l.URL))
	}
	return list.array()
}
