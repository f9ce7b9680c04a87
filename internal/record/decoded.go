package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"pipeworks/internal/charset"
)

// newDecodedWindow is the window on the text of in in UTF-8. Without an
// encoding the byte order mark of UTF-16 tells, and sets it.
func newDecodedWindow(in io.Reader, o *ReaderOptions) (*window, error) {
	if !o.Encoding.IsZero() {
		return newWindow(o.Encoding.NewReader(in), o.MaxRecord), nil
	}
	w := newWindow(in, o.MaxRecord)
	for len(w.buf) == 0 || len(w.buf) == 1 && w.buf[0] >= 0xfe {
		if err := w.fill(); err == io.EOF {
			return w, nil
		} else if err != nil {
			return nil, err
		}
	}
	if bytes.HasPrefix(w.buf, []byte{0xff, 0xfe}) || bytes.HasPrefix(w.buf, []byte{0xfe, 0xff}) {
		o.Encoding = charset.UTF16
		in = o.Encoding.NewReader(io.MultiReader(bytes.NewReader(w.buf), in))
		w = newWindow(in, o.MaxRecord)
	}
	return w, nil
}

// decodedReader rejects records in which something could not be decoded.
type decodedReader struct {
	Reader
	w       *window
	o       ReaderOptions
	checked bool // the names of the header are decoded
}

// undecodableError is what stands where charset.Undecodable does.
type undecodableError struct{ encoding charset.Charset }

func (e undecodableError) Error() string { return "not " + e.encoding.String() }

// Hint says what to do about it.
func (undecodableError) Hint() string { return "--encoding names the character encoding of the input" }

func (r *decodedReader) Read(rec *Record) error {
	err := r.Reader.Read(rec)
	if syntax, ok := errors.AsType[*SyntaxError](err); ok && syntax.Err == errUTF8 {
		syntax.Err = undecodableError{r.o.Encoding}
	}
	if err != nil {
		return err
	}
	if !r.checked && !rec.Typed && len(r.o.HeaderNames) == 0 {
		for _, name := range rec.Fields {
			if strings.IndexByte(name, charset.Undecodable) >= 0 {
				return fmt.Errorf("%s: in the header: %w", r.o.Source, undecodableError{r.o.Encoding})
			}
		}
	}
	r.checked = true
	i := bytes.IndexByte(rec.Raw, charset.Undecodable)
	if i < 0 {
		return nil
	}
	before := rec.Raw[:i]
	return &SyntaxError{
		Source: r.o.Source,
		Line:   rec.Line + bytes.Count(before, []byte{r.w.eol}),
		Column: i - bytes.LastIndexByte(before, r.w.eol),
		Raw:    rec.Raw,
		Err:    undecodableError{r.o.Encoding},
	}
}
