package stream

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestUnpacked(t *testing.T) {
	for begin, want := range map[string]string{
		"":                       "",
		"BZ,PK\n":                "",
		"\x1f\x8b":               "",
		"\x1f\x8b\x08\x00":       "zcat",
		"\x28\xb5\x2f\xfd\x04":   "zstdcat",
		"\xfd7zXZ\x00\x00":       "xzcat",
		"BZh91AY&SY\x5f":         "bzcat",
		"PK\x03\x04\x14":         "unzip -p",
		"a\n\x1f\x8b\x08 behind": "",
	} {
		r, err := Unpacked(Stdin, strings.NewReader(begin))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		var hinted interface{ Hint() string }
		switch {
		case want == "" && (err != nil || string(text) != begin):
			t.Errorf("%q: read %q, %v", begin, text, err)
		case want != "" && (!errors.As(err, &hinted) || hinted.Hint() != "unpack it first: … | "+want+" | …"):
			t.Errorf("%q: %v", begin, err)
		}
	}
}
