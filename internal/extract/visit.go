package extract

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"pipeworks/internal/robots"
)

// visitor takes what needs no tree from the elements and texts of a page as
// they come in document order, out of a tree or out of the stream of tags.
type visitor struct {
	x   *Extractor
	lim *limits

	selecting bool // the fields of x.Select are wanted, too
	foreign   bool // an element of an SVG was selected, which the parser may see otherwise

	base     string // what the first <base href> says
	based    bool   // there is one
	title    *folded
	links    []link
	meta     meta
	robots   robots.Directives
	readable readable
	fields   []found // of x.Select

	open []capture // texts that are being collected
}

// link is a link as the page has it.
type link struct {
	href     string
	noFollow bool
}

// found is what was selected for a field.
type found []*text

// text is one of them.
type text struct {
	folded
	ref bool // it is a link yet to be resolved
}

// capture is an element whose text is being collected.
type capture struct {
	node   *html.Node
	folded *folded // with white space folded
	raw    *[]byte // as it is
}

func newVisitor(x *Extractor, lim *limits, selecting bool) *visitor {
	v := &visitor{x: x, lim: lim, selecting: selecting}
	if selecting {
		v.fields = make([]found, len(x.cfg.Select))
	}
	return v
}

// wants reports whether the attributes of an element matter.
func (v *visitor) wants(tag atom.Atom) bool {
	switch tag {
	case atom.Base, atom.Meta:
		return true
	case atom.A, atom.Area:
		if v.x.wantLinks {
			return true
		}
	case atom.Link, atom.Script:
		if v.x.cfg.Meta {
			return true
		}
	}
	return v.selecting && (v.x.anyTag || slices.Contains(v.x.tags, tag))
}

// start is told of an element's start tag.
func (v *visitor) start(n *html.Node) {
	if n.Namespace == "" {
		v.known(n)
	}
	if v.x.wantText {
		v.readable.start(n)
	}
	if v.selecting {
		v.selects(n)
	}
}

// known looks at the elements that have a meaning for all pages.
func (v *visitor) known(n *html.Node) {
	switch n.DataAtom {
	case atom.Title:
		if v.title == nil && !inPicture(n) {
			v.title = new(folded)
			v.open = append(v.open, capture{node: n, folded: v.title})
		}
	case atom.Base:
		if href, ok := attr(n, "href"); ok && !v.based {
			v.base, v.based = href, true
		}
	case atom.A, atom.Area:
		if href, ok := attr(n, "href"); ok && v.x.wantLinks && v.lim.spend(textSize+len(href)) {
			rel, _ := attr(n, "rel")
			v.links = append(v.links, link{href, hasWord(rel, "nofollow")})
		}
	case atom.Meta:
		v.metaElement(n)
	case atom.Link:
		if rel, _ := attr(n, "rel"); v.x.cfg.Meta && v.meta.canonical == nil && hasWord(rel, "canonical") {
			if href, ok := attr(n, "href"); ok {
				v.meta.canonical = &href
			}
		}
	case atom.Script:
		if kind, _ := attr(n, "type"); v.x.cfg.Meta && strings.EqualFold(strings.TrimSpace(kind), "application/ld+json") && v.lim.spend(textSize) {
			json := new([]byte)
			v.meta.jsonLD = append(v.meta.jsonLD, json)
			v.open = append(v.open, capture{node: n, raw: json})
		}
	}
}

func (v *visitor) metaElement(n *html.Node) {
	content, ok := attr(n, "content")
	if !ok {
		return
	}
	name, ok := attr(n, "name")
	if !ok {
		name, _ = attr(n, "property")
	}
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "robots" || name == v.x.cfg.Agent && name != "" {
		v.robots.Add(content)
	}
	if v.x.cfg.Meta && name != "" && v.lim.spend(textSize+len(name)+len(content)) {
		v.meta.add(name, content)
	}
}

// selects adds to the fields what they take of an element.
func (v *visitor) selects(n *html.Node) {
	for i, s := range v.x.cfg.Select {
		f := &v.fields[i]
		if !s.streams || len(*f) > 0 && !s.all || s.tag != 0 && s.tag != n.DataAtom || !s.match(n) {
			continue
		}
		if !v.lim.spend(textSize) {
			return
		}
		v.foreign = v.foreign || n.Namespace != ""
		t := new(text)
		if s.of == partText {
			v.open = append(v.open, capture{node: n, folded: &t.folded})
		} else if value, ok := attr(n, s.attr); ok {
			v.lim.spend(len(value))
			t.text, t.ref = []byte(value), s.of == partLink
		} else if s.all {
			continue
		} else {
			t = nil
		}
		*f = append(*f, t)
	}
}

// text is told of a text inside the element within.
func (v *visitor) text(s []byte) {
	if v.x.wantText {
		v.readable.text(s, v.lim)
	}
	for i := range v.open {
		if c := &v.open[i]; c.folded != nil {
			c.folded.add(s, v.lim)
		} else if v.lim.spend(len(s)) {
			*c.raw = append(*c.raw, s...)
		}
	}
}

// end is told of an element's end.
func (v *visitor) end(n *html.Node) {
	if v.x.wantText {
		v.readable.end(n)
	}
	for len(v.open) > 0 && v.open[len(v.open)-1].node == n {
		v.open = v.open[:len(v.open)-1]
	}
}

// walk visits what is below n.
func (v *visitor) walk(n *html.Node) {
	for c := range n.ChildNodes() {
		if !v.lim.step() {
			return
		}
		switch c.Type {
		case html.TextNode:
			v.text([]byte(c.Data))
		case html.ElementNode:
			v.start(c)
			v.walk(c)
			v.end(c)
		}
	}
}

// attr is an attribute of an element.
func attr(n *html.Node, name string) (string, bool) {
	for i := range n.Attr {
		if a := &n.Attr[i]; a.Key == name && a.Namespace == "" {
			return a.Val, true
		}
	}
	return "", false
}

// hasWord reports whether an attribute's words have one, in lower case.
func hasWord(words, word string) bool {
	for w := range strings.FieldsSeq(words) {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

// inPicture reports whether an element is inside an SVG.
func inPicture(n *html.Node) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.DataAtom == atom.Svg {
			return true
		}
	}
	return false
}
