package crawl

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/publicsuffix"

	"pipeworks/internal/extract"
)

// Bounds of what is followed: behind them a site makes up its pages.
const (
	maxLink     = 2048 // bytes of a URL
	maxSegments = 32   // of its path
	maxSame     = 4    // of these, the same
	maxQueries  = 1000 // of one path
)

// Scope says how far from its input's URL a link may lead.
type Scope uint8

// The scopes. The input's URL is that behind its redirects.
const (
	ScopeHost   Scope = iota // the same host
	ScopeDomain              // the same domain, as its owner registered it
	ScopePrefix              // below the directory of the URL
	ScopeAny
)

var scopeNames = []string{"host", "domain", "prefix", "any"}

func (s Scope) String() string { return scopeNames[s] }

// ParseScope returns the scope of that name.
func ParseScope(name string) (Scope, error) {
	i := slices.Index(scopeNames, name)
	if i < 0 {
		return 0, fmt.Errorf("unknown scope %q: it is one of %s", name, strings.Join(scopeNames, ", "))
	}
	return Scope(i), nil
}

// Follow says which links are followed. The zero value follows none.
type Follow struct {
	Depth      int // links between the input's page and the last one; 0: none is followed
	Scope      Scope
	Include    []*regexp.Regexp // of which one must match the URL; none: all do
	Exclude    []*regexp.Regexp // of which none may
	MaxPages   int              // pages in all, beside those of the input; 0: no limit
	MaxPerHost int              // of one host
	Sitemap    bool             // the pages in the sitemaps of the input's origins, too
}

// active reports whether any page is fetched that is not of the input.
func (f *Follow) active() bool { return f.Depth > 0 || f.Sitemap }

// matches reports whether the user wants a URL.
func (f *Follow) matches(url string) bool {
	match := func(re *regexp.Regexp) bool { return re.MatchString(url) }
	return (len(f.Include) == 0 || slices.ContainsFunc(f.Include, match)) && !slices.ContainsFunc(f.Exclude, match)
}

// inScope reports whether a normalised URL is as near to base as it must be.
func (s Scope) inScope(base *address, url string) bool {
	switch s {
	case ScopeHost:
		return hostOf(url) == base.host
	case ScopeDomain:
		host := hostOf(url)
		return host == base.host || domainOf(host) == domainOf(base.host)
	case ScopePrefix:
		path, _, _ := strings.Cut(base.href, "?")
		return strings.HasPrefix(url, path[:strings.LastIndexByte(path, '/')+1])
	}
	return true
}

// hostOf is the host of a normalised URL.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if port := strings.LastIndexByte(rest, ':'); port > strings.LastIndexByte(rest, ']') {
		rest = rest[:port]
	}
	return strings.TrimSuffix(rest, ".")
}

// domainOf is what of a host was registered; a host that cannot be registered,
// such as an address, stands for itself.
func domainOf(host string) string {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return host
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return host
	}
	return domain
}

// trap reports whether the URL looks like one of those that have no end.
func trap(url string) bool {
	path, _, _ := strings.Cut(url, "?")
	segments := strings.Split(path, "/")
	if len(url) > maxLink || len(segments) > maxSegments+3 {
		return true
	}
	for i, s := range segments {
		same := 0
		for _, other := range segments[i:] {
			if other == s && s != "" {
				same++
			}
		}
		if same >= maxSame {
			return true
		}
	}
	return false
}

// visited is what the run knows of the URLs that it came to.
type visited struct {
	mu      sync.Mutex
	urls    table // each with its first input
	queries table // paths, each with the number of its queries
	hosts   table // each with the number of its followed pages
	pages   int   // followed
	skipped int64 // links that looked like traps
}

func (v *visited) close() {
	v.urls.close()
	v.queries.close()
	v.hosts.close()
}

// claim notes a URL for an input. It returns the input that had it before, 0 if
// there is none.
func (v *visited) claim(url string, seq int64) (first uint32, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := hash(url)
	if first, ok := v.urls.get(key); ok {
		return first, nil
	}
	return 0, v.urls.put(key, number(seq))
}

// number is a sequence number as a table has it: they are never 0.
func number(seq int64) uint32 { return uint32(min(seq, math.MaxUint32)) }

func (v *visited) has(url string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, ok := v.urls.get(hash(url))
	return ok
}

// claimLink is claim for a link, which may be one too many. It reports whether
// the link is to be followed.
func (v *visited) claimLink(to *address, seq int64, f *Follow) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := hash(to.href)
	if _, ok := v.urls.get(key); ok || f.MaxPages > 0 && v.pages >= f.MaxPages {
		return false, nil
	}
	if trap(to.href) {
		v.skipped++
		return false, nil
	}
	if f.MaxPerHost > 0 {
		if ok, err := v.hosts.count(hash(to.host), f.MaxPerHost); !ok {
			return false, err
		}
	}
	if path, _, query := strings.Cut(to.href, "?"); query {
		ok, err := v.queries.count(hash(path), maxQueries)
		if err == nil && !ok {
			v.skipped++
		}
		if !ok {
			return false, err
		}
	}
	v.pages++
	return true, v.urls.put(key, number(seq))
}

// count adds one to the number of a key. It returns false if that is beyond
// most.
func (t *table) count(key uint64, most int) (bool, error) {
	n, _ := t.get(key)
	if int(n) >= most {
		return false, nil
	}
	return true, t.put(key, n+1)
}

// follow gives what an answer leads to to the frontier: the links in its page
// and, of the input's own page, the sitemaps of its origin.
func (c *crawler) follow(t *task, a *answer, links []extract.Link) error {
	if !c.cfg.Follow.active() || t.sitemap {
		return nil
	}
	if t.depth == 0 && t.to != nil {
		t.base = t.to
		if c.cfg.Follow.Sitemap {
			if err := c.sitemaps(t, a); err != nil {
				return err
			}
		}
	}
	if a.err != nil || t.depth >= c.cfg.Follow.Depth {
		return nil
	}
	return c.followLinks(t, a, links)
}

func (c *crawler) followLinks(t *task, a *answer, links []extract.Link) error {
	var tasks []*task
	for _, link := range links {
		if c.visited.has(link.URL) || !c.wanted(t.input, link.URL) {
			continue
		}
		to, err := resolve("", link.URL)
		if err != nil {
			continue
		}
		ok, err := c.visited.claimLink(to, t.seq, &c.cfg.Follow)
		if err != nil {
			return err
		}
		if ok {
			tasks = append(tasks, c.child(t, a, to))
		}
	}
	c.frontier.follow(tasks)
	return nil
}

// wanted reports whether a link of an input is to be followed, as far as its
// URL tells.
func (c *crawler) wanted(in *input, url string) bool {
	return c.cfg.Follow.Scope.inScope(in.base, url) && c.cfg.Follow.matches(url)
}

// child is the task of a link in the answer to another one.
func (c *crawler) child(t *task, a *answer, to *address) *task {
	if to.origin == t.to.origin && to.login == nil {
		to.login = t.to.login
	}
	child := &task{input: t.input, to: to, reach: t.reach, depth: t.depth + 1, parent: t.to.href}
	if t.sitemap {
		child.depth = t.depth // it is no page
	}
	if a.public && !c.cfg.AllowPrivateRedirects {
		child.reach = publicOnly
	}
	return child
}
