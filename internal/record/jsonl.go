package record

import "slices"

// jsonlReader reads JSON Lines. Blank lines are passed over.
type jsonlReader struct {
	w      *window
	source string
	parser jsonParser
	names  fieldNames
	begun  bool // a record was read, or rejected
}

func (r *jsonlReader) Read(rec *Record) error {
	for {
		number := r.w.line
		line, err := r.w.nextLine()
		if err == errTooLong {
			return r.w.skipLong(r.source)
		}
		if err != nil {
			return err
		}
		r.parser = jsonParser{text: line, arena: r.parser.arena[:0]}
		if r.parser.space(); r.parser.pos == len(line) {
			continue
		}
		rec.Raw, rec.Line, rec.Typed = trimCR(line), number, true
		if err := r.parser.object(rec, &r.names); err != nil {
			if r.parser.pos == len(line) && !r.begun {
				err = cutOffError{err}
			}
			r.begun = true
			return &SyntaxError{Source: r.source, Line: number, Column: r.parser.pos + 1, Raw: rec.Raw, Err: err}
		}
		r.begun = true
		return nil
	}
}

// cutOffError is a first object that does not end on its line.
type cutOffError struct{ error }

func (e cutOffError) Unwrap() error { return e.error }

// Hint says how it is read if it goes on.
func (cutOffError) Hint() string { return "-i json reads objects that take several lines" }

// fieldNames are the names of the last record's fields, used again while a
// record has the same ones: records of one shape cost no memory.
type fieldNames struct {
	list  []string // never changed once a record has it
	same  bool     // the record in hand has begun as the last one did
	index map[string]int
}

// manyFields is from when on a map finds a name faster than a look at each.
const manyFields = 16

func (f *fieldNames) begin() { f.same = true }

// place returns the position of the field called name in a record of n fields
// so far: n if it is a new one.
func (f *fieldNames) place(n int, name []byte) int {
	if f.same {
		if n < len(f.list) && f.list[n] == string(name) {
			return n
		}
		f.list, f.same = slices.Clone(f.list[:n]), false
		clear(f.index)
	}
	if i := f.find(name); i >= 0 {
		return i
	}
	f.list = append(f.list, string(name))
	if n >= manyFields {
		f.index[f.list[n]] = n
	}
	return n
}

// find returns the position of name, -1 if it is new.
func (f *fieldNames) find(name []byte) int {
	if len(f.list) < manyFields {
		for i := range f.list {
			if f.list[i] == string(name) {
				return i
			}
		}
		return -1
	}
	if len(f.index) == 0 {
		f.index = make(map[string]int)
		for i, known := range f.list {
			f.index[known] = i
		}
	}
	if i, ok := f.index[string(name)]; ok {
		return i
	}
	return -1
}

// jsonlWriter writes JSON Lines.
type jsonlWriter struct {
	block
	binary Encoding
	keys   [][]byte // `{"a":`, `,"b":` …
}

// Begin implements Writer.
func (w *jsonlWriter) Begin(fields []string) error {
	w.keys = w.keys[:0]
	for i, name := range fields {
		key := []byte{','}
		if i == 0 {
			key[0] = '{'
		}
		w.keys = append(w.keys, append(AppendJSONString(key, []byte(name)), ':'))
	}
	return nil
}

// Write implements Writer.
func (w *jsonlWriter) Write(values []Value) error {
	if len(w.keys) == 0 {
		w.buf = append(w.buf, '{')
	}
	for i, key := range w.keys {
		w.buf = appendJSON(append(w.buf, key...), values[i], w.binary)
	}
	w.buf = append(w.buf, "}\n"...)
	return w.endRecord()
}
