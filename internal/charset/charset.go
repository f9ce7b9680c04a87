// Package charset decodes text in the character encodings that files come in.
package charset

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Undecodable stands in decoded text for each piece of the source that is no
// character of its encoding. No UTF-8 text has this byte.
const Undecodable = 0xff

// Charset is a character encoding. The zero value is none.
type Charset struct {
	name     string
	encoding encoding.Encoding // nil: UTF-16 whose byte order is to be found
	// replacement is U+FFFD in this encoding, nil if it has none: there it
	// only comes out of a decoder for what is undecodable.
	replacement []byte
}

// UTF16 is UTF-16 in the byte order that its mark says, else little-endian.
var UTF16 = Charset{name: "utf-16"}

var (
	utf16LE = New("utf-16le", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM))
	utf16BE = New("utf-16be", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM))
)

// New is the encoding e, which messages call name. If e has U+FFFD its decoder
// must have no state.
func New(name string, e encoding.Encoding) Charset {
	c := Charset{name: name, encoding: e}
	if b, err := e.NewEncoder().Bytes([]byte(replacement)); err == nil {
		c.replacement = b
	}
	return c
}

// IsZero reports whether c is no encoding.
func (c Charset) IsZero() bool { return c.name == "" }

func (c Charset) String() string { return c.name }

const replacement = "\ufffd"

// bufferSize is how much of the source is decoded at once.
const bufferSize = 32 << 10

// NewReader returns the text of r in UTF-8, with its byte order mark if it has
// one, and with Undecodable where r is wrong.
func (c Charset) NewReader(r io.Reader) io.Reader {
	d := &reader{src: r, charset: c, buf: make([]byte, 0, bufferSize), text: make([]byte, bufferSize)}
	switch c.encoding {
	case nil:
	case unicode.UTF8:
		d.decoder = validator{}
	default:
		d.decoder = c.encoding.NewDecoder()
	}
	return d
}

type reader struct {
	src     io.Reader
	charset Charset
	decoder transform.Transformer // nil: not yet known
	buf     []byte                // of the source, not yet decoded
	text    []byte                // room for what is decoded at once
	rest    []byte                // of the text, not yet read
	err     error                 // of the source, io.EOF too
	done    bool                  // all is decoded
}

// Read implements io.Reader. It reads its source no more often than it must.
func (r *reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.done {
			return 0, r.err
		}
		if r.err == nil && !r.fill() {
			return 0, nil
		}
		if r.decoder == nil && !r.findByteOrder() {
			continue
		}
		if err := r.decode(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// fill reads the source once and reports whether anything is new.
func (r *reader) fill() bool {
	n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf, r.err = r.buf[:len(r.buf)+n], err
	return n > 0 || err != nil
}

// findByteOrder looks for the byte order mark of UTF-16; ok is false if more
// must be read to see it.
func (r *reader) findByteOrder() (ok bool) {
	if len(r.buf) < 2 && r.err == nil {
		return false
	}
	r.charset = utf16LE
	if bytes.HasPrefix(r.buf, []byte{0xfe, 0xff}) {
		r.charset = utf16BE
	}
	r.decoder = r.charset.encoding.NewDecoder()
	return true
}

// decode decodes what is in buf, as far as it has whole characters and there
// is room for their text.
func (r *reader) decode() error {
	atEOF := r.err != nil
	nText, n, err := r.decoder.Transform(r.text, r.buf, atEOF)
	r.rest = r.text[:nText]
	if r.charset.encoding != unicode.UTF8 {
		r.rest = r.mark(r.rest, r.buf[:n], atEOF)
	}
	r.buf = r.buf[:copy(r.buf, r.buf[n:])]
	switch {
	case err == nil:
		r.done = atEOF
	case !errors.Is(err, transform.ErrShortSrc) && !errors.Is(err, transform.ErrShortDst):
		return err
	}
	return nil
}

// mark puts Undecodable in the place of each U+FFFD in text that is not one
// in src, of which text was decoded.
func (r *reader) mark(text, src []byte, atEOF bool) []byte {
	i := bytes.Index(text, []byte(replacement))
	if i < 0 {
		return text
	}
	marked := text[:0] // it is never longer than what was looked at
	for ; i >= 0; i = bytes.Index(text, []byte(replacement)) {
		before, at := text[:i], text[i:i+len(replacement)]
		text = text[i+len(replacement):]
		if r.charset.replacement == nil {
			marked = append(append(marked, before...), Undecodable)
			continue
		}
		// An encoding that has U+FFFD has no state: decoding again as far
		// as here finds the place in the source.
		marked = append(marked, before...)
		src = src[r.sourceLen(len(before), src, atEOF):]
		if bytes.HasPrefix(src, r.charset.replacement) {
			marked = append(marked, at...)
		} else {
			marked = append(marked, Undecodable)
		}
		src = src[r.sourceLen(len(at), src, atEOF):]
	}
	return append(marked, text...)
}

// sourceLen is how many bytes of src become the first n bytes of its text.
func (r *reader) sourceLen(n int, src []byte, atEOF bool) int {
	if n == 0 {
		return 0
	}
	_, length, _ := r.decoder.Transform(make([]byte, n), src, atEOF)
	return length
}

// validator copies UTF-8 and puts Undecodable in the place of every other
// byte.
type validator struct{ transform.NopResetter }

// Transform implements transform.Transformer.
func (validator) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	if n := min(len(dst), len(src)); utf8.Valid(src[:n]) {
		n = copy(dst, src)
		if n < len(src) {
			err = transform.ErrShortDst
		}
		return n, n, err
	}
	for nSrc < len(src) {
		if !atEOF && !utf8.FullRune(src[nSrc:]) {
			return nDst, nSrc, transform.ErrShortSrc
		}
		c, n := utf8.DecodeRune(src[nSrc:])
		if nDst+n > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		if c == utf8.RuneError && n == 1 {
			dst[nDst] = Undecodable
		} else {
			copy(dst[nDst:], src[nSrc:nSrc+n])
		}
		nDst, nSrc = nDst+n, nSrc+n
	}
	return nDst, nSrc, nil
}
