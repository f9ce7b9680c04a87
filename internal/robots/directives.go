package robots

import "strings"

// Directives are what a page says to crawlers about itself, in its robots meta
// elements and X-Robots-Tag headers. Several of them add up.
type Directives struct {
	NoIndex  bool // the page is not to be shown to anybody
	NoFollow bool // its links are not to be followed
}

// Add reads the content of a robots meta element: "noindex, nofollow".
func (d *Directives) Add(content string) {
	for word := range strings.SplitSeq(content, ",") {
		switch strings.ToLower(strings.TrimSpace(word)) {
		case "noindex":
			d.NoIndex = true
		case "nofollow":
			d.NoFollow = true
		case "none":
			d.NoIndex, d.NoFollow = true, true
		}
	}
}

// AddHeader reads the value of an X-Robots-Tag header, which may name in front
// of its directives the crawler that they are for: "examplebot: noindex".
func (d *Directives) AddHeader(value, agent string) {
	if name, rest, ok := strings.Cut(value, ":"); ok && isToken(name) {
		if !strings.EqualFold(strings.TrimSpace(name), agent) {
			return
		}
		value = rest
	}
	d.Add(value)
}

// isToken reports whether what stands in front of a colon is a crawler's name:
// other directives have a colon, too.
func isToken(name string) bool {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "max-snippet", "max-image-preview", "max-video-preview", "unavailable_after":
		return false
	}
	return !strings.ContainsRune(name, ',')
}
