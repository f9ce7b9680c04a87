package sqltext

import (
	"bytes"
	"encoding/hex"
)

// The literals here are read back as the very value whatever the server's
// settings are. MySQL reads a backslash as an escape or, with
// NO_BACKSLASH_ESCAPES, as itself, and nothing in the statement tells which; so
// no literal contains one. Nor does one contain a control character, so that a
// statement is one line and no client rewrites a line end inside it.

// AppendText appends s, which must be UTF-8, as a text literal: 'it”s', and
// in hexadecimal where a character would be read in two ways. For other bytes
// there is AppendBytes.
func (d Dialect) AppendText(dst, s []byte) []byte {
	if needsHex(d, s) {
		return d.AppendHexText(dst, s)
	}
	dst = append(dst, '\'')
	for {
		i := bytes.IndexByte(s, '\'')
		if i < 0 {
			break
		}
		dst = append(append(dst, s[:i+1]...), '\'')
		s = s[i+1:]
	}
	return append(append(dst, s...), '\'')
}

// AppendHexText appends s, which must be UTF-8, as a text literal in
// hexadecimal, which means the same on a connection of any character set.
func (d Dialect) AppendHexText(dst, s []byte) []byte {
	if d == SQLite {
		return append(appendHex(append(dst, "CAST("...), s), " AS TEXT)"...)
	}
	return appendHex(append(dst, "_utf8mb4 "...), s)
}

// unsafe are the bytes that no plain literal of MySQL may contain.
var unsafe = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	t[0x7f], t['\\'] = true, true
	return t
}()

func needsHex(d Dialect, s []byte) bool {
	for _, c := range s {
		if unsafe[c] && (c != '\\' || d == MySQL) {
			return true
		}
	}
	return false
}

// AppendBytes appends b as a literal of bytes.
func (d Dialect) AppendBytes(dst, b []byte) []byte { return appendHex(dst, b) }

func appendHex(dst, b []byte) []byte {
	dst = append(dst, "x'"...)
	dst = hex.AppendEncode(dst, b)
	return append(dst, '\'')
}
