package extract

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// scanner cuts a page, which is in memory and UTF-8, into tags and texts,
// exactly as the tokenizer of golang.org/x/net/html does (the fuzz target
// compares them), but copies and decodes nothing that nobody asks for. The
// page has neither a carriage return nor a NUL.
type scanner struct {
	src []byte
	pos int
	raw string // the name of the element whose text, without any tag, comes next

	// The token that next has found.
	text    []byte // of a text, as it is in the page
	decodes bool   // whether the text's character references count
	tag     []byte // of a tag or other markup: all of it
	name    []byte // of a tag, as it is in the page
	attrs   int    // of a start tag: how many
}

// token is what next has found.
type token uint8

const (
	endOfPage token = iota
	textToken
	startTag
	endTag
	otherMarkup // a comment, doctype or processing instruction
)

// next finds the next token.
func (s *scanner) next() token {
	if s.raw != "" {
		end := s.rawEnd()
		s.decodes = s.raw == "title" || s.raw == "textarea"
		s.raw = ""
		if end > s.pos {
			s.text, s.pos = s.src[s.pos:end], end
			return textToken
		}
	}
	start := s.pos
	for at := start; ; at++ {
		i := bytes.IndexByte(s.src[at:], '<')
		if i < 0 || at+i+1 == len(s.src) || !s.opens(at+i) {
			if i < 0 || at+i+1 == len(s.src) {
				return s.rest(start)
			}
			at += i
			continue
		}
		if at += i; at > start {
			s.text, s.decodes, s.pos = s.src[start:at], true, at
			return textToken
		}
		return s.markup()
	}
}

// rest is the text from start to the end of the page.
func (s *scanner) rest(start int) token {
	if s.pos = len(s.src); start == s.pos {
		return endOfPage
	}
	s.text, s.decodes = s.src[start:], true
	return textToken
}

// opens reports whether the < at a place begins some markup.
func (s *scanner) opens(at int) bool {
	c := s.src[at+1]
	return isLetter(c) || c == '/' && at+2 < len(s.src) || c == '!' || c == '?'
}

// markup reads what begins with the < at pos.
func (s *scanner) markup() token {
	start := s.pos
	switch c := s.src[start+1]; {
	case isLetter(c):
		if !s.readTag(start + 1) {
			return endOfPage
		}
		s.raw = rawText(s.name)
		return startTag
	case c == '/':
		switch c := s.src[start+2]; {
		case c == '>':
			s.pos = start + 3
		case isLetter(c):
			if !s.readTag(start + 2) {
				return endOfPage
			}
			return endTag
		default:
			s.skipTo(start + 2)
		}
	case c == '!' && bytes.HasPrefix(s.src[start:], []byte("<!--")):
		s.skipComment(start + 4)
	default:
		s.skipTo(start + 2)
	}
	s.tag = s.src[start:s.pos]
	return otherMarkup
}

// isDoctype reports whether the markup that next has found is a doctype.
func (s *scanner) isDoctype() bool {
	const begin = "<!DOCTYPE"
	return len(s.tag) >= len(begin) && strings.EqualFold(string(s.tag[:len(begin)]), begin)
}

// skipTo goes behind the next >, or to the end of the page.
func (s *scanner) skipTo(at int) {
	if i := bytes.IndexByte(s.src[at:], '>'); i >= 0 {
		s.pos = at + i + 1
		return
	}
	s.pos = len(s.src)
}

// skipComment goes behind the comment whose data begins at a place. It ends
// with --> or --!>, and with > where nothing but dashes came before.
func (s *scanner) skipComment(start int) {
	for at := start; ; {
		i := bytes.IndexByte(s.src[at:], '>')
		if i < 0 {
			s.pos = len(s.src)
			return
		}
		at += i + 1
		data := s.src[start : at-1]
		if len(data) == 0 || len(data) == 1 && data[0] == '-' || bytes.HasSuffix(data, []byte("--")) || bytes.HasSuffix(data, []byte("--!")) {
			s.pos = at
			return
		}
	}
}

