package extract

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html/atom"
)

// Selector says what a field is filled with.
type Selector struct {
	Name string // of the field

	match   cascadia.Selector // nil: the element of Each itself
	of      part              // what is taken of an element
	attr    string            // the name of the attribute or link
	all     bool              // of all matching elements
	streams bool              // it needs no tree
	tag     atom.Atom         // the name of the element, if that is all that match asks for; 0: it looks at attributes, too
}

// part is what a selector takes of an element.
type part uint8

const (
	partText part = iota // white space folded
	partAttr
	partLink  // an attribute that is a link, made absolute
	partHTML  // what is inside
	partOuter // with the element itself
)

// attribute is the end of a selector that names one, or html, or outer. No CSS
// selector ends so but with an escaped @.
var attribute = regexp.MustCompile(`^((?s:.*[^\\]|))@(abs:)?([A-Za-z_][-\w.:]*)$`)

// ParseSelector reads a selector as people write it:
//
//	name=css          the text of the first element that css matches
//	name=css@attr     an attribute of it
//	name=css@abs:attr an attribute of it that is a link, made absolute
//	name=css@html     the HTML inside it
//	name=css@outer    its HTML, with the element itself
//	name[]=…          an array of those of all matching elements
//
// Without css it is the element that Each matches.
func ParseSelector(text string) (*Selector, error) {
	var s Selector
	var css string
	var err error
	if s.Name, s.all, css, err = cutName(text); err != nil {
		return nil, err
	}
	if m := attribute.FindStringSubmatch(css); m != nil {
		css, s.attr = m[1], strings.ToLower(m[3])
		switch {
		case m[2] != "":
			s.of = partLink
		case s.attr == "html":
			s.of = partHTML
		case s.attr == "outer":
			s.of = partOuter
		default:
			s.of = partAttr
		}
	}
	if css = strings.TrimSpace(css); css == "" {
		return &s, nil
	}
	if s.match, err = compile(css); err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	s.streams = streams(css) && s.of < partHTML
	if m := ownTag.FindStringSubmatch(css); m != nil {
		s.tag = atom.Lookup([]byte(strings.ToLower(m[1])))
	}
	return &s, nil
}

// ownTag is a selector that looks at nothing but the elements of one name.
var ownTag = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]*)(?:[.#][-\w]+|\[[^]["',]*(?:"[^"\\]*")?\])*$`)

// cutName splits "name=rest" and "name[]=rest".
func cutName(text string) (name string, all bool, rest string, err error) {
	name, rest, ok := strings.Cut(text, "=")
	if !ok {
		return "", false, "", fmt.Errorf("%q has no name: write NAME=…", text)
	}
	name, all = strings.CutSuffix(strings.TrimSpace(name), "[]")
	if name == "" {
		return "", false, "", fmt.Errorf("%q has no name in front of =", text)
	}
	return name, all, rest, nil
}

// Each matches the elements that have a row each.
type Each struct{ match cascadia.Selector }

// ParseEach reads a CSS selector.
func ParseEach(css string) (*Each, error) {
	if strings.TrimSpace(css) == "" {
		return nil, errors.New("the CSS selector is empty")
	}
	match, err := compile(css)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", css, err)
	}
	return &Each{match}, nil
}

func compile(css string) (cascadia.Selector, error) {
	match, err := cascadia.Compile(css)
	if err == nil {
		return match, nil
	}
	for _, other := range []string{"::text", "::attr("} { // of Scrapy and Parsel
		if strings.Contains(css, other) {
			return nil, fmt.Errorf("there is no %s: CSS yields text, CSS@NAME an attribute", strings.TrimSuffix(other, "("))
		}
	}
	if at := errorAt(css); at > 0 {
		return nil, fmt.Errorf("at %q: %w", css[at:], err)
	}
	return nil, err
}

// errorAt is where the part of css begins that cannot be understood: behind
// the longest beginning that can be. The compiler does not tell.
func errorAt(css string) int {
	const longest = 1000 // to look at each beginning takes time
	for i := min(len(css)-1, longest); i > 0; i-- {
		if _, err := cascadia.ParseGroup(css[:i]); err == nil {
			return i
		}
	}
	return 0
}

// streams reports whether css surely asks for nothing that comes behind an
// element's start tag, or before it but in the elements around it: whether it
// has neither a sibling nor a pseudo-class other than :not.
func streams(css string) bool {
	css = quoted.ReplaceAllString(css, "")
	return !strings.ContainsAny(harmless.Replace(css), ":+~")
}

var (
	quoted   = regexp.MustCompile(`"[^"\\]*"|'[^'\\]*'`)
	harmless = strings.NewReplacer(":not(", "", "~=", "")
)
