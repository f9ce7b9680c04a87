package extract

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/net/html/atom"
)

// start follows a start tag.
func (o *outline) start(tag atom.Atom) {
	k := kindOf(tag)
	switch {
	case o.phase < inTheBody && o.startHead(tag, k):
	case o.top().Namespace != "":
		o.startForeign(tag)
	case o.betweenCells():
		o.startInTable(tag, k)
	default:
		o.startInBody(tag, k)
	}
}

// startHead follows a start tag before the body. It returns false if the tag
// has begun the body and is yet to be followed there.
func (o *outline) startHead(tag atom.Atom, k kind) bool {
	switch {
	case tag == atom.Html:
		if o.phase > beforeHTML {
			o.repeated()
			return true
		}
		o.weight.merge(o.scan.attrs)
		o.push(tag, k, "")
		o.phase = beforeHead
	case tag == atom.Head:
		if o.phase > beforeHead {
			return true
		}
		o.begin(beforeHead)
		o.push(tag, k, "")
		o.phase = inTheHead
	case k&inHead != 0 && tag != atom.Template, tag == atom.Noscript && o.phase <= inTheHead:
		if o.phase == afterHead {
			o.inexact = true // the parser puts it into the head
		}
		o.begin(inTheHead)
		o.startHere(tag, k)
	case tag == atom.Body && o.phase <= afterHead:
		o.begin(afterHead)
		o.weight.merge(o.scan.attrs)
		o.push(tag, k, "")
		o.phase = inTheBody
	default:
		o.begin(inTheBody)
		return false
	}
	return true
}

// begin goes on to a phase, opening and closing what was left out.
func (o *outline) begin(p phase) {
	for ; o.phase < p; o.phase++ {
		switch o.phase {
		case beforeHTML:
			o.imply(atom.Html)
		case beforeHead:
			o.imply(atom.Head)
		case inTheHead:
			o.popTo(1)
		case afterHead:
			o.imply(atom.Body)
		}
	}
}

// repeated follows an html or body tag that is not the first: the parser adds
// its attributes to those of the first.
func (o *outline) repeated() {
	if o.scan.attrs > 0 {
		o.inexact = true
		o.weight.merge(o.scan.attrs)
	}
}

// startHere opens an element where it stands. What cannot have content ends at
// once.
func (o *outline) startHere(tag atom.Atom, k kind) {
	depth := len(o.open)
	o.push(tag, k, "")
	if k&void != 0 {
		o.popTo(depth)
	}
}

// startInBody follows a start tag in the body, outside of tables or in a cell.
func (o *outline) startInBody(tag atom.Atom, k kind) {
	switch {
	case k&inTable != 0:
		o.startCell(tag, k)
	case k&block != 0:
		o.startBlock(tag, k)
	case k&formatting != 0:
		if tag == atom.A && o.isOpen(atom.A) || tag == atom.Nobr && o.isOpen(atom.Nobr) {
			o.inexact = true
			o.weight.closed(tag)
		}
		o.startHere(tag, k)
	default:
		o.startOther(tag, k)
	}
}

// startBlock follows the start tag of an element that ends a paragraph.
func (o *outline) startBlock(tag atom.Atom, k kind) {
	if tag == atom.Form && o.form != nil {
		return
	}
	o.closeParagraph()
	if k&heading != 0 && o.top().kind&heading != 0 {
		o.pop()
	}
	o.startHere(tag, k)
	if tag == atom.Form {
		o.form = o.top().Node
	}
}

func (o *outline) startOther(tag atom.Atom, k kind) {
	switch tag {
	case atom.Html, atom.Body:
		o.repeated()
		return
	case atom.Head, atom.Frame:
		return
	case atom.Frameset, atom.Plaintext, atom.Template, atom.Image, atom.Math:
		o.inexact = true
	case atom.Li:
		o.closeItem(atom.Li, atom.Li)
	case atom.Dd, atom.Dt:
		o.closeItem(atom.Dd, atom.Dt)
	case atom.Hr:
		o.closeParagraph()
		o.notInside(atom.Select)
	case atom.Button:
		o.notInside(atom.Button)
	case atom.Table: // it ends a paragraph or not, as the doctype says
		o.notInside(atom.P)
	case atom.Input, atom.Select:
		o.notInside(atom.Select)
	case atom.Option, atom.Optgroup:
		if o.inScope(atom.Select, 0) >= 0 {
			o.popImplied(tag == atom.Option, atom.Optgroup)
		} else if o.top().DataAtom == atom.Option {
			o.pop()
		}
	case atom.Rb, atom.Rtc, atom.Rp, atom.Rt:
		if o.inScope(atom.Ruby, 0) >= 0 {
			o.popImplied(tag == atom.Rp || tag == atom.Rt, atom.Rtc)
		}
	case atom.Svg:
		o.startSVG(tag)
		return
	}
	o.startHere(tag, k)
}

