package extract

import (
	"strings"

	"golang.org/x/net/html/atom"
)

// betweenCells reports whether the innermost element is a table or a part of
// one that has nothing but other parts in it.
func (o *outline) betweenCells() bool {
	e := o.top()
	return e.DataAtom == atom.Table || e.kind&inTable != 0 && e.kind&marker == 0
}

// startInTable follows a start tag between the cells of a table.
func (o *outline) startInTable(tag atom.Atom, k kind) {
	if o.top().DataAtom == atom.Colgroup && tag != atom.Col {
		o.pop()
	}
	switch {
	case k&inTable != 0:
		o.startPart(tag, k)
	case tag == atom.Style, tag == atom.Script, tag == atom.Input && o.hidden():
		o.startHere(tag, k)
	default: // the parser moves it out of the table
		o.inexact = true
		o.startInBody(tag, k)
	}
}

// hidden reports whether the input tag is for a hidden field.
func (o *outline) hidden() bool {
	for _, a := range o.scan.attributes(nil) {
		if a.Key == "type" {
			return strings.EqualFold(a.Val, "hidden")
		}
	}
	return false
}

// startPart opens a part of a table: it closes others and opens those around
// it that were left out.
func (o *outline) startPart(tag atom.Atom, k kind) {
	cell := tag == atom.Td || tag == atom.Th
	for {
		switch top := o.top().DataAtom; {
		case top == atom.Table && tag == atom.Col:
			o.imply(atom.Colgroup)
		case top == atom.Table && (cell || tag == atom.Tr):
			o.imply(atom.Tbody)
		case top == atom.Table, top == atom.Colgroup, top == atom.Tr && cell:
			o.startHere(tag, k)
			if tag == atom.Col {
				o.pop()
			}
			return
		case top == atom.Tr:
			o.pop()
		case cell:
			o.imply(atom.Tr)
		case tag == atom.Tr:
			o.startHere(tag, k)
			return
		default:
			o.pop()
		}
		if !o.betweenCells() { // the stack was full
			return
		}
	}
}

// startCell follows the start tag of a part of a table inside a cell, which it
// closes. Outside of tables it means nothing.
func (o *outline) startCell(tag atom.Atom, k kind) {
	i := o.cell()
	if i < 0 {
		return
	}
	if o.open[i].DataAtom == atom.Caption && tag == atom.Th {
		return
	}
	o.popTo(i)
	if o.betweenCells() {
		o.startInTable(tag, k)
	}
}

// cell is the index of the cell or caption that is open in the innermost
// table, -1 if there is none.
func (o *outline) cell() int {
	for i := len(o.open) - 1; i >= 0; i-- {
		switch e := &o.open[i]; e.DataAtom {
		case atom.Td, atom.Th, atom.Caption:
			return i
		case atom.Table, atom.Html, atom.Template:
			return -1
		}
	}
	return -1
}

// endTable follows an end tag that a table takes. It returns false if no table
// does.
func (o *outline) endTable(tag atom.Atom) bool {
	k := kindOf(tag)
	if !o.betweenCells() {
		i := o.cell()
		if i < 0 || k&inTable == 0 && tag != atom.Table {
			return false
		}
		switch in := o.open[i].DataAtom; {
		case in == tag: // its own
			o.popTo(i)
		case tag == atom.Table, in != atom.Caption && k&marker == 0 && tag != atom.Col && tag != atom.Colgroup && o.tableHas(tag):
			o.popTo(i)
			o.endTable(tag)
		}
		return true
	}
	if o.top().DataAtom == atom.Colgroup {
		if tag == atom.Col {
			return true
		}
		o.pop()
		if tag == atom.Colgroup {
			return true
		}
	}
	switch tag {
	case atom.Table, atom.Tbody, atom.Thead, atom.Tfoot, atom.Tr:
		if o.tableHas(tag) {
			for o.top().DataAtom != tag && o.betweenCells() {
				o.pop()
			}
			if o.top().DataAtom == tag {
				o.pop()
			}
		}
	case atom.Body, atom.Html, atom.Caption, atom.Col, atom.Colgroup, atom.Td, atom.Th:
	default:
		if kindOf(tag)&special != 0 || o.isOpen(tag) {
			o.inexact = true // the parser looks outside of the table
		}
	}
	return true
}

// tableHas reports whether the innermost table is or has an open part of the
// name.
func (o *outline) tableHas(tag atom.Atom) bool {
	for i := len(o.open) - 1; i >= 0; i-- {
		switch e := &o.open[i]; e.DataAtom {
		case tag:
			return true
		case atom.Table, atom.Html, atom.Template:
			return false
		}
	}
	return false
}
