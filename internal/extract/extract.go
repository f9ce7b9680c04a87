// Package extract reads HTML pages: their title, and the fields that CSS
// selectors choose from them.
package extract

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/PuerkitoBio/goquery"
	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html/charset"

	"pipeworks/internal/record"
)

// Page is a parsed HTML page.
type Page struct {
	doc     *goquery.Document
	charset string
	resolve Resolver
	base    *string // what <base href> says, once it was looked for
}

// Resolver makes a reference found in a page absolute. It knows the page's
// URL; base is the page's <base href>, "" if there is none, and the same for
// all its links. It returns false for what is no URL.
type Resolver func(base, ref string) (url string, ok bool)

// Parse reads a page, whose encoding it takes from the byte order mark, the
// Content-Type header, the page's own declaration or, without these, from its
// bytes. Selectors of resolved links need resolve, others do not. The page
// does not keep body.
func Parse(body []byte, contentType string, resolve Resolver) (*Page, error) {
	in, charset := utf8Reader(body, contentType)
	doc, err := goquery.NewDocumentFromReader(in)
	if err != nil {
		return nil, fmt.Errorf("parse HTML: %w", err)
	}
	return &Page{doc: doc, charset: charset, resolve: resolve}, nil
}

// Charset is the name of the encoding that the page was read in.
func (p *Page) Charset() string { return p.charset }

func utf8Reader(body []byte, contentType string) (io.Reader, string) {
	encoding, name, certain := charset.DetermineEncoding(body, contentType)
	// Only the first 1024 bytes were looked at, and windows-1252 is what an
	// undeclared encoding is taken for if all of them are ASCII. Text that is
	// valid UTF-8 throughout is never anything else.
	if name == "utf-8" || !certain && name == "windows-1252" && utf8.Valid(body) {
		return bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))), "utf-8"
	}
	return encoding.NewDecoder().Reader(bytes.NewReader(body)), name
}

var (
	titles = goquery.SingleMatcher(cascadia.MustCompile("title:not(svg title)"))
	bases  = goquery.SingleMatcher(cascadia.MustCompile("base[href]"))
)

// Title is the text of the page's title element, NULL if it has none.
func (p *Page) Title() record.Value {
	title := p.doc.FindMatcher(titles)
	if title.Length() == 0 {
		return record.Value{}
	}
	return record.String(fold(title.Text()))
}

// Select returns what s chooses: of the first matching element its text with
// white space folded, or an attribute as it stands, NULL if there is none; or
// a JSON array of those of all matching elements that have it.
func (p *Page) Select(s *Selector) record.Value {
	elements := p.doc.FindMatcher(s.matcher)
	if !s.all {
		if text, ok := p.text(s, elements); ok {
			return record.String(text)
		}
		return record.Value{}
	}
	array := []byte{'['}
	for _, element := range elements.EachIter() {
		if text, ok := p.text(s, element); ok {
			if len(array) > 1 {
				array = append(array, ',')
			}
			array = record.AppendJSONString(array, []byte(text))
		}
	}
	return record.Value{Kind: record.JSON, Bytes: append(array, ']')}
}

// text is what s wants of the first of elements.
func (p *Page) text(s *Selector, elements *goquery.Selection) (string, bool) {
	if s.attr == "" {
		return fold(elements.Text()), elements.Length() > 0
	}
	value, ok := elements.Attr(s.attr)
	if ok && s.absolute {
		return p.resolve(p.baseHref(), value)
	}
	return value, ok
}

func (p *Page) baseHref() string {
	if p.base == nil {
		href := p.doc.FindMatcher(bases).AttrOr("href", "")
		p.base = &href
	}
	return *p.base
}

// fold makes every run of white space one space, and none at the ends.
func fold(s string) string { return strings.Join(strings.Fields(s), " ") }
