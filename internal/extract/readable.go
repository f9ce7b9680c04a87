package extract

import (
	"bytes"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// readable is the text of a page as one would read it: a line for each block,
// an empty line between paragraphs, a tab between the cells of a table row,
// and nothing of scripts, styles and other things that are not read.
type readable struct {
	buf   []byte
	gap   gap        // before the next text
	skip  *html.Node // inside it nothing is read
	pre   int        // how many elements are open that keep their white space
	cells bool       // a cell of this row has come
}

// gap is what separates two texts; of two that meet the larger one counts.
type gap uint8

const (
	none gap = iota
	space
	tab
	newline
	emptyLine
)

var gaps = [...]string{none: "", space: " ", tab: "\t", newline: "\n", emptyLine: "\n\n"}

func (r *readable) start(n *html.Node) {
	if r.skip != nil {
		return
	}
	switch n.DataAtom {
	case atom.Head, atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Iframe, atom.Noframes, atom.Noembed,
		atom.Object, atom.Svg, atom.Math, atom.Canvas, atom.Audio, atom.Video, atom.Select, atom.Textarea, atom.Datalist:
		r.skip = n
	case atom.Pre, atom.Listing, atom.Xmp, atom.Plaintext:
		r.pre++
		r.separate(emptyLine)
	case atom.Br:
		if r.gap == newline {
			r.gap = emptyLine
		}
		r.separate(newline)
	case atom.Td, atom.Th:
		if r.cells {
			r.separate(tab)
		}
		r.cells = true
	case atom.Tr:
		r.cells = false
		r.separate(newline)
	default:
		r.separate(around(n.DataAtom))
	}
}

func (r *readable) end(n *html.Node) {
	if r.skip != nil {
		if r.skip == n {
			r.skip = nil
		}
		return
	}
	switch n.DataAtom {
	case atom.Pre, atom.Listing, atom.Xmp, atom.Plaintext:
		r.pre--
		r.buf = bytes.TrimRight(r.buf, " \t\n")
		r.separate(emptyLine)
	case atom.Tr:
		r.separate(newline)
	default:
		r.separate(around(n.DataAtom))
	}
}

func (r *readable) text(s []byte, lim *limits) {
	if r.skip != nil || !lim.spend(len(s)) {
		return
	}
	if r.pre > 0 {
		r.flush()
		r.buf = append(r.buf, s...)
		return
	}
	for len(s) > 0 {
		if n := spaces(s); n > 0 {
			r.separate(space)
			s = s[n:]
			continue
		}
		r.flush()
		n := wordLen(s)
		r.buf = append(r.buf, s[:n]...)
		s = s[n:]
	}
}

func (r *readable) separate(g gap) { r.gap = max(r.gap, g) }

func (r *readable) flush() {
	if len(r.buf) > 0 {
		r.buf = append(r.buf, gaps[r.gap]...)
	}
	r.gap = none
}

// around is what stands before and behind an element.
func around(tag atom.Atom) gap {
	switch tag {
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.Dl, atom.Table,
		atom.Blockquote, atom.Figure, atom.Hr:
		return emptyLine
	case atom.Address, atom.Article, atom.Aside, atom.Body, atom.Caption, atom.Center, atom.Dd, atom.Details, atom.Dialog,
		atom.Div, atom.Dt, atom.Fieldset, atom.Figcaption, atom.Footer, atom.Form, atom.Header, atom.Hgroup, atom.Html,
		atom.Legend, atom.Li, atom.Main, atom.Menu, atom.Nav, atom.Option, atom.Section, atom.Summary, atom.Tbody,
		atom.Tfoot, atom.Thead, atom.Title:
		return newline
	}
	return none
}
