package extract

import (
	"bytes"
	"slices"

	"golang.org/x/net/html/atom"
)

// weight is about the memory that the tree of a page would take, never much
// less: it is known before the tree is built. What few bytes can make large is
// counted in full: the formatting elements that the parser opens again for
// each text until they are closed, and the attributes that it collects from
// repeated body tags.
type weight struct {
	bytes  int
	afresh []element // formatting elements that may be opened again for each text
	extra  int       // the bytes of these
	merged int       // attributes of html and body tags
}

// Sizes of the parser's nodes, with what the allocator rounds up.
const (
	nodeSize      = 128
	attributeSize = 96 // half of it is room for more
)

func (w *weight) element(attrs, length int) {
	if attrs > maxAttributes { // the tokenizer remembers the names of all
		attrs *= 3
	}
	w.bytes += nodeSize + attrs*attributeSize + length + w.extra
}

func (w *weight) text(length int) { w.bytes += nodeSize + length + w.extra }

// again adds a formatting element that was not closed before what is around
// it. The parser keeps three at most that are the same.
func (w *weight) again(e element) {
	first, same := 0, 0
	for i, other := range slices.Backward(w.afresh) {
		if bytes.Equal(other.tag, e.tag) {
			first = i
			same++
		}
	}
	if same == 3 {
		w.drop(first)
	}
	w.afresh = append(w.afresh, e)
	w.extra += e.weight()
}

func (e *element) weight() int { return nodeSize + e.attrs*attributeSize }

// closed takes out the last one that an end tag closes.
func (w *weight) closed(tag atom.Atom) {
	for i, e := range slices.Backward(w.afresh) {
		if e.atom == tag {
			w.drop(i)
			return
		}
	}
}

// forget keeps the first n.
func (w *weight) forget(n int) {
	for len(w.afresh) > n {
		w.drop(len(w.afresh) - 1)
	}
}

func (w *weight) drop(i int) {
	w.extra -= w.afresh[i].weight()
	w.afresh = slices.Delete(w.afresh, i, i+1)
}

// merge counts the attributes of an html or body tag that are compared with
// all that came before.
func (w *weight) merge(attrs int) {
	w.merged += attrs
	w.bytes += w.merged * attributeSize
}
