package record

import (
	"bytes"
	"unicode/utf8"
)

// AppendJSON appends v as a JSON value; binary values are base64 text.
func AppendJSON(dst []byte, v Value) []byte { return appendJSON(dst, v, Base64) }

func appendJSON(dst []byte, v Value, e Encoding) []byte {
	switch v.Kind {
	case Null:
		return append(dst, "null"...)
	case Number:
		// The databases know numbers that JSON does not: Inf, 007.
		if !IsNumber(v.Bytes) {
			return AppendJSONString(dst, v.Bytes)
		}
		return append(dst, v.Bytes...)
	case Bool:
		return append(dst, v.Bytes...)
	case JSON:
		return appendOneLine(dst, v.Bytes)
	case Binary:
		return append(e.appendText(append(dst, '"'), v.Bytes), '"')
	}
	return AppendJSONString(dst, v.Bytes)
}

// appendOneLine appends JSON text without its line ends, which can only stand
// between tokens.
func appendOneLine(dst, text []byte) []byte {
	if bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') < 0 {
		return append(dst, text...)
	}
	for _, c := range text {
		if c == '\n' || c == '\r' {
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// AppendJSONString appends s as a JSON string. Bytes that are not UTF-8
// become U+FFFD.
func AppendJSONString(dst []byte, s []byte) []byte {
	dst = append(dst, '"')
	if plain(s, '"', '\\') {
		return append(append(dst, s...), '"')
	}
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\ufffd"...)
			start = i + n
		}
		i += n
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(append(dst, `\u00`...), hexDigits[c>>4], hexDigits[c&15])
}
