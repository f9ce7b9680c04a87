package codepage

import (
	"strings"
	"testing"

	"pipeworks/internal/charset"
)

func TestLookup(t *testing.T) {
	for _, name := range []string{"latin1", "Windows-1252", "cp850", "CP932", "utf-16le", "utf8mb4", "koi8-r"} {
		if c, err := Lookup(name); err != nil || c.IsZero() || c.String() != name {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	for _, name := range []string{"utf-16", "UTF16"} {
		if c, err := Lookup(name); err != nil || c.String() != charset.UTF16.String() {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

func TestLookupErrors(t *testing.T) {
	for _, name := range []string{"", "x", "latin 1", "iso-2022-kr", "hz-gb-2312", "replacement"} {
		if _, err := Lookup(name); err == nil || !strings.HasPrefix(err.Error(), "unknown encoding ") {
			t.Errorf("%q: got %v", name, err)
		}
	}
}
