package gensql

import (
	"unicode/utf8"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

const encodingHint = "convert the input: iconv -f LATIN1 -t UTF-8"

// appendValue appends the literal of a value as the record has it.
func appendValue(dst []byte, d sqltext.Dialect, v record.Value) ([]byte, error) {
	switch v.Kind {
	case record.Null:
		return append(dst, "NULL"...), nil
	case record.Number:
		return append(dst, v.Bytes...), nil
	case record.Bool:
		if v.Bytes[0] == 't' {
			return append(dst, "TRUE"...), nil
		}
		return append(dst, "FALSE"...), nil
	case record.Binary:
		return d.AppendBytes(dst, v.Bytes), nil
	}
	if !utf8.Valid(v.Bytes) {
		return dst, badRecord(encodingHint, "text that is not valid UTF-8")
	}
	return d.AppendText(dst, v.Bytes), nil
}
