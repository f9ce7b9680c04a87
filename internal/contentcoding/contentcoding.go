// Package contentcoding decodes the bodies of HTTP answers (RFC 9110, section
// 8.4.1).
package contentcoding

import (
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is how far back zstd may refer in an HTTP answer: RFC 9659.
const maxWindow = 8 << 20

// Accepted are the codings that Decode knows, in the form of an Accept-Encoding
// header.
const Accepted = "gzip, br, zstd"

// Decode reads a body with the given coding.
func Decode(coding string, r io.Reader) (io.ReadCloser, error) {
	switch coding {
	case "identity":
		return io.NopCloser(r), nil
	case "gzip", "x-gzip":
		return gzip.NewReader(r)
	case "deflate":
		return zlib.NewReader(r)
	case "br":
		return io.NopCloser(brotli.NewReader(r)), nil
	case "zstd":
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("encoded as %q, which was not asked for", coding)
}
