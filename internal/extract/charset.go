package extract

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/wlynxg/chardet"
	"golang.org/x/net/html/atom"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// decode returns a text in UTF-8, and the name of the encoding that it had: by
// the byte order mark, the Content-Type header, the declaration that markup may
// have or, without these, by its bytes.
func decode(body []byte, contentType string, markup bool) (text []byte, name string) {
	e, name := encodingOf(body, contentType, markup)
	if name == "utf-8" {
		body = bytes.TrimPrefix(body, []byte("\ufeff"))
		if utf8.Valid(body) {
			return body, name
		}
		e = unicode.UTF8
	}
	text, _ = e.NewDecoder().Bytes(body) // what is no character becomes U+FFFD, not an error
	return bytes.ToValidUTF8(bytes.TrimPrefix(text, []byte("\ufeff")), []byte("\ufffd")), name
}

func encodingOf(body []byte, contentType string, markup bool) (encoding.Encoding, string) {
	name := ""
	switch {
	case bytes.HasPrefix(body, []byte("\ufeff")):
		name = "utf-8"
	case bytes.HasPrefix(body, []byte{0xfe, 0xff}):
		name = "utf-16be"
	case bytes.HasPrefix(body, []byte{0xff, 0xfe}):
		name = "utf-16le"
	default:
		name = param(contentType)
	}
	if e, name := lookup(name); e != nil {
		return e, name
	}
	if !markup {
		return guess(body)
	}
	if e, name := lookup(declared(body)); e != nil {
		if strings.HasPrefix(name, "utf-16") { // it could not have been read
			name = "utf-8"
		}
		return e, name
	}
	return guess(body)
}

// lookup is the encoding that browsers know by a name, and how they call it.
func lookup(label string) (encoding.Encoding, string) {
	e, err := htmlindex.Get(label)
	if err != nil {
		return nil, ""
	}
	name, err := htmlindex.Name(e)
	if err != nil {
		return nil, ""
	}
	return e, name
}

// charsetParam is where a media type names the encoding, even if the rest of
// it is malformed.
var charsetParam = regexp.MustCompile(`(?i)charset\s*=\s*["']?\s*([^\s"';]+)`)

func param(mediaType string) string {
	if m := charsetParam.FindStringSubmatch(mediaType); m != nil {
		return m[1]
	}
	return ""
}

// xmlDeclaration is the beginning of a page that names its encoding there.
var xmlDeclaration = regexp.MustCompile(`^<\?xml[^>]*\sencoding\s*=\s*["']([^"'>]*)["']`)

// declared is the encoding that the page itself names, "" if it does not. The
// declaration should be among the first 1024 bytes, but is not always.
func declared(body []byte) string {
	if m := xmlDeclaration.FindSubmatch(body[:min(len(body), 1024)]); m != nil {
		return string(m[1])
	}
	s := scanner{src: body}
	for {
		switch s.next() {
		case endOfPage:
			return ""
		case startTag:
			switch atom.Lookup(lower(s.name)) {
			case atom.Meta:
				if name := s.metaCharset(); name != "" {
					return name
				}
			case atom.Body:
				return ""
			}
		}
	}
}

// metaCharset is the encoding that the meta tag names, which next has found.
func (s *scanner) metaCharset() string {
	content, pragma := "", false
	for _, a := range s.attributes(nil) {
		switch a.Key {
		case "charset":
			return strings.TrimSpace(a.Val)
		case "content":
			content = param(a.Val)
		case "http-equiv":
			pragma = strings.EqualFold(strings.TrimSpace(a.Val), "content-type")
		}
	}
	if pragma {
		return content
	}
	return ""
}

// guess finds the encoding of an undeclared text by its bytes. Text that is
// valid UTF-8 throughout is never anything else, unless it has the escapes of
// ISO-2022-JP.
func guess(body []byte) (encoding.Encoding, string) {
	if utf8.Valid(body) && !bytes.Contains(body, []byte("\x1b$")) {
		return unicode.UTF8, "utf-8"
	}
	text := sample(body)
	label := chardet.Detect(text).Charset
	if other, ok := otherNames[label]; ok {
		label = other
	}
	e, name := lookup(label)
	_, single := e.(*charmap.Charmap)
	switch {
	case name == "x-mac-cyrillic" && !macCapitals(text):
		return charmap.Windows1251, "windows-1251"
	case e == nil, name == "utf-8", single && count(text, 0x80, 0xff) < enough:
		return charmap.Windows1252, "windows-1252"
	}
	return e, name
}

// enough is how many bytes beyond ASCII tell encodings of one byte a character
// apart: with fewer, the most frequent one is the best guess.
const enough = 12

// otherNames are the encodings that browsers know as a part of another one.
var otherNames = map[string]string{"TIS-620": "windows-874", "CP949": "euc-kr", "CP932": "shift_jis", "GB2312": "gb18030"}

// macCapitals reports whether the capitals of a Cyrillic text are where the
// Macintosh has them. All other letters but one are where Windows has them,
// too, which is far more frequent.
func macCapitals(text []byte) bool { return count(text, 0x80, 0x9f) > count(text, 0xc0, 0xde) }

// count is how many bytes of text are in a range.
func count(text []byte, from, to byte) (n int) {
	for _, c := range text {
		if from <= c && c <= to {
			n++
		}
	}
	return n
}

// sampleSize is how much text is enough to tell encodings apart.
const sampleSize = 8 << 10

// sample is some of a page's text, without its tags: those pieces of it that
// are not ASCII.
func sample(body []byte) []byte {
	var text []byte
	s := scanner{src: body}
	for len(text) < sampleSize {
		switch s.next() {
		case endOfPage:
			return text
		case textToken:
			if !isASCII(s.text) {
				text = append(append(text, s.text[:min(len(s.text), sampleSize)]...), '\n')
			}
		}
	}
	return text
}

func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf || c == 0x1b {
			return false
		}
	}
	return true
}
