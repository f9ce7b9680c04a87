package record

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonParser reads one JSON text (RFC 8259) in memory, keeping every value's
// own bytes. It takes only UTF-8: an invalid byte or an unpaired surrogate
// has no text that could be stored and read back.
type jsonParser struct {
	text  []byte
	pos   int
	arena []byte // unescaped strings; values point into it
}

// maxDepth bounds the nesting of a value: no real record is deeper, and a
// megabyte of brackets must not exhaust the stack.
const maxDepth = 10000

var (
	errObject    = errors.New("not a JSON object")
	errUTF8      = errors.New("invalid UTF-8")
	errSurrogate = errors.New(`unpaired surrogate \u escape in a string`)
)

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (p *jsonParser) space() {
	for p.pos < len(p.text) && isSpace(p.text[p.pos]) {
		p.pos++
	}
}

// peek is the byte at the position, 0 at the end (0 is nowhere valid).
func (p *jsonParser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

// unexpected describes what stands where want should be.
func (p *jsonParser) unexpected(want string) error {
	if p.pos >= len(p.text) {
		return fmt.Errorf("the record ends where %s should be", want)
	}
	c, _ := utf8.DecodeRune(p.text[p.pos:])
	return fmt.Errorf("%q where %s should be", c, want)
}

// object reads the text as one object into rec, whose fields names remembers.
func (p *jsonParser) object(rec *Record, names *fieldNames) error {
	p.space()
	if p.peek() != '{' {
		return errObject
	}
	p.pos++
	rec.Values = rec.Values[:0]
	names.begin()
	p.space()
	if p.peek() == '}' {
		p.pos++
		return p.end(rec, names)
	}
	for {
		name, err := p.name()
		if err != nil {
			return err
		}
		value, err := p.value()
		if err != nil {
			return err
		}
		if at := names.place(len(rec.Values), name); at < len(rec.Values) {
			rec.Values[at] = value // a repeated name: the last value counts
		} else {
			rec.Values = append(rec.Values, value)
		}
		p.space()
		switch p.peek() {
		case ',':
			p.pos++
		case '}':
			p.pos++
			return p.end(rec, names)
		default:
			return p.unexpected("a comma or a closing brace")
		}
	}
}

func (p *jsonParser) end(rec *Record, names *fieldNames) error {
	p.space()
	if p.pos < len(p.text) {
		return p.unexpected("the end of the line")
	}
	n := len(rec.Values)
	rec.Fields = names.list[:n:n]
	return nil
}

// name reads the name of a member and goes behind its colon.
func (p *jsonParser) name() ([]byte, error) {
	p.space()
	if p.peek() != '"' {
		return nil, p.unexpected("a field name")
	}
	name, err := p.str()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.peek() != ':' {
		return nil, p.unexpected("a colon")
	}
	p.pos++
	return name, nil
}

// value reads any value.
func (p *jsonParser) value() (Value, error) {
	p.space()
	start := p.pos
	switch c := p.peek(); {
	case c == '"':
		s, err := p.str()
		return Value{Text, s}, err
	case c == '{' || c == '[':
		err := p.skip(0)
		return Value{JSON, p.text[start:p.pos]}, err
	case c == 't':
		return Value{Bool, trueText}, p.literal("true")
	case c == 'f':
		return Value{Bool, falseText}, p.literal("false")
	case c == 'n':
		return Value{}, p.literal("null")
	case c == '-' || '0' <= c && c <= '9':
		n := numberLen(p.text[start:])
		if n == 0 {
			return Value{}, errors.New("malformed number")
		}
		p.pos += n
		return Value{Number, p.text[start:p.pos]}, nil
	}
	return Value{}, p.unexpected("a value")
}

var trueText, falseText = []byte("true"), []byte("false")

func (p *jsonParser) literal(word string) error {
	if !bytes.HasPrefix(p.text[p.pos:], []byte(word)) {
		return p.unexpected("a value")
	}
	p.pos += len(word)
	return nil
}

// skip checks an object or array and goes behind it.
func (p *jsonParser) skip(depth int) error {
	if depth == maxDepth {
		return fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	open := p.peek()
	if open != '{' && open != '[' {
		_, err := p.value()
		return err
	}
	closing := open + 2 // '{' and '}', '[' and ']' are two apart in ASCII
	p.pos++
	p.space()
	if p.peek() == closing {
		p.pos++
		return nil
	}
	for {
		p.space()
		if open == '{' {
			if _, err := p.name(); err != nil {
				return err
			}
			p.space()
		}
		if err := p.skip(depth + 1); err != nil {
			return err
		}
		p.space()
		switch p.peek() {
		case ',':
			p.pos++
		case closing:
			p.pos++
			return nil
		default:
			return p.unexpected("a comma or " + string(rune(closing)))
		}
	}
}

// str reads the string at the position and returns its text, which is a part
// of the record where nothing is escaped.
func (p *jsonParser) str() ([]byte, error) {
	p.pos++
	start := p.pos
	ascii := true
	for i, c := range p.text[start:] {
		switch {
		case c == '"':
			s := p.text[start : start+i]
			if !ascii && !utf8.Valid(s) {
				return nil, p.invalidUTF8(start)
			}
			p.pos += i + 1
			return s, nil
		case c == '\\':
			return p.escaped(start, i)
		case c < 0x20:
			p.pos += i
			return nil, errors.New("control character in a string")
		case c >= 0x80:
			ascii = false
		}
	}
	p.pos = len(p.text)
	return nil, errors.New("string without end")
}

// escaped reads on in a string whose first escape is n bytes behind start.
func (p *jsonParser) escaped(start, n int) ([]byte, error) {
	from := len(p.arena)
	p.arena = append(p.arena, p.text[start:start+n]...)
	p.pos = start + n
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == '"':
			if !utf8.Valid(p.text[start:p.pos]) {
				return nil, p.invalidUTF8(start)
			}
			p.pos++
			return p.arena[from:len(p.arena):len(p.arena)], nil
		case c == '\\':
			if err := p.escape(); err != nil {
				return nil, err
			}
		case c < 0x20:
			return nil, errors.New("control character in a string")
		default:
			run := p.pos
			for p.pos < len(p.text) && !isStringSpecial(p.text[p.pos]) {
				p.pos++
			}
			p.arena = append(p.arena, p.text[run:p.pos]...)
		}
	}
	return nil, errors.New("string without end")
}

