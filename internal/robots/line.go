package robots

import (
	"bytes"
	"iter"
	"strings"
)

// maxLine is where Google's parser cuts a line: eight times the longest URL
// that browsers of its time took.
const maxLine = 2083*8 - 1

// lines yields the lines of a file, however they are ended. Empty ones mean
// nothing in robots.txt, so CRLF needs no care.
func lines(file []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(file) > 0 {
			end := bytes.IndexAny(file, "\r\n")
			line, rest := file, []byte(nil)
			if end >= 0 {
				line, rest = file[:end], file[end+1:]
			}
			if !yield(line[:min(len(line), maxLine)]) {
				return
			}
			file = rest
		}
	}
}

// skipBOM drops a UTF-8 byte order mark, even half of one.
func skipBOM(file []byte) []byte {
	const bom = "\xef\xbb\xbf"
	for i := 0; i < len(bom) && len(file) > 0 && file[0] == bom[i]; i++ {
		file = file[1:]
	}
	return file
}

// blank is what counts as white space at the ends of keys and values.
const blank = " \t\v\f"

// splitLine takes a line apart. A line of two words does not need its colon.
func splitLine(line []byte) (key, value string, ok bool) {
	if end := bytes.IndexAny(line, "#\x00"); end >= 0 { // text behind a NUL is as good as a comment
		line = line[:end]
	}
	text := strings.Trim(string(line), blank)
	separator := strings.IndexByte(text, ':')
	if separator < 0 {
		separator = strings.IndexAny(text, " \t")
		if separator < 0 || strings.ContainsAny(strings.TrimLeft(text[separator:], " \t"), " \t") {
			return "", "", false
		}
	}
	key = strings.TrimRight(text[:separator], blank)
	return key, strings.Trim(text[separator+1:], blank), key != ""
}

type keyType uint8

const (
	unknownKey keyType = iota
	agentKey
	allowKey
	disallowKey
	sitemapKey
	delayKey
)

// keys are what a key may begin with, in lower case, the frequent misspellings
// among them; the first that fits counts.
var keys = []struct {
	prefix string
	key    keyType
}{
	{"user-agent", agentKey}, {"useragent", agentKey}, {"user agent", agentKey},
	{"allow", allowKey},
	{"disallow", disallowKey}, {"dissallow", disallowKey}, {"dissalow", disallowKey},
	{"disalow", disallowKey}, {"diasllow", disallowKey}, {"disallaw", disallowKey},
	{"sitemap", sitemapKey}, {"site-map", sitemapKey},
	{"crawl-delay", delayKey},
}

func keyOf(key string) keyType {
	for _, k := range keys {
		if len(key) >= len(k.prefix) && strings.EqualFold(key[:len(k.prefix)], k.prefix) {
			return k.key
		}
	}
	return unknownKey
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isSpace(c byte) bool { return strings.IndexByte(blank, c) >= 0 }