// startSVG opens an element of an SVG.
func (o *outline) startSVG(tag atom.Atom) {
	depth := len(o.open)
	o.push(tag, 0, "svg")
	o.scan.raw = ""
	if o.visitor.selecting && renamed(o.scan.tag) {
		o.inexact = true
	}
	if bytes.HasSuffix(o.scan.tag, []byte("/>")) && o.scan.selfClosing() {
		o.popTo(depth)
	}
}

// renamed reports whether the parser may have other names for some of the
// attributes in a tag: xlink:href, xml:lang and their like.
func renamed(tag []byte) bool {
	tag = lower(tag)
	return bytes.Contains(tag, []byte("xlink")) || bytes.Contains(tag, []byte("xml:"))
}

// startForeign follows a start tag in an SVG.
func (o *outline) startForeign(tag atom.Atom) {
	if endsSVG(tag) || o.integrates() {
		o.inexact = true
	}
	if endsSVG(tag) {
		for o.top().Namespace != "" {
			o.pop()
		}
		o.start(tag)
		return
	}
	o.startSVG(tag)
}

// integrates reports whether the innermost element is one of an SVG that may
// have HTML inside.
func (o *outline) integrates() bool {
	switch o.top().Data {
	case "title", "desc", "foreignobject":
		return true
	}
	return false
}

// closeParagraph closes the paragraph that is open, if there is one.
func (o *outline) closeParagraph() {
	if i := o.inScope(atom.P, atom.Button); i >= 0 {
		o.popOver(i)
	}
}

// closeItem closes the list item that is open, if one of the two is.
func (o *outline) closeItem(a, b atom.Atom) {
	for i := len(o.open) - 1; i >= 0; i-- {
		e := &o.open[i]
		if e.DataAtom == a || e.DataAtom == b {
			o.popOver(i)
			break
		}
		if e.kind&special != 0 && e.DataAtom != atom.Address && e.DataAtom != atom.Div && e.DataAtom != atom.P {
			break
		}
	}
	o.closeParagraph()
}

// notInside is for tags that may close an element of the name.
func (o *outline) notInside(tag atom.Atom) {
	if o.isOpen(tag) {
		o.inexact = true
	}
}

// isOpen reports whether an element of the name is open.
func (o *outline) isOpen(tag atom.Atom) bool {
	for i := range o.open {
		if o.open[i].DataAtom == tag {
			return true
		}
	}
	return false
}

// inScope is the index of the innermost element of a name in scope, -1 if
// there is none. The scope ends at elements of the name until, too.
func (o *outline) inScope(tag, until atom.Atom) int {
	for i := len(o.open) - 1; i >= 0; i-- {
		switch e := &o.open[i]; {
		case e.DataAtom == tag && e.Namespace == "":
			return i
		case e.kind&scopeEnd != 0, until != 0 && e.DataAtom == until && e.Namespace == "":
			return -1
		}
	}
	return -1
}

// popImplied closes the elements that need no end tag, but, if keep is set,
// none called except.
func (o *outline) popImplied(keep bool, except atom.Atom) {
	for o.top().kind&implied != 0 && !(keep && o.top().DataAtom == except) {
		o.pop()
	}
}

// text follows a text.
func (o *outline) text(s []byte) {
	if o.fresh {
		s = bytes.TrimPrefix(bytes.TrimPrefix(s, []byte("\r")), []byte("\n"))
		o.fresh = len(s) == 0
	}
	if o.phase < inTheBody && o.betweenHeads() {
		n := skipSpace(s, 0)
		if o.phase >= inTheHead && n > 0 {
			o.visitor.text(s[:n])
		}
		if s = s[n:]; len(s) == 0 {
			return
		}
		o.begin(inTheBody)
	}
	if o.betweenCells() {
		n := skipSpace(s, 0)
		if o.top().DataAtom == atom.Colgroup && n < len(s) {
			o.visitor.text(s[:n])
			s = s[n:]
			o.pop()
			n = 0
		}
		if n < len(s) {
			o.inexact = true // the parser moves it out of the table
		}
	}
	if len(s) > 0 {
		o.visitor.text(s)
	}
}

// betweenHeads reports whether no element of the head is open.
func (o *outline) betweenHeads() bool {
	tag := o.top().DataAtom
	return tag == 0 || tag == atom.Html || tag == atom.Head
}

// end follows an end tag.
func (o *outline) end(tag atom.Atom) {
	k := kindOf(tag)
	switch {
	case o.phase < inTheBody && o.endHead(tag):
	case o.top().Namespace != "":
		o.endForeign(tag)
	case o.endTable(tag):
	default:
		o.endInBody(tag, k)
	}
}

