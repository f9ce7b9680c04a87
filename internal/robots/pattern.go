package robots

import "strings"

// pattern is the value of a rule: the beginning of a path, in which "*" stands
// for any text, and a "$" at the end for the end of the path.
type pattern string

// matches looks for the texts between the stars one behind the other, each at
// its first place: no later place could help the next one. So no pattern takes
// more than one pass over the path.
func (p pattern) matches(path string) bool {
	text, anchored := strings.CutSuffix(string(p), "$")
	part, rest, more := strings.Cut(text, "*")
	if !strings.HasPrefix(path, part) {
		return false
	}
	path = path[len(part):]
	for more {
		part, rest, more = strings.Cut(rest, "*")
		if !more && anchored {
			return strings.HasSuffix(path, part)
		}
		i := strings.Index(path, part)
		if i < 0 {
			return false
		}
		path = path[i+len(part):]
	}
	return !anchored || path == ""
}

// pathOf is the part of a URL that rules are about: path and query. It takes
// URLs without a scheme too, and always begins with a slash.
func pathOf(url string) string {
	url = strings.TrimPrefix(url, "//")
	url, _, _ = strings.Cut(url, "#")
	if scheme := strings.Index(url, "://"); scheme >= 0 && !strings.ContainsAny(url[:scheme], "/?;") {
		url = url[scheme+len("://"):]
	}
	start := strings.IndexAny(url, "/?;")
	if start < 0 {
		return "/"
	}
	if url[start] != '/' {
		return "/" + url[start:]
	}
	return url[start:]
}
