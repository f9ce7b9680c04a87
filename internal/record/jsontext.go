package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// jsonReader reads JSON texts one after another: objects are records, and so
// are the elements of arrays. Each takes as many lines as it likes; only one
// of them is in memory.
//
// What is well-formed but no record is a *SyntaxError, and the next Read goes
// on behind it. Where the grammar is broken nobody knows where the next value
// begins, and what stands in a string must never be taken for a record: such
// an error is final.
type jsonReader struct {
	w      *window
	source string
	parser jsonParser
	names  fieldNames
	state  jsonState
	column int // of the window's position in its line, from 0
	err    error
}

// jsonState is where a jsonReader is.
type jsonState uint8

const (
	outside    jsonState = iota // of any array
	arrayBegun                  // behind the bracket
	afterValue
	afterComma
)

func (r *jsonReader) Read(rec *Record) error {
	if r.err != nil {
		return r.err
	}
	err := r.begin()
	if err == nil {
		err = r.value(rec)
	}
	if _, ok := errors.AsType[*SyntaxError](err); !ok {
		r.err = err
	}
	return err
}

// begin goes to where the next value begins.
func (r *jsonReader) begin() error {
	for {
		c, err := r.space()
		switch {
		case err == io.EOF && r.state != outside:
			return r.broken(0, errors.New("the array has no end"))
		case err != nil:
			return err
		case r.state == outside && c == '[':
			r.state = arrayBegun
		case r.state == afterValue && c == ',':
			r.state = afterComma
		case (r.state == afterValue || r.state == arrayBegun) && c == ']':
			r.state = outside
		case r.state == afterValue:
			return r.unexpected("a comma or ]")
		case c == ',' || c == ':' || c == ']' || c == '}':
			return r.unexpected("a value")
		default:
			return nil
		}
		r.take(1)
	}
}

// space passes over white space and returns the byte behind it.
func (r *jsonReader) space() (byte, error) {
	for {
		rest := r.w.buf[r.w.pos:]
		n := 0
		for n < len(rest) && isSpace(rest[n]) {
			n++
		}
		r.take(n)
		if n < len(rest) {
			return rest[n], nil
		}
		if err := r.w.fill(); err != nil {
			return 0, err
		}
	}
}

// value reads the value at the position into rec.
func (r *jsonReader) value(rec *Record) error {
	n, whole, err := r.valueLen()
	if err != nil && err != errTooLong {
		return err
	}
	text := r.w.buf[r.w.pos : r.w.pos+n]
	r.parser = jsonParser{text: text, arena: r.parser.arena[:0]}
	rec.Raw, rec.Line, rec.Typed = text, r.w.line, true
	problem := r.parser.object(rec, &r.names)
	switch {
	case err == errTooLong && r.parser.pos == n:
		return r.broken(0, fmt.Errorf("record longer than %d bytes", r.w.max))
	case problem != nil && !(whole && json.Valid(text)):
		return r.broken(r.parser.pos, problem)
	}
	if problem != nil {
		problem = r.syntax(r.parser.pos, problem)
	}
	r.take(n)
	if r.state != outside {
		r.state = afterValue
	}
	return problem
}

// valueLen returns the length of the value at the position: as far as its
// brackets and quotes tell, without a look at the grammar, so that it need not
// begin again when more is read. It is not whole if the input ends in it or a
// string has a control character, a line end above all: not to take all the
// rest for a string without end. Of one too long it is the part allowed.
func (r *jsonReader) valueLen() (n int, whole bool, err error) {
	depth, quoted := 0, false
	scalar := strings.IndexByte(`{["`, r.w.buf[r.w.pos]) < 0
	for i := 0; ; {
		switch _, ok, err := r.w.at(i); {
		case err == errTooLong:
			return r.w.max, false, err
		case err != nil:
			return 0, false, err
		case !ok:
			return len(r.w.buf) - r.w.pos, scalar, nil
		}
		text := r.w.buf[r.w.pos:]
		text = text[:min(len(text), r.w.max+1)]
		for ; i < len(text); i++ {
			if quoted {
				for i < len(text) && jsonClasses[text[i]]&inString == 0 {
					i++
				}
				if i == len(text) {
					break
				}
				switch text[i] {
				case '\\':
					i++
				case '"':
					quoted = false
				default:
					return i + 1, false, nil
				}
			} else {
				for i < len(text) && jsonClasses[text[i]]&between == 0 {
					i++
				}
				if i == len(text) {
					break
				}
				if scalar {
					return r.limit(i)
				}
				switch text[i] {
				case '"':
					quoted = true
				case '{', '[':
					depth++
				case '}', ']':
					depth--
				}
			}
			if depth == 0 && !quoted && !scalar {
				return r.limit(i + 1)
			}
		}
	}
}

// What a byte may be: the end of a number, a word or a bracket outside of
// strings, and more than itself in one.
const (
	between = 1 << iota
	inString
)

var jsonClasses = func() (t [256]byte) {
	for c := range t {
		if strings.IndexByte("{}[]\",: \t\r\n", byte(c)) >= 0 {
			t[c] |= between
		}
		if isStringSpecial(byte(c)) {
			t[c] |= inString
		}
	}
	return t
}()

func (r *jsonReader) limit(n int) (int, bool, error) {
	if n > r.w.max {
		return r.w.max, false, errTooLong
	}
	return n, true, nil
}

// take goes n bytes on.
func (r *jsonReader) take(n int) {
	passed := r.w.take(n, false)
	if i := bytes.LastIndexByte(passed, '\n'); i >= 0 {
		r.w.line += bytes.Count(passed, []byte{'\n'})
		r.column = n - i - 1
	} else {
		r.column += n
	}
}

// syntax is an error at an offset of the value at the position.
func (r *jsonReader) syntax(offset int, err error) *SyntaxError {
	before := r.w.buf[r.w.pos : r.w.pos+offset]
	column := r.column + offset + 1
	if i := bytes.LastIndexByte(before, '\n'); i >= 0 {
		column = offset - i
	}
	return &SyntaxError{
		Source: r.source,
		Line:   r.w.line + bytes.Count(before, []byte{'\n'}),
		Column: column,
		Raw:    r.parser.text,
		Err:    err,
	}
}

func (r *jsonReader) unexpected(want string) error {
	for !utf8.FullRune(r.w.buf[r.w.pos:]) && r.w.fill() == nil {
	}
	p := jsonParser{text: r.w.buf[r.w.pos:]}
	return r.broken(0, p.unexpected(want))
}

// broken is an error behind which nothing can be read.
func (r *jsonReader) broken(offset int, err error) error {
	return &brokenError{r.syntax(offset, err)}
}

// brokenError is no *SyntaxError, since no record can follow.
type brokenError struct{ syntax *SyntaxError }

func (e *brokenError) Error() string { return e.syntax.Error() }
func (e *brokenError) Unwrap() error { return e.syntax.Err }

// Hint says why the input is not read to its end.
func (e *brokenError) Hint() string {
	return "nothing behind this can be read safely; of jsonl, an object a line, the other lines could be"
}
