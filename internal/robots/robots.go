// Package robots decides whether a robots.txt file lets a crawler fetch a URL.
//
// The decisions are those of RFC 9309, and where files in the wild depart from
// it, those of Google's published parser, which such files are written
// against: forgotten colons, misspelt keys, stray byte order marks, text
// behind the agent's name, "index.html" standing for its directory.
package robots

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// MaxSize is how much of a robots.txt file counts: RFC 9309, section 2.5,
// wants at least 500 KiB read, and a crawler may ignore the rest. Cutting the
// file there is the caller's part.
const MaxSize = 500 << 10

// Rules are what one robots.txt file says to one crawler. The zero value
// allows everything.
type Rules struct {
	// CrawlDelay is the time between two requests that the site asks for,
	// 0 if it does not.
	CrawlDelay time.Duration
	// Sitemaps are the URLs of the Sitemap lines, which address every crawler.
	Sitemaps []string

	rules []rule
}

// rule is one Allow or Disallow line.
type rule struct {
	allow   bool
	pattern pattern
}

// group collects the rules of all groups that address one agent: RFC 9309,
// section 2.2.1, wants them merged.
type group struct {
	seen  bool // an agent line names it
	open  bool // the lines being read belong to it
	rules []rule
	delay time.Duration
}

// Parse reads a robots.txt file for the crawler whose product token is agent,
// such as "examplebot". Any bytes are a valid file.
func Parse(file []byte, agent string) *Rules {
	p := parser{agent: agent}
	for line := range lines(skipBOM(file)) {
		p.line(line)
	}
	named := &p.named
	if !named.seen {
		named = &p.everyone
	}
	return &Rules{CrawlDelay: named.delay, Sitemaps: p.sitemaps, rules: named.rules}
}

// Allowed reports whether the crawler may fetch url, which is compared as it
// is: see Escape. The longest rule that matches decides, and of two equally
// long ones that which allows.
func (r *Rules) Allowed(url string) bool {
	path := pathOf(url)
	allow, disallow := 0, 0
	for _, rule := range r.rules {
		longest := &disallow
		if rule.allow {
			longest = &allow
		}
		if n := rule.priority(path); n > *longest {
			*longest = n
		}
	}
	return allow >= disallow
}

// priority is the length of the rule if it matches, else 0. An empty rule
// matches everything and decides nothing.
func (r rule) priority(path string) int {
	if r.pattern.matches(path) {
		return len(r.pattern)
	}
	if !r.allow {
		return 0
	}
	if i := strings.LastIndexByte(string(r.pattern), '/'); i >= 0 && strings.HasPrefix(string(r.pattern[i:]), "/index.htm") {
		if directory := r.pattern[:i+1] + "$"; directory.matches(path) {
			return len(directory)
		}
	}
	return 0
}

// ProductToken is the part of a User-Agent header that robots.txt files name:
// its leading letters, hyphens and underscores (RFC 9309, section 2.2.1).
func ProductToken(userAgent string) string {
	i := 0
	for i < len(userAgent) && (isLetter(userAgent[i]) || userAgent[i] == '-' || userAgent[i] == '_') {
		i++
	}
	return userAgent[:i]
}

// parser holds what has been read of a file.
type parser struct {
	agent    string
	named    group // the groups that name the agent
	everyone group // the groups of "*"
	inRules  bool  // a rule came behind the agent lines: the next agent line begins a group
	sitemaps []string
}

func (p *parser) line(line []byte) {
	key, value, ok := splitLine(line)
	if !ok {
		return
	}
	switch keyOf(key) {
	case agentKey:
		p.agentLine(value)
	case allowKey:
		p.addRule(true, value)
	case disallowKey:
		p.addRule(false, value)
	case delayKey:
		p.addDelay(value)
	case sitemapKey:
		p.sitemaps = append(p.sitemaps, value)
	}
}

func (p *parser) agentLine(value string) {
	if p.inRules {
		p.named.open, p.everyone.open, p.inRules = false, false, false
	}
	if value == "*" || len(value) > 1 && value[0] == '*' && isSpace(value[1]) {
		p.everyone.seen, p.everyone.open = true, true
	} else if strings.EqualFold(ProductToken(value), p.agent) {
		p.named.seen, p.named.open = true, true
	}
}

func (p *parser) addRule(allow bool, value string) {
	g := p.group()
	if g == nil {
		return
	}
	p.inRules = true
	if value != "" {
		g.rules = append(g.rules, rule{allow, pattern(Escape(value))})
	}
}

// addDelay keeps the longest delay asked for. It does not end the agent lines
// of a group: only the keys of RFC 9309 do.
func (p *parser) addDelay(value string) {
	seconds, err := strconv.ParseFloat(value, 64)
	if g := p.group(); g != nil && err == nil && seconds > 0 {
		seconds = min(seconds, (24 * time.Hour).Seconds()) // "inf" parses too
		g.delay = max(g.delay, time.Duration(seconds*float64(time.Second)))
	}
}

// group is the one that a line belongs to, nil if it is none of ours.
func (p *parser) group() *group {
	switch {
	case p.named.open:
		return &p.named
	case p.everyone.open:
		return &p.everyone
	}
	return nil
}

// Escape brings a URL or a rule into the form in which they are compared:
// bytes outside ASCII percent-encoded, and percent-encodings in upper case.
func Escape(s string) string {
	const upperHex = "0123456789ABCDEF"
	if strings.IndexFunc(s, func(r rune) bool { return r == '%' || r >= 0x80 }) < 0 {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = append(b, '%')
			b = append(b, bytes.ToUpper([]byte(s[i+1:i+3]))...)
			i += 2
		case c >= 0x80:
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		default:
			b = append(b, c)
		}
	}
	return string(b)
}
