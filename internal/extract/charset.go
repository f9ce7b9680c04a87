package extract

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding/unicode"
)

// decode returns a text in UTF-8, and the name of the encoding that it had: by
// the byte order mark, the Content-Type header, the page's own declaration or,
// without these, by its bytes.
func decode(body []byte, contentType string) (text []byte, name string) {
	encoding, name, certain := charset.DetermineEncoding(body, contentType)
	if name == "utf-8" || !certain && name == "windows-1252" && utf8.Valid(body) {
		body = bytes.TrimPrefix(body, []byte("\ufeff"))
		if utf8.Valid(body) {
			return body, "utf-8"
		}
		encoding, name = unicode.UTF8, "utf-8"
	}
	text, _ = encoding.NewDecoder().Bytes(body)
	return bytes.ToValidUTF8(text, []byte("\ufffd")), name
}
