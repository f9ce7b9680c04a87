package sqltext

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
)

// The literals here are read back as the very value whatever the server's
// settings are. MySQL reads a backslash as an escape or, with
// NO_BACKSLASH_ESCAPES, as itself, and nothing in the statement tells which; so
// no literal contains one. It takes other than ASCII for the connection's
// character set, unless the literal says which one it is; so each says it. Nor
// does one contain a control character, so that a statement is one line and no
// client rewrites a line end inside it.

// AppendText appends s, which must be UTF-8, as a text literal, in single
// quotes that are doubled inside, and in hexadecimal where a character would be
// read in two ways. For other bytes there is AppendBytes.
func (d Dialect) AppendText(dst, s []byte) []byte {
	var has uint8
	for _, c := range s {
		has |= class[c]
	}
	if has&control != 0 || has&backslash != 0 && d == MySQL {
		return d.AppendHexText(dst, s)
	}
	if has&wide != 0 && d == MySQL {
		dst = append(dst, "_utf8mb4"...)
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

// Plain reports whether s is ASCII without control characters, quotes and
// backslashes: a literal as it is. Most texts are, and eight bytes at a time
// are seen to be.
func Plain(s []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	zero := func(v uint64) uint64 { return (v - ones) &^ v } // has the high bit of a byte that is 0
	for ; len(s) >= 8; s = s[8:] {
		v := binary.LittleEndian.Uint64(s)
		if (v|(v-0x20*ones)|zero(v^'\''*ones)|zero(v^'\\'*ones)|zero(v^0x7f*ones))&highs != 0 {
			break // or maybe not: a borrow can say so of a byte that is plain
		}
	}
	for _, c := range s {
		if class[c] != 0 {
			return false
		}
	}
	return true
}

// What a byte means for a literal.
const (
	control uint8 = 1 << iota
	backslash
	quote
	wide // part of a character that is not ASCII
)

var class = func() (t [256]uint8) {
	for c := range 0x20 {
		t[c] = control
	}
	t[0x7f], t['\\'], t['\''] = control, backslash, quote
	for c := 0x80; c < len(t); c++ {
		t[c] = wide
	}
	return t
}()

// AppendHexText appends s, which must be UTF-8, as a text literal in
// hexadecimal: ASCII whatever s is.
func (d Dialect) AppendHexText(dst, s []byte) []byte {
	if d == SQLite {
		return append(appendHex(append(dst, "CAST("...), s), " AS TEXT)"...)
	}
	return appendHex(append(dst, "_utf8mb4 "...), s)
}

// AppendBytes appends b as a literal of bytes.
func (d Dialect) AppendBytes(dst, b []byte) []byte { return appendHex(dst, b) }

func appendHex(dst, b []byte) []byte {
	dst = append(dst, "x'"...)
	dst = hex.AppendEncode(dst, b)
	return append(dst, '\'')
}
