package extract

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/PuerkitoBio/goquery"
	"github.com/andybalholm/cascadia"
)

// Selector says what a field is filled with.
type Selector struct {
	Name string // of the field

	matcher  goquery.Matcher
	attr     string // the attribute wanted; "" is the text
	absolute bool   // the attribute is a link, wanted as an absolute URL
	all      bool   // of all matching elements
}

// attribute is the end of a selector that names one. No CSS selector ends so
// but with an escaped @.
var attribute = regexp.MustCompile(`^((?s:.*[^\\]|))@(abs:)?([A-Za-z_][-\w.:]*)$`)

// ParseSelector reads a selector as people write it:
//
//	name=css          the text of the first element that css matches
//	name=css@attr     an attribute of it
//	name=css@abs:attr an attribute of it that is a link, made absolute
//	name[]=…          an array of those of all matching elements
func ParseSelector(text string) (*Selector, error) {
	name, css, ok := strings.Cut(text, "=")
	if !ok {
		return nil, fmt.Errorf("selector %q has no name: write name=css", text)
	}
	var s Selector
	s.Name, s.all = strings.CutSuffix(strings.TrimSpace(name), "[]")
	if s.Name == "" {
		return nil, fmt.Errorf("selector %q has no name in front of =", text)
	}
	if m := attribute.FindStringSubmatch(css); m != nil {
		css, s.absolute, s.attr = m[1], m[2] != "", strings.ToLower(m[3])
	}
	matcher, err := compile(css)
	if err != nil {
		return nil, fmt.Errorf("selector %q: %w", text, err)
	}
	s.matcher = matcher
	if !s.all {
		s.matcher = goquery.SingleMatcher(matcher)
	}
	return &s, nil
}

func compile(css string) (goquery.Matcher, error) {
	if strings.TrimSpace(css) == "" {
		return nil, errors.New("the CSS selector is empty")
	}
	return cascadia.Compile(css)
}
