package record

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// Encoding is how binary values become text.
type Encoding uint8

// The encodings.
const (
	Base64 Encoding = iota
	Hex             // 0x and two digits a byte, as mysql --binary-as-hex prints
	Raw             // the bytes themselves; not in JSON
)

// ParseEncoding returns the encoding called name.
func ParseEncoding(name string) (Encoding, error) {
	switch name {
	case "base64":
		return Base64, nil
	case "hex":
		return Hex, nil
	case "raw":
		return Raw, nil
	}
	return Base64, fmt.Errorf("unknown binary encoding %q: it is one of base64, hex, raw", name)
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
