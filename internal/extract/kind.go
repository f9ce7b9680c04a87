package extract

import "golang.org/x/net/html/atom"

// kind says how the parser treats an element (HTML standard, section 13.2), as
// far as golang.org/x/net/html follows it.
type kind uint16

const (
	special    kind = 1 << iota // stops the search for what an end tag ends
	scopeEnd                    // what is around it is not in scope
	formatting                  // is opened again where it was not closed
	marker                      // ends what is opened again
	implied                     // needs no end tag
	block                       // its start tag ends a paragraph
	blockEnd                    // its end tag ends what needs none, and all inside
	heading
	void
	inTable // belongs into a table
	inHead  // is no reason to begin the body
)

// kindOf is the kind of an element.
func kindOf(tag atom.Atom) kind {
	switch tag {
	case atom.A, atom.B, atom.Big, atom.Code, atom.Em, atom.Font, atom.I, atom.Nobr, atom.S, atom.Small, atom.Strike,
		atom.Strong, atom.Tt, atom.U:
		return formatting
	case atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Center, atom.Details, atom.Dir, atom.Div, atom.Dl,
		atom.Fieldset, atom.Figcaption, atom.Figure, atom.Footer, atom.Header, atom.Hgroup, atom.Listing, atom.Main,
		atom.Menu, atom.Nav, atom.Ol, atom.Pre, atom.Section, atom.Summary, atom.Ul:
		return special | block | blockEnd
	case atom.Dialog, atom.Search:
		return block | blockEnd
	case atom.P:
		return special | block | implied
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return special | block | heading
	case atom.Li, atom.Dd, atom.Dt:
		return special | implied
	case atom.Option, atom.Optgroup, atom.Rb, atom.Rp, atom.Rt, atom.Rtc:
		return implied
	case atom.Td, atom.Th, atom.Caption:
		return special | inTable | scopeEnd | marker
	case atom.Tr, atom.Tbody, atom.Thead, atom.Tfoot, atom.Colgroup, atom.Col:
		return special | inTable
	case atom.Table, atom.Html:
		return special | scopeEnd
	case atom.Applet, atom.Marquee, atom.Object:
		return special | scopeEnd | marker
	case atom.Area, atom.Br, atom.Embed, atom.Img, atom.Input, atom.Keygen, atom.Wbr, atom.Param, atom.Source, atom.Track, atom.Hr:
		return special | void
	case atom.Base, atom.Basefont, atom.Bgsound, atom.Link, atom.Meta:
		return special | void | inHead
	case atom.Noframes, atom.Script, atom.Style, atom.Title:
		return special | inHead
	case atom.Template:
		return special | inHead | scopeEnd | marker
	case atom.Select:
		return special | blockEnd | scopeEnd
	case atom.Button:
		return special | blockEnd
	case atom.Form, atom.Xmp:
		return special | block
	case atom.Body, atom.Frame, atom.Frameset, atom.Head, atom.Iframe, atom.Noembed, atom.Noscript, atom.Plaintext, atom.Textarea:
		return special
	}
	return 0
}

// endsSVG reports whether an element in an SVG may end it: breaks out of it.
func endsSVG(tag atom.Atom) bool {
	switch tag {
	case atom.B, atom.Big, atom.Blockquote, atom.Body, atom.Br, atom.Center, atom.Code, atom.Dd, atom.Div, atom.Dl,
		atom.Dt, atom.Em, atom.Embed, atom.Font, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Head, atom.Hr,
		atom.I, atom.Img, atom.Li, atom.Listing, atom.Menu, atom.Meta, atom.Nobr, atom.Ol, atom.P, atom.Pre, atom.Ruby,
		atom.S, atom.Small, atom.Span, atom.Strong, atom.Strike, atom.Sub, atom.Sup, atom.Table, atom.Tt, atom.U,
		atom.Ul, atom.Var:
		return true
	}
	return false
}
