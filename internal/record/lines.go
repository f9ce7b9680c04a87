package record

import "bytes"

// linesReader reads a record of one field from each line that is not blank.
type linesReader struct {
	w      *window
	source string
	fields []string
	values [1]Value
}

func (r *linesReader) Read(rec *Record) error {
	for {
		number := r.w.line
		line, err := r.w.nextLine()
		if err == errTooLong {
			return r.w.skipLong(r.source)
		}
		if err != nil {
			return err
		}
		text := bytes.TrimSpace(line)
		if len(text) == 0 {
			continue
		}
		r.values[0] = Value{Text, text}
		*rec = Record{Fields: r.fields, Values: r.values[:], Raw: trimCR(line), Line: number}
		return nil
	}
}

// trimCR takes one carriage return off the end of a line.
func trimCR(line []byte) []byte { return bytes.TrimSuffix(line, []byte{'\r'}) }
