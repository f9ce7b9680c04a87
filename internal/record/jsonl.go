package record

import "bytes"

// jsonlReader reads JSON Lines. Blank lines are passed over.
type jsonlReader struct {
	w      *window
	source string
	parser jsonParser
	names  []string // of the last record
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
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		rec.Raw, rec.Line, rec.Typed = trimCR(line), number, true
		r.parser = jsonParser{text: line, arena: r.parser.arena[:0]}
		r.names, err = r.parser.object(rec, r.names)
		if err != nil {
			return &SyntaxError{Source: r.source, Line: number, Column: r.parser.pos + 1, Raw: rec.Raw, Err: err}
		}
		return nil
	}
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
