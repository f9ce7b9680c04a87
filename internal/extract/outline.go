package extract

import (
	"bytes"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// outline follows a page's tags with a stack of the open elements, as the
// parser does (HTML standard, section 13.2.6), but builds no tree. It is exact
// as long as the markup nests as it is written or as its optional tags imply.
// Where the parser would have to repair more than that (misnested formatting,
// text between table rows, templates, …) inexact is set, and what follows is
// good enough only where there is no tree to be had.
type outline struct {
	scan    scanner
	visitor *visitor
	inexact bool
	weight  weight

	phase    phase
	document element
	open     []element    // the open elements, the root first
	pool     []*html.Node // of the elements, in the order of open
	form     *html.Node   // the form that is open
	fresh    bool         // nothing is in the innermost element yet, and a newline would not count
}

// element is an open element.
type element struct {
	*html.Node // used again for others when it is closed
	atom       atom.Atom
	kind       kind
	tag        []byte // its start tag; nil if that was left out
	attrs      int    // in it
	afresh     int    // how many elements were to be opened again outside of it
}

// phase is how far the page has come.
type phase uint8

const (
	beforeHTML phase = iota
	beforeHead
	inTheHead
	afterHead
	inTheBody
)

// maxOpen is how deep the parser nests elements.
const maxOpen = 512

// newOutline is that of a page in UTF-8.
func newOutline(page []byte, v *visitor) *outline {
	o := &outline{scan: scanner{src: page}, visitor: v}
	o.document.Node = &html.Node{Type: html.DocumentNode}
	o.inexact = bytes.IndexByte(page, 0) >= 0 // it depends on the place what becomes of it
	return o
}

// run follows the page to its end, or to a limit.
func (o *outline) run() {
	for o.visitor.lim.step() {
		t := o.scan.next()
		switch t {
		case endOfPage:
			o.finish()
			return
		case textToken:
			o.weight.text(len(o.scan.text))
			o.text(o.scan.decoded())
		case startTag:
			tag := atom.Lookup(lower(o.scan.name))
			o.weight.element(o.scan.attrs, len(o.scan.tag))
			o.start(tag)
		case endTag:
			o.end(atom.Lookup(lower(o.scan.name)))
		case otherMarkup:
			o.weight.text(len(o.scan.tag))
			o.fresh = o.fresh && o.scan.isDoctype()
			if o.top().Namespace != "" && bytes.HasPrefix(o.scan.tag, []byte("<![CDATA[")) {
				o.inexact = true
			}
		}
	}
}

// finish closes all that is open. A page has a body even if it is empty.
func (o *outline) finish() {
	o.begin(inTheBody)
	o.popTo(0)
}

// top is the innermost open element, the document if there is none.
func (o *outline) top() *element {
	if n := len(o.open); n > 0 {
		return &o.open[n-1]
	}
	return &o.document
}

// push opens an element of the current tag.
func (o *outline) push(tag atom.Atom, k kind, namespace string) {
	if len(o.open) == maxOpen {
		o.inexact = true
		return
	}
	n := o.node()
	n.DataAtom, n.Namespace = tag, namespace
	if tag != 0 {
		n.Data = tag.String()
	} else {
		n.Data = string(lower(o.scan.name))
	}
	if n.Attr = n.Attr[:0]; o.scan.attrs > 0 && o.visitor.wants(tag) {
		n.Attr = o.scan.attributes(n.Attr)
		o.inexact = o.inexact || o.scan.attrs > maxAttributes
	}
	o.pushNode(element{Node: n, atom: tag, kind: k, tag: o.scan.tag, attrs: o.scan.attrs})
}

// imply opens an element whose start tag was left out.
func (o *outline) imply(tag atom.Atom) {
	if len(o.open) == maxOpen {
		o.inexact = true
		return
	}
	n := o.node()
	n.DataAtom, n.Data, n.Namespace, n.Attr = tag, tag.String(), "", n.Attr[:0]
	o.weight.element(0, 0)
	o.pushNode(element{Node: n, atom: tag, kind: kindOf(tag)})
}

// node is a spare node, whose parent is the innermost open element.
func (o *outline) node() *html.Node {
	if len(o.open) == len(o.pool) {
		o.pool = append(o.pool, &html.Node{Type: html.ElementNode})
	}
	n := o.pool[len(o.open)]
	n.Parent = o.top().Node
	return n
}

func (o *outline) pushNode(e element) {
	e.afresh = len(o.weight.afresh)
	o.open = append(o.open, e)
	o.fresh = e.atom == atom.Pre || e.atom == atom.Listing || e.atom == atom.Textarea
	o.visitor.start(e.Node)
}

// pop closes the innermost element.
func (o *outline) pop() {
	n := len(o.open) - 1
	e := &o.open[n]
	o.visitor.end(e.Node)
	if e.kind&marker != 0 {
		o.weight.forget(e.afresh)
	}
	o.open = o.open[:n]
	o.fresh = false
}

// popTo closes all elements from an index on.
func (o *outline) popTo(i int) {
	for len(o.open) > i {
		o.pop()
	}
}

// popOver closes all elements from an index on. A formatting element among
// them was not closed by itself: the parser would open it again.
func (o *outline) popOver(i int) {
	for len(o.open) > i {
		if e := o.top(); e.kind&formatting != 0 {
			o.inexact = true
			o.weight.again(*e)
		}
		o.pop()
	}
}
