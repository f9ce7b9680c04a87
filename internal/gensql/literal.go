package gensql

import (
	"unicode/utf8"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

const encodingHint = "--encoding says what else it is, such as latin1"

// appendValue appends the literal of a value as the record has it.
func (cfg *Config) appendValue(dst []byte, v record.Value) ([]byte, error) {
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
		return cfg.Dialect.AppendBytes(dst, v.Bytes), nil
	}
	return cfg.appendText(dst, v.Bytes)
}

// appendText appends a text literal.
func (cfg *Config) appendText(dst, text []byte) ([]byte, error) {
	if sqltext.Plain(text) {
		return append(append(append(dst, '\''), text...), '\''), nil
	}
	if !utf8.Valid(text) {
		return dst, badRecord(encodingHint, "text that is not valid UTF-8")
	}
	if cfg.ASCII && !isASCII(text) {
		return cfg.Dialect.AppendHexText(dst, text), nil
	}
	return cfg.Dialect.AppendText(dst, text), nil
}

func isASCII[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
