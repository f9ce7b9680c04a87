package sqltext

import (
	"bytes"
	"strings"
)

// Words are the first words of a statement, at most n of them, in upper case:
// those of "/*!50003 create definer = …" are CREATE and DEFINER. They end where
// something begins that is neither a word nor white space nor a comment; what
// stands in /*! … */ counts, since servers run it.
func Words(text []byte, n int) []string {
	words := make([]string, 0, n)
	for len(words) < n {
		text = skipToWord(text)
		end := 0
		for end < len(text) && isWord(text[end]) {
			end++
		}
		if end == 0 {
			break
		}
		words = append(words, strings.ToUpper(string(text[:end])))
		text = text[end:]
	}
	return words
}

// Verb is the first word of a statement, "" if it begins with none.
func Verb(text []byte) string {
	if words := Words(text, 1); len(words) > 0 {
		return words[0]
	}
	return ""
}

// skipToWord skips white space, comments, and what opens and closes those that
// servers run.
func skipToWord(text []byte) []byte {
	for {
		text = bytes.TrimLeft(text, " \t\r\n\f\v")
		switch {
		case isMacro(text):
			text = bytes.TrimLeft(text[bytes.IndexByte(text, '!')+1:], "0123456789")
		case bytes.HasPrefix(text, []byte("*/")):
			text = text[2:]
		case bytes.HasPrefix(text, []byte("/*")):
			_, text, _ = bytes.Cut(text[2:], []byte("*/"))
		case bytes.HasPrefix(text, []byte("--")), bytes.HasPrefix(text, []byte("#")):
			_, text, _ = bytes.Cut(text, []byte("\n"))
		default:
			return text
		}
	}
}
