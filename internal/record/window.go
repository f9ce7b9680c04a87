package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// DefaultMaxRecord is the longest record that readers take unless told
// otherwise: long enough for any sane document, short enough that a file
// without line ends does not fill the memory.
const DefaultMaxRecord = 64 << 20

const windowSize = 64 << 10

// window is the part of the input in memory: what was read and not yet taken.
// It grows to hold the record in hand, up to max.
type window struct {
	src  io.Reader
	buf  []byte
	pos  int // start of what is not taken
	err  error
	max  int
	line int  // number of the line that begins at pos, from 1
	eol  byte // what ends a line
}

func newWindow(src io.Reader, max int) *window {
	if max <= 0 {
		max = DefaultMaxRecord
	}
	return &window{src: src, buf: make([]byte, 0, windowSize), max: max, line: 1, eol: '\n'}
}

var errTooLong = errors.New("record too long")

// fill reads once more behind what is there. It returns io.EOF at the end of
// the source.
func (w *window) fill() error {
	if w.err != nil {
		return w.err
	}
	if w.pos > 0 && len(w.buf) == cap(w.buf) {
		w.buf = w.buf[:copy(w.buf, w.buf[w.pos:])]
		w.pos = 0
	}
	if len(w.buf) == cap(w.buf) {
		w.buf = append(make([]byte, 0, 2*cap(w.buf)), w.buf...)
	}
	n, err := w.src.Read(w.buf[len(w.buf):cap(w.buf)])
	w.buf = w.buf[:len(w.buf)+n]
	if err != nil {
		w.err = err
	}
	if n > 0 {
		return nil
	}
	return err
}

// lineEnd returns the length of the line that begins at offset from in the
// window, without its newline; ok is false if the input ends before a newline.
// It returns errTooLong if the window up to there is longer than the maximum.
func (w *window) lineEnd(from int) (n int, ok bool, err error) {
	seen := 0
	for {
		rest := w.buf[w.pos+from:]
		i := bytes.IndexByte(rest[seen:], w.eol)
		if i >= 0 {
			seen += i
		} else {
			seen = len(rest)
		}
		if from+seen > w.max {
			return seen, false, errTooLong
		}
		if i >= 0 {
			return seen, true, nil
		}
		switch err := w.fill(); {
		case err == io.EOF:
			return seen, false, nil
		case err != nil:
			return seen, false, err
		}
	}
}

// nextLine takes the next line, without its newline. It returns io.EOF when
// nothing is left.
func (w *window) nextLine() ([]byte, error) {
	n, newline, err := w.lineEnd(0)
	if err != nil {
		return nil, err
	}
	if !newline && n == 0 {
		return nil, io.EOF
	}
	w.line++
	return w.take(n, newline), nil
}

// skipLong takes the rest of a line that is too long, and says so.
func (w *window) skipLong(source string) error {
	head, _, _ := bytes.Cut(w.buf[w.pos:], []byte{w.eol})
	head = bytes.Clone(head[:min(len(head), w.max, 1024)]) // so much is there, however it was read
	for {
		i := bytes.IndexByte(w.buf[w.pos:], w.eol)
		if i >= 0 {
			w.pos += i + 1
			break
		}
		w.pos = len(w.buf)
		if err := w.fill(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	w.line++
	return &SyntaxError{Source: source, Line: w.line - 1, Raw: head, Err: fmt.Errorf("record longer than %d bytes", w.max)}
}

// at returns the byte at an offset; ok is false at the end of the input. It
// returns errTooLong if the window up to there is longer than the maximum.
func (w *window) at(offset int) (c byte, ok bool, err error) {
	if offset > w.max {
		return 0, false, errTooLong
	}
	for w.pos+offset >= len(w.buf) {
		if err := w.fill(); err == io.EOF {
			return 0, false, nil
		} else if err != nil {
			return 0, false, err
		}
	}
	return w.buf[w.pos+offset], true, nil
}

// take takes n bytes, and the newline behind them if there is one.
func (w *window) take(n int, newline bool) []byte {
	b := w.buf[w.pos : w.pos+n]
	w.pos += n
	if newline {
		w.pos++
	}
	return b
}
