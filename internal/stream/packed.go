package stream

import (
	"bytes"
	"io"
)

// packings are known by their first bytes, which no text begins with.
var packings = []struct{ magic, name, unpack string }{
	{"\x1f\x8b\x08", "gzip", "zcat"},
	{"\x28\xb5\x2f\xfd", "zstd", "zstdcat"},
	{"\xfd7zXZ\x00", "xz", "xzcat"},
	{"BZh91AY&SY", "bzip2", "bzcat"},
	{"PK\x03\x04", "zip", "unzip -p"}, // a spreadsheet, too
}

// Unpacked reads r, which messages call name, and refuses what is compressed:
// it would be taken for one long, broken line.
func Unpacked(name string, r io.Reader) (io.Reader, error) {
	return &unpacked{name: name, r: r}, nil
}

type unpacked struct {
	name  string
	r     io.Reader
	begun bool
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if !u.begun && n > 0 {
		u.begun = true
		for _, packing := range packings {
			if bytes.HasPrefix(p[:n], []byte(packing.magic)) {
				return 0, &packedError{packing.name, packing.unpack, u.name}
			}
		}
	}
	return n, err
}

type packedError struct{ packing, unpack, name string }

func (e *packedError) Error() string { return "compressed by " + e.packing }

func (e *packedError) Hint() string {
	if e.name == Stdin {
		return "unpack it first: … | " + e.unpack + " | …"
	}
	return "unpack it first: " + e.unpack + " " + e.name + " | …"
}