// isStringSpecial reports whether c in a string is more than itself.
func isStringSpecial(c byte) bool { return c == '"' || c == '\\' || c < 0x20 }

// invalidUTF8 goes to the first invalid byte behind start.
func (p *jsonParser) invalidUTF8(start int) error {
	for p.pos = start; ; {
		r, n := utf8.DecodeRune(p.text[p.pos:])
		if r == utf8.RuneError && n == 1 {
			return errUTF8
		}
		p.pos += n
	}
}

// escapes are the characters behind a backslash, but for u.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (p *jsonParser) escape() error {
	p.pos++
	c := p.peek()
	if e := escapes[c]; e != 0 {
		p.arena = append(p.arena, e)
		p.pos++
		return nil
	}
	if c != 'u' {
		return p.unexpected("an escape")
	}
	p.pos--
	r, ok := p.unicode(p.pos)
	if !ok {
		return errors.New(`\u without four hexadecimal digits`)
	}
	n := len(`\u0000`)
	if utf16.IsSurrogate(r) {
		low, _ := p.unicode(p.pos + n)
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return errSurrogate
		}
		n *= 2
	}
	p.arena = utf8.AppendRune(p.arena, r)
	p.pos += n
	return nil
}

// unicode decodes the four digits of a \u escape at a position.
func (p *jsonParser) unicode(at int) (r rune, ok bool) {
	if at+6 > len(p.text) || p.text[at] != '\\' || p.text[at+1] != 'u' {
		return 0, false
	}
	for _, c := range p.text[at+2 : at+6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// numberLen is the length of the JSON number that text begins with, 0 if it
// begins with none or the number is cut off.
func numberLen(text []byte) int {
	i := 0
	digits := func() bool {
		start := i
		for i < len(text) && '0' <= text[i] && text[i] <= '9' {
			i++
		}
		return i > start
	}
	if i < len(text) && text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if !digits() {
		return 0
	}
	if i < len(text) && text[i] == '.' {
		i++
		if !digits() {
			return 0
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if !digits() {
			return 0
		}
	}
	return i
}

// IsNumber reports whether text is a number in JSON's grammar: no leading
// zero, plus sign or white space.
func IsNumber(text []byte) bool {
	return len(text) > 0 && numberLen(text) == len(text)
}

// ParseJSON returns the value that the JSON text is.
func ParseJSON(text []byte) (Value, error) {
	p := jsonParser{text: text}
	v, err := p.value()
	if err != nil {
		return Value{}, err
	}
	if p.space(); p.pos < len(text) {
		return Value{}, p.unexpected("the end of the value")
	}
	return v, nil
}

// Elements returns the elements of a JSON array; ok is false if v is none.
func Elements(v Value) (elements []Value, ok bool) {
	if v.Kind != JSON || !bytes.HasPrefix(v.Bytes, []byte{'['}) {
		return nil, false
	}
	p := jsonParser{text: v.Bytes, pos: 1}
	for {
		if p.space(); p.peek() == ']' {
			return elements, true
		}
		if len(elements) > 0 {
			p.pos++ // the comma
		}
		element, err := p.value()
		if err != nil {
			return nil, false
		}
		elements = append(elements, element)
	}
}
