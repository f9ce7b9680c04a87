// Package compressed reads files that gzip and zstd have compressed.
package compressed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"pipeworks/internal/stream"
)

// maxWindow is how far back a zstd file may refer, which is memory: as far as
// the zstd tool allows unless told otherwise.
const maxWindow = 128 << 20

var errCutOff = errors.New("the compressed data is cut off")

// NewReader reads the content of the file called name, whose bytes are r:
// decompressed if the name ends in .gz or .zst, else r itself, which must not
// look compressed. The content of several files behind one another is that of
// all. An end within the compressed data, an empty file too, is an error.
func NewReader(name string, r io.Reader) (io.Reader, error) {
	var open func(*bufio.Reader) (io.Reader, error)
	switch strings.ToLower(filepath.Ext(name)) {
	case ".gz":
		open = openGzip
	case ".zst":
		open = openZstd
	default:
		return stream.Unpacked(name, r)
	}
	in := bufio.NewReaderSize(r, 64<<10)
	if _, err := in.Peek(1); err == io.EOF {
		return nil, errCutOff
	} else if err != nil {
		return nil, err
	}
	content, err := open(in)
	if err != nil {
		return nil, plain(err)
	}
	return reader{content}, nil
}

func openGzip(r *bufio.Reader) (io.Reader, error) {
	// Less than a header may still be seen to be none.
	if magic, err := r.Peek(2); err == nil && string(magic) != "\x1f\x8b" {
		return nil, gzip.ErrHeader
	}
	return gzip.NewReader(r)
}

func openZstd(r *bufio.Reader) (io.Reader, error) {
	// One goroutine is enough: the caller's, beside that of the work.
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}

// reader says what an error of the decompressor means.
type reader struct{ r io.Reader }

func (r reader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	return n, plain(err)
}

// plain puts an error into words that tell what to do about it.
func plain(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errCutOff
	case errors.Is(err, gzip.ErrHeader):
		return errors.New("not gzip, which its name says it is")
	case errors.Is(err, zstd.ErrMagicMismatch):
		return errors.New("not zstd, which its name says it is")
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fmt.Errorf("decompressing takes a window of more than %d MiB", maxWindow>>20)
	}
	return err
}
