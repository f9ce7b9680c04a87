package extract

import (
	"bytes"
	"strings"
)

// rawText returns the name of an element whose content is text without tags,
// in lower case, "" for every other one.
func rawText(name []byte) string {
	switch name[0] | 0x20 {
	case 'i', 'n', 'p', 's', 't', 'x':
		for _, raw := range [...]string{"iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp"} {
			if len(name) == len(raw) && strings.EqualFold(string(name), raw) {
				return raw
			}
		}
	}
	return ""
}

// rawEnd is where the text of the raw element ends: its end tag, or the end of
// the page.
func (s *scanner) rawEnd() int {
	switch s.raw {
	case "plaintext":
		return len(s.src)
	case "script":
		return s.scriptEnd()
	}
	for at := s.pos; ; at += 2 {
		i := bytes.Index(s.src[at:], []byte("</"))
		if i < 0 {
			return len(s.src)
		}
		if at += i; s.isEndTag(at, s.raw) {
			return at
		}
	}
}

// isEndTag reports whether the </ at a place begins the end tag of an element.
func (s *scanner) isEndTag(at int, name string) bool { return hasTagName(s.src[at+2:], name) }

// hasTagName reports whether src begins with the name of a tag.
func hasTagName(src []byte, name string) bool {
	if len(src) <= len(name) || !strings.EqualFold(string(src[:len(name)]), name) {
		return false
	}
	c := src[len(name)]
	return isSpace(c) || c == '/' || c == '>'
}

// scriptEnd is rawEnd for scripts, where "<!--" begins a part in which
// "<script" hides the next end tag.
func (s *scanner) scriptEnd() int {
	const script = "script"
	escaped, double := false, false
	dashes := 0
	for at := s.pos; at < len(s.src); {
		rest := s.src[at:]
		if !escaped {
			i := bytes.IndexByte(rest, '<')
			if i < 0 {
				break
			}
			at += i
			switch rest = rest[i:]; {
			case bytes.HasPrefix(rest, []byte("</")):
				if s.isEndTag(at, script) {
					return at
				}
				at += 2
			case bytes.HasPrefix(rest, []byte("<!--")):
				escaped, double, dashes = true, false, 2
				at += 4
			default:
				at++
			}
			continue
		}
		switch c := rest[0]; {
		case c == '-':
			dashes++
			at++
			continue
		case c == '>' && dashes >= 2:
			escaped = false
			at++
		case c == '<' && bytes.HasPrefix(rest, []byte("</")):
			switch ends := s.isEndTag(at, script); {
			case ends && !double:
				return at
			case ends:
				double = false
				at += len("</script>")
			default:
				at += 2
			}
		case c == '<' && double:
			at++
		case c == '<' && len(rest) > 1 && isLetter(rest[1]):
			if double = hasTagName(rest[1:], script); double {
				at += len("<script>")
			} else {
				at++
			}
		case c == '<': // the tokenizer takes it for the end of the hidden part
			escaped = false
			at++
		default:
			at++
		}
		dashes = 0
	}
	return len(s.src)
}
