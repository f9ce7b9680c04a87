// Package extract reads web pages: their title, links and text, what they say
// about themselves, and the fields that CSS selectors choose from them.
//
// A page costs a bounded time and memory, whatever it is. Its tags are followed
// first, without a tree; most pages need nothing more. Where a selector or the
// markup asks for the tree, it is built, if it is known not to be too large.
// If it cannot be had, the page is truncated: what was found without it is all
// there is.
package extract

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/net/html/atom"

	"pipeworks/internal/record"
	"pipeworks/internal/robots"
)

// Defaults of Config.
const (
	DefaultTimeout = 2 * time.Second
	DefaultMemory  = 128 << 20
)

// Config says what is wanted of pages. The zero value wants the title.
type Config struct {
	Select []*Selector // fields
	Each   *Each       // the elements that have a row each, inside which Select looks; nil: a page is one row
	Regex  []*Regex    // fields

	Links bool // a field links: the URLs that the page links to
	Meta  bool // a field meta: what the page says about itself
	Text  bool // a field text: the page as one reads it
	Body  bool // a field body: the page as it is

	Follow  bool          // Page.Links are wanted
	Agent   string        // the crawler that robots meta elements may name, in lower case
	Timeout time.Duration // for a page; 0 is DefaultTimeout
	Memory  int           // bytes of all trees that there are at once, a quarter of it for what a page yields; 0 is DefaultMemory
}

// Extractor takes from pages what its Config wants. It may be used by several
// goroutines at once.
type Extractor struct {
	cfg       Config
	turns     chan struct{} // held by those at work: no more than there are processors
	memory    *memory
	wantLinks bool
	wantText  bool
	streams   bool        // no field needs the tree
	anyTag    bool        // the selectors look at the attributes of elements of any name,
	tags      []atom.Atom // or of these
}

// Check reports what cannot be taken from any page.
func (c *Config) Check() error {
	for _, s := range c.Select {
		if s.match == nil && c.Each == nil {
			return fmt.Errorf("select %s: the CSS selector is empty", s.Name)
		}
	}
	return nil
}

// New returns the Extractor for a Config that Check finds nothing wrong with.
func New(cfg Config) *Extractor {
	x := &Extractor{
		cfg:       cfg,
		turns:     make(chan struct{}, runtime.GOMAXPROCS(0)),
		wantLinks: cfg.Links || cfg.Follow,
		wantText:  cfg.Text || len(cfg.Regex) > 0,
		streams:   cfg.Each == nil,
	}
	if x.cfg.Timeout == 0 {
		x.cfg.Timeout = DefaultTimeout
	}
	if x.cfg.Memory == 0 {
		x.cfg.Memory = DefaultMemory
	}
	x.memory = newMemory(x.cfg.Memory)
	for _, s := range cfg.Select {
		if !s.streams {
			x.streams = false
		}
		if s.tag == 0 {
			x.anyTag = true
		} else {
			x.tags = append(x.tags, s.tag)
		}
	}
	return x
}

// Fields are the names of a row's fields.
func (c *Config) Fields() []string {
	var names []string
	add := func(wanted bool, name string) {
		if wanted {
			names = append(names, name)
		}
	}
	add(c.Each != nil, "item")
	for _, s := range c.Select {
		add(true, s.Name)
	}
	for _, r := range c.Regex {
		add(true, r.Name)
	}
	add(c.Links, "links")
	add(c.Meta, "meta")
	add(c.Text, "text")
	add(c.Body, "body")
	return names
}

// Source is a page as it was fetched.
type Source struct {
	Body        []byte // all of it, valid until Extract returns
	ContentType string // the header of that name
	Resolve     Resolver
}

// Resolver makes a reference found in a page absolute. It knows the page's
// URL; base is the page's <base href>, "" if there is none, and the same for
// all its links. It returns false for what is no URL.
type Resolver func(base, ref string) (url string, ok bool)

// Page is what was found in a page.
type Page struct {
	Title   record.Value
	Charset string            // the encoding of its text; "" if it is none
	Links   []Link            // if Config wants them
	Robots  robots.Directives // of its meta elements
	Rows    [][]record.Value  // the values of Fields: one row, or one for each element of Config.Each
	Err     error             // why the page is truncated, nil if it is not
}

// Link is where a page leads.
type Link struct {
	URL      string // absolute, http or https, without a fragment
	NoFollow bool   // the page asks crawlers not to go there
}