// readTag reads the tag at pos whose name begins at a place. It returns false
// if the page ends in it.
func (s *scanner) readTag(at int) bool {
	name := at
	for at < len(s.src) && !isSpace(s.src[at]) && s.src[at] != '/' && s.src[at] != '>' {
		at++
	}
	s.name = s.src[name:at]
	s.attrs = 0
	for {
		key, _, next := nextAttr(s.src, at)
		if next < 0 {
			s.pos = len(s.src)
			return false
		}
		at = next
		if key.start < 0 {
			break
		}
		if key.start < key.end {
			s.attrs++
		}
	}
	s.tag = s.src[s.pos:at]
	s.pos = at
	return true
}

// span is a part of the page.
type span struct{ start, end int }

// nextAttr finds the next attribute in a tag, from a place behind its name or
// another attribute, and the place behind it. Where the tag ends instead the
// start of key is -1, and next is behind the >. If the page ends, next is -1.
func nextAttr(src []byte, at int) (key, value span, next int) {
	if at = skipSpace(src, at); at == len(src) {
		return key, value, -1
	}
	if src[at] == '>' {
		return span{start: -1}, value, at + 1
	}
	key.start = at
	for at < len(src) && (src[at] != '=' || at == key.start) && src[at] != '/' && src[at] != '>' && !isSpace(src[at]) {
		at++
	}
	key.end = at
	value = span{at, at}
	if at = skipSpace(src, at); at == len(src) {
		return key, value, -1
	}
	switch src[at] {
	case '/':
		return key, value, at + 1
	case '=':
		at = skipSpace(src, at+1)
	default:
		return key, value, at
	}
	if at == len(src) {
		return key, value, -1
	}
	switch c := src[at]; c {
	case '>':
	case '"', '\'':
		value.start = at + 1
		i := bytes.IndexByte(src[value.start:], c)
		if i < 0 {
			return key, value, -1
		}
		value.end = value.start + i
		at = value.end + 1
	default:
		value.start = at
		for at < len(src) && src[at] != '>' && !isSpace(src[at]) {
			at++
		}
		value.end = at
	}
	if at == len(src) {
		return key, value, -1
	}
	return key, value, at
}

func skipSpace(src []byte, at int) int {
	for at < len(src) && isSpace(src[at]) {
		at++
	}
	return at
}

// maxAttributes is how many attributes a tag may have to be looked at.
const maxAttributes = 1000

// attributes appends the attributes of the start tag that next has found, none
// if there are too many.
func (s *scanner) attributes(dst []html.Attribute) []html.Attribute {
	if s.attrs == 0 || s.attrs > maxAttributes {
		return dst
	}
	// The decoding of references in attributes is not exported, and many
	// attributes may be many times the same.
	if s.attrs > 32 || bytes.IndexByte(s.tag, '&') >= 0 {
		z := html.NewTokenizer(bytes.NewReader(s.tag))
		z.Next()
		return append(dst, z.Token().Attr...)
	}
attributes:
	for at := 1 + len(s.name); ; {
		key, value, next := nextAttr(s.tag, at)
		if key.start < 0 {
			return dst
		}
		at = next
		if key.start == key.end {
			continue
		}
		name := atom.String(lower(s.tag[key.start:key.end]))
		for i := range dst {
			if dst[i].Key == name {
				continue attributes
			}
		}
		dst = append(dst, html.Attribute{Key: name, Val: string(s.tag[value.start:value.end])})
	}
}

// selfClosing reports whether the start tag that next has found ends in a
// slash that is no attribute's.
func (s *scanner) selfClosing() bool {
	z := html.NewTokenizer(bytes.NewReader(s.tag))
	return z.Next() == html.SelfClosingTagToken
}

// decoded is the text that next has found, as it is meant.
func (s *scanner) decoded() []byte {
	if s.decodes && bytes.IndexByte(s.text, '&') >= 0 {
		return []byte(html.UnescapeString(string(s.text)))
	}
	return s.text
}

// lower returns s, or a copy of it in lower case.
func lower(s []byte) []byte {
	for i, c := range s {
		if 'A' <= c && c <= 'Z' {
			s = bytes.Clone(s)
			for ; i < len(s); i++ {
				if c := s[i]; 'A' <= c && c <= 'Z' {
					s[i] = c + 'a' - 'A'
				}
			}
			return s
		}
	}
	return s
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' }
