package extract

import (
	"unicode"
	"unicode/utf8"
)

// folded is text in which every run of white space is one space, and none
// stands at the ends.
type folded struct {
	text  []byte
	space bool // one is to come before what follows
}

// add appends s as far as the limits allow.
func (f *folded) add(s []byte, lim *limits) {
	if !lim.spend(len(s)) {
		return
	}
	for len(s) > 0 {
		n := spaces(s)
		if n > 0 {
			f.space = true
			s = s[n:]
			continue
		}
		n = wordLen(s)
		if f.space && len(f.text) > 0 {
			f.text = append(f.text, ' ')
		}
		f.space = false
		f.text = append(f.text, s[:n]...)
		s = s[n:]
	}
}

// asciiSpace are the ASCII characters that unicode.IsSpace knows.
var asciiSpace = [utf8.RuneSelf]bool{'\t': true, '\n': true, '\v': true, '\f': true, '\r': true, ' ': true}

// spaces is how many bytes of white space s begins with.
func spaces(s []byte) int {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if !asciiSpace[c] {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		if !unicode.IsSpace(r) {
			return i
		}
		i += n
	}
	return len(s)
}

// wordLen is how many bytes come before the next white space.
func wordLen(s []byte) int {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if asciiSpace[c] {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		if unicode.IsSpace(r) {
			return i
		}
		i += n
	}
	return len(s)
}