// endHead follows an end tag before the body. It returns false if the tag has
// begun the body and is yet to be followed there.
func (o *outline) endHead(tag atom.Atom) bool {
	switch {
	case len(o.open) > 0 && o.top().DataAtom == tag && o.phase > beforeHead && tag != atom.Html:
		o.pop()
		if tag == atom.Head {
			o.phase = afterHead
		}
	case tag == atom.Head && o.phase < inTheHead:
		o.begin(afterHead)
	case tag == atom.Body, tag == atom.Html, tag == atom.Br:
		o.begin(inTheBody)
		return false
	}
	return true
}

// endForeign follows an end tag in an SVG.
func (o *outline) endForeign(tag atom.Atom) {
	name := string(lower(o.scan.name))
	if strings.EqualFold(o.top().Data, name) {
		o.pop()
		return
	}
	o.inexact = true
	for i := len(o.open) - 1; i >= 0 && o.open[i].Namespace != ""; i-- {
		if o.open[i].Data == name {
			o.popTo(i)
			return
		}
	}
	for o.top().Namespace != "" {
		o.pop()
	}
	o.end(tag)
}

// endInBody follows an end tag in the body, outside of tables or in a cell.
func (o *outline) endInBody(tag atom.Atom, k kind) {
	switch {
	case tag == atom.Body, tag == atom.Html: // what comes behind it belongs to the body, but for comments
		o.inexact = o.inexact || o.fresh
	case tag == atom.Br, tag == atom.Template:
		o.inexact = true
	case tag == atom.P:
		i := o.inScope(atom.P, atom.Button)
		if i < 0 {
			i = len(o.open)
			o.imply(atom.P)
		}
		o.popOver(i)
	case tag == atom.Form:
		o.endForm()
	case tag == atom.Li:
		o.endItem(tag)
	case k&heading != 0:
		o.endHeading()
	case k&blockEnd != 0:
		if i := o.inScope(tag, 0); i >= 0 {
			o.popImplied(false, 0)
			if i = o.inScope(tag, 0); i >= 0 {
				o.popOver(i)
			}
		}
	case tag == atom.Dd, tag == atom.Dt, k&marker != 0 && k&inTable == 0:
		if i := o.inScope(tag, 0); i >= 0 {
			o.popOver(i)
		}
	case k&formatting != 0:
		o.endFormatting(tag)
	default:
		o.endOther(tag)
	}
}

// endForm closes the form that is open, which may be none of the innermost
// elements.
func (o *outline) endForm() {
	form := o.form
	o.form = nil
	if i := o.inScope(atom.Form, 0); i >= 0 && o.open[i].Node == form {
		o.popImplied(false, 0)
		if i != len(o.open)-1 {
			o.inexact = true // the parser takes it out from among the open ones
		}
		o.popTo(i)
	}
}

// endItem closes a list item, but none outside of the innermost list.
func (o *outline) endItem(tag atom.Atom) {
	i := o.inScope(tag, 0)
	for j := i + 1; i >= 0 && j < len(o.open); j++ {
		if t := o.open[j].DataAtom; t == atom.Ol || t == atom.Ul {
			return
		}
	}
	if i >= 0 {
		o.popOver(i)
	}
}

// endHeading closes the heading that is open, of whatever level.
func (o *outline) endHeading() {
	for i, e := range slices.Backward(o.open) {
		switch {
		case e.kind&heading != 0:
			o.popOver(i)
			return
		case e.kind&scopeEnd != 0:
			return
		}
	}
}

// endFormatting closes a formatting element that is innermost.
func (o *outline) endFormatting(tag atom.Atom) {
	if o.top().DataAtom == tag {
		o.pop()
		return
	}
	o.weight.text(8 * o.weight.extra) // what the parser may copy to put it right
	o.weight.closed(tag)
	for i, e := range slices.Backward(o.open) {
		if e.DataAtom == tag {
			o.inexact = true
			if o.scopeless(i) {
				o.popOver(i)
			}
			return
		}
	}
}

// scopeless reports whether no block is open inside the element of an index.
func (o *outline) scopeless(i int) bool {
	for _, e := range o.open[i+1:] {
		if e.kind&special != 0 {
			return false
		}
	}
	return true
}

// endOther closes the element of an end tag that is no other kind of tag, if no
// block is open inside it.
func (o *outline) endOther(tag atom.Atom) {
	name := ""
	if tag == 0 {
		name = string(lower(o.scan.name))
	}
	for i := len(o.open) - 1; i >= 0; i-- {
		e := &o.open[i]
		if e.DataAtom == tag && e.Namespace == "" && (tag != 0 || e.Data == name) {
			o.popOver(i)
			return
		}
		if e.kind&special != 0 {
			return
		}
	}
}
