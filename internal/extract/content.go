package extract

import (
	"bytes"
	"mime"
	"net/http"
	"strings"
)

// content is how a page is read.
type content uint8

const (
	binary content = iota // not at all
	plain
	markupXML
	markupHTML
)

// contentOf decides how to read a body: as it is declared, or, if it is not,
// by its first bytes; but what is plainly no text is never read.
func contentOf(body []byte, declared string) content {
	looks := http.DetectContentType(body)
	if declared == "" {
		declared = looks
	}
	media, params, err := mime.ParseMediaType(declared)
	if err != nil { // wrong parameters of a type that can be read all the same
		media, _, _ = strings.Cut(declared, ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	wide := strings.HasPrefix(strings.ToLower(params["charset"]), "utf-16")
	switch {
	case strings.HasPrefix(looks, "text/"), wide:
	case looks == "application/octet-stream" && bytes.IndexByte(body, 0) < 0: // some control character
	default:
		return binary
	}
	switch {
	case media == "text/html", media == "application/xhtml+xml":
		return markupHTML
	case media == "text/xml", media == "application/xml", strings.HasSuffix(media, "+xml"):
		return markupXML
	case strings.HasPrefix(media, "text/"), strings.HasSuffix(media, "+json"):
		return plain
	}
	switch media {
	case "application/json", "application/javascript", "application/x-ndjson", "application/yaml", "application/toml", "application/sql":
		return plain
	}
	return binary
}
