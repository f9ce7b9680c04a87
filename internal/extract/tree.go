package extract

import (
	"io"

	"github.com/PuerkitoBio/goquery"
	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// parseReader hands a page to the parser while there is time: some markup takes
// it long.
type parseReader struct {
	page []byte
	lim  *limits
}

// parseBlock is how much the parser gets at once. With less it would copy a
// long text more often.
const parseBlock = 16 << 10

// Read implements io.Reader.
func (r *parseReader) Read(p []byte) (int, error) {
	if !r.lim.inTime() {
		return 0, r.lim.err
	}
	if len(r.page) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), parseBlock)], r.page)
	r.page = r.page[n:]
	return n, nil
}

// bounded is a selector that stops at the limits, which goquery knows nothing
// of.
type bounded struct {
	match cascadia.Selector
	first bool // the first match is enough
	found bool
	lim   *limits
}

var _ goquery.Matcher = (*bounded)(nil)

// Match implements goquery.Matcher.
func (m *bounded) Match(n *html.Node) bool { return m.lim.step() && m.match(n) }

// MatchAll implements goquery.Matcher: n and what is below it.
func (m *bounded) MatchAll(n *html.Node) []*html.Node { return m.collect(n, nil) }

func (m *bounded) collect(n *html.Node, nodes []*html.Node) []*html.Node {
	if m.found && m.first {
		return nodes
	}
	if m.Match(n) {
		m.found = true
		nodes = append(nodes, n)
	}
	for c := range n.ChildNodes() {
		if c.Type == html.ElementNode {
			nodes = m.collect(c, nodes)
		}
	}
	return nodes
}

// Filter implements goquery.Matcher.
func (m *bounded) Filter(all []*html.Node) (nodes []*html.Node) {
	for _, n := range all {
		if m.Match(n) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// tree selects from a parsed page.
type tree struct {
	x   *Extractor
	lim *limits
}

// rows has what the selectors find, for each element of Config.Each.
func (t *tree) rows(root *html.Node) [][]found {
	page := goquery.NewDocumentFromNode(root).Selection
	if t.x.cfg.Each == nil {
		return [][]found{t.row(page)}
	}
	var rows [][]found
	for _, element := range page.FindMatcher(&bounded{match: t.x.cfg.Each.match, lim: t.lim}).EachIter() {
		if !t.lim.spend(rowSize) {
			break
		}
		rows = append(rows, t.row(element))
	}
	return rows
}

func (t *tree) row(within *goquery.Selection) []found {
	row := make([]found, len(t.x.cfg.Select))
	for i, s := range t.x.cfg.Select {
		elements := within
		if s.match != nil {
			elements = within.FindMatcher(&bounded{match: s.match, first: !s.all, lim: t.lim})
		}
		for _, element := range elements.EachIter() {
			if !t.lim.spend(textSize) {
				break
			}
			if text := t.part(s, element); text != nil {
				row[i] = append(row[i], text)
			}
		}
	}
	return row
}

// part is what a selector takes of an element, nil if it has no such thing.
func (t *tree) part(s *Selector, element *goquery.Selection) *text {
	var part text
	switch s.of {
	case partText:
		t.fold(element.Nodes[0], &part.folded)
		return &part
	case partAttr, partLink:
		value, ok := element.Attr(s.attr)
		if !ok {
			return nil
		}
		part.text, part.ref = []byte(value), s.of == partLink
	case partHTML, partOuter:
		of := element.Html
		if s.of == partOuter {
			of = func() (string, error) { return goquery.OuterHtml(element) }
		}
		markup, err := of()
		if err != nil { // an element of XML that cannot be HTML
			return nil
		}
		part.text = []byte(markup)
	}
	t.lim.spend(len(part.text))
	return &part
}

// fold adds the text of an element.
func (t *tree) fold(n *html.Node, f *folded) {
	for c := range n.ChildNodes() {
		if c.Type == html.TextNode {
			f.add([]byte(c.Data), t.lim)
		} else if t.lim.step() {
			t.fold(c, f)
		}
	}
}
