package record

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Encoding is how binary values become text.
type Encoding uint8

// The encodings.
const (
	Base64 Encoding = iota
	Hex             // 0x and two digits a byte, as mysql --binary-as-hex prints
	Raw             // the bytes themselves; not in JSON
)

var encodingNames = []string{Base64: "base64", Hex: "hex", Raw: "raw"}

func (e Encoding) String() string { return encodingNames[e] }

// ParseEncoding returns the encoding called name.
func ParseEncoding(name string) (Encoding, error) {
	if i := slices.Index(encodingNames, name); i >= 0 {
		return Encoding(i), nil
	}
	return Base64, fmt.Errorf("unknown binary encoding %q: it is one of %s", name, strings.Join(encodingNames, ", "))
}

// appendText appends b in its text form, which is ASCII except with Raw.
func (e Encoding) appendText(dst, b []byte) []byte {
	switch e {
	case Hex:
		return hex.AppendEncode(append(dst, "0x"...), b)
	case Raw:
		return append(dst, b...)
	}
	return base64.StdEncoding.AppendEncode(dst, b)
}
