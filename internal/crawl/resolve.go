package crawl

import (
	"strings"

	whatwg "github.com/nlnwa/whatwg-url/url"

	"pipeworks/internal/extract"
)

// resolver resolves the links of the page at a.
func (a *address) resolver() extract.Resolver {
	var base *linkBase // parsed once for all links
	return func(baseHref, ref string) (string, bool) {
		if base == nil {
			url, err := whatwg.ParseRef(a.href, baseHref)
			if err != nil {
				url, err = whatwg.Parse(a.href)
			}
			if err != nil {
				return "", false
			}
			base = newLinkBase(url)
		}
		return base.resolve(ref)
	}
}

// linkBase is what links are relative to.
type linkBase struct {
	url    *whatwg.Url
	origin string // scheme and host, with what else is before the path; "": neither http nor https
	dir    string // the path up to its last slash
}

func newLinkBase(url *whatwg.Url) *linkBase {
	b := &linkBase{url: url}
	if scheme := url.Scheme(); scheme == "http" || scheme == "https" {
		rest, _, _ := strings.Cut(url.Href(true), "?")
		path := len(scheme) + len("://")
		path += strings.IndexByte(rest[path:], '/')
		b.origin, b.dir = rest[:path], rest[path:strings.LastIndexByte(rest, '/')+1]
	}
	return b
}

// resolve makes a link absolute. Most links are plain paths or plain URLs, for
// which there is nothing to parse (the fuzz target compares).
func (b *linkBase) resolve(ref string) (string, bool) {
	if isPlainURL(ref) {
		return ref, true
	}
	if b.origin != "" && isPlainPath(ref) {
		if ref[0] == '/' {
			return b.origin + ref, true
		}
		dir := b.dir
		for strings.HasPrefix(ref, "../") {
			ref = ref[len("../"):]
			if dir != "/" {
				dir = dir[:strings.LastIndexByte(dir[:len(dir)-1], '/')+1]
			}
		}
		return b.origin + dir + ref, true
	}
	url, err := b.url.Parse(ref)
	if err != nil {
		return "", false
	}
	return url.Href(false), true
}

// isPlainPath reports whether a link is a path that stays as it is, but for
// leading "../", and perhaps a fragment of plain characters.
func isPlainPath(ref string) bool {
	for strings.HasPrefix(ref, "../") {
		ref = ref[len("../"):]
	}
	path, _, _ := strings.Cut(ref, "#")
	if path == "" || strings.HasPrefix(path, "//") {
		return false
	}
	for i := range len(ref) {
		switch c := ref[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '~':
		case c == '.':
			if i == 0 || ref[i-1] == '/' { // of its segment it may be all
				return false
			}
		case c == '/' && i < len(path), c == '#' && i == len(path):
		default:
			return false
		}
	}
	return true
}

// isPlainURL reports whether a link is a URL that stays as it is: it has a name
// in small letters for a host, no port, and a plain path.
func isPlainURL(ref string) bool {
	rest, ok := strings.CutPrefix(ref, "https://")
	if !ok {
		if rest, ok = strings.CutPrefix(ref, "http://"); !ok {
			return false
		}
	}
	label, digits, dots := 0, false, 0 // the length of the label in hand, and what may make it a number
	for i := range len(rest) {
		switch c := rest[i]; {
		case 'a' <= c && c <= 'z':
			label++
		case '0' <= c && c <= '9':
			label++
			digits = true
		case c == '.' && label > 0:
			label, digits = 0, false
			dots++
		case c == '/' && label > 0 && dots > 0 && !digits:
			return rest[i:] == "/" || isPlainPath(rest[i:])
		default:
			return false
		}
	}
	return false
}
