package extract

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"golang.org/x/net/html"

	"pipeworks/internal/record"
)

// xml reads an XML page in UTF-8. The title, links and description are those
// of a feed (RSS, Atom), the links of a sitemap count, too.
func (r *reading) xml(page []byte, body record.Value) {
	// Each node and most attributes have such a character.
	size := 2*len(page) + bytes.Count(page, []byte("<"))*2*nodeSize + bytes.Count(page, []byte("="))*attributeSize
	if longestTag(page) > maxXMLTag {
		size = math.MaxInt
	}
	v := newVisitor(r.x, &r.lim, false)
	var selected [][]found
	err := r.inMemory(size, func() error {
		root, err := parseXML(page, size, &r.lim)
		v.feed(root)
		selected = (&tree{r.x, &r.lim}).rows(root)
		return err
	})
	if err != nil {
		r.page.Err = fmt.Errorf("parse XML: %w", err)
	}
	r.finish(selected, v, body)
}

// parseXML reads XML into the nodes that selectors know. Names are in lower
// case, as selectors have them, with their prefixes. If there is an error, the
// tree is that of what comes before it; it takes no more than about size bytes.
func parseXML(page []byte, size int, lim *limits) (*html.Node, error) {
	root := &html.Node{Type: html.DocumentNode}
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict = false
	d.Entity = xml.HTMLEntity
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it has been decoded
	top, depth := root, 0
	for lim.step() {
		if size < 0 {
			return root, errTree
		}
		token, err := d.RawToken()
		if err == io.EOF {
			return root, nil
		}
		if err != nil {
			return root, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxOpen {
				return root, errors.New("elements are nested too deep")
			}
			size -= nodeSize + len(t.Attr)*attributeSize
			n := &html.Node{Type: html.ElementNode, Data: xmlName(t.Name)}
			for _, a := range t.Attr {
				n.Attr = append(n.Attr, html.Attribute{Key: xmlName(a.Name), Val: a.Value})
			}
			top.AppendChild(n)
			top = n
		case xml.EndElement:
			for n, up := top, 1; n != root; n, up = n.Parent, up+1 {
				if n.Data == xmlName(t.Name) {
					top, depth = n.Parent, depth-up
					break
				}
			}
		case xml.CharData:
			size -= nodeSize + len(t)
			top.AppendChild(&html.Node{Type: html.TextNode, Data: string(t)})
		}
	}
	return root, lim.err
}

// maxXMLTag is how long a tag may be: the decoder reads all its attributes
// before they can be counted.
const maxXMLTag = 256 << 10

// longestTag is about the length of the longest tag of a page.
func longestTag(page []byte) (longest int) {
	for {
		i := bytes.IndexByte(page, '<')
		if i < 0 {
			return longest
		}
		page = page[i:]
		end := bytes.IndexByte(page, '>')
		if end < 0 {
			return max(longest, len(page))
		}
		longest = max(longest, end)
		page = page[end:]
	}
}

func xmlName(n xml.Name) string {
	name := strings.ToLower(n.Local)
	if n.Space != "" {
		name = strings.ToLower(n.Space) + ":" + name
	}
	return name
}

// feed visits an XML page.
func (v *visitor) feed(n *html.Node) {
	for c := range n.ChildNodes() {
		if !v.lim.step() {
			return
		}
		switch {
		case c.Type == html.TextNode && v.x.wantText:
			v.readable.separate(newline)
			v.readable.text([]byte(c.Data), v.lim)
		case c.Type == html.ElementNode:
			v.feedElement(c)
			v.feed(c)
		}
	}
}

func (v *visitor) feedElement(n *html.Node) {
	content := func() string {
		var f folded
		(&tree{v.x, v.lim}).fold(n, &f)
		return string(f.text)
	}
	ofFeed := n.Parent.Data == "channel" || n.Parent.Data == "feed"
	switch n.Data {
	case "title":
		if v.title == nil && ofFeed {
			v.title = &folded{text: []byte(content())}
		}
	case "description", "subtitle":
		if v.x.cfg.Meta && ofFeed {
			v.meta.add("description", content())
		}
	case "link":
		rel, _ := attr(n, "rel")
		href, ok := attr(n, "href")
		if !ok {
			href = content()
		}
		if rel == "" || rel == "alternate" {
			v.feedLink(href)
		}
	case "loc":
		v.feedLink(content())
	}
}

func (v *visitor) feedLink(href string) {
	if v.x.wantLinks && href != "" && v.lim.spend(textSize+len(href)) {
		v.links = append(v.links, link{href: href})
	}
}
