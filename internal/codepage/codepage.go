// Package codepage knows character encodings by their names. It is apart from
// package charset since it links the tables of all of them.
package codepage

import (
	"fmt"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"

	"pipeworks/internal/charset"
)

// others are the names that Windows, MySQL and Python have for encodings and
// the registries lack.
var others = map[string]string{
	"cp874": "windows-874", "cp932": "windows-31j", "cp949": "euc-kr", "cp950": "big5",
	"utf8mb4": "utf-8", "utf16": "utf-16", "utf16le": "utf-16le", "utf16be": "utf-16be",
	"ujis": "euc-jp", "euckr": "euc-kr", "koi8r": "koi8-r", "koi8u": "koi8-u",
}

// Lookup returns the encoding called name in the Encoding Standard of the
// WHATWG, where latin1 is windows-1252, or in IANA's registry, in any case.
// "utf-16" obeys the byte order mark and is little-endian without.
func Lookup(name string) (charset.Charset, error) {
	known := strings.ToLower(name)
	if n, ok := others[known]; ok {
		known = n
	}
	if known == charset.UTF16.String() {
		return charset.UTF16, nil
	}
	e, err := htmlindex.Get(known)
	if err != nil {
		e, err = ianaindex.IANA.Encoding(known)
	}
	if err != nil || e == nil || e == encoding.Replacement {
		return charset.Charset{}, fmt.Errorf("unknown encoding %q: the names are those of the WHATWG and IANA, such as latin1, utf-16, gbk, shift_jis", name)
	}
	return charset.New(name, e), nil
}
