package sqltext

import (
	"bytes"
	"strings"
)

// Modes are the parts of MySQL's sql_mode that decide what a backslash in
// quotes is. The zero value is the servers' default.
type Modes struct {
	NoBackslashEscapes bool // it is a character
	ANSIQuotes         bool // in double quotes it is one: they hold an identifier
}

// ParseModes reads the value of @@sql_mode, or one that may be set.
func ParseModes(sqlMode string) Modes {
	var m Modes
	for mode := range strings.SplitSeq(strings.ToUpper(sqlMode), ",") {
		switch strings.TrimSpace(mode) {
		case "NO_BACKSLASH_ESCAPES":
			m.NoBackslashEscapes = true
		case "ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL":
			m.ANSIQuotes = true
		}
	}
	return m
}

// escapes reports whether a backslash hides the next byte in such quotes.
func (m Modes) escapes(quote byte) bool {
	return quote == '\'' && !m.NoBackslashEscapes || quote == '"' && !m.NoBackslashEscapes && !m.ANSIQuotes
}

// MaySetModes reports whether a statement can change the session's sql_mode. A
// server can tell what it is then: SELECT @@sql_mode. What a stored procedure
// sets ends with it.
func MaySetModes(text []byte) bool {
	word := text[:min(len(text), len("execute "))]
	if i := bytes.IndexFunc(word, func(r rune) bool { return r < 'A' || r > 'z' }); i >= 0 {
		word = word[:i]
	}
	switch strings.ToLower(string(word)) {
	case "execute":
		return true
	case "set", "begin", "": // or a comment that servers run
		_, ok := lastSQLMode(text)
		return ok
	}
	return false
}

// LiteralModes are the modes that a statement sets by a literal: what can be
// known without a server.
func LiteralModes(text []byte) (m Modes, ok bool) {
	rest, ok := lastSQLMode(text)
	if !ok {
		return m, false
	}
	rest = bytes.TrimLeft(rest, "` \t\r\n:=")
	if len(rest) == 0 || rest[0] != '\'' && rest[0] != '"' {
		return m, false
	}
	value, _, ok := bytes.Cut(rest[1:], rest[:1])
	return ParseModes(string(value)), ok
}

// lastSQLMode is what stands behind the last sql_mode in the text.
func lastSQLMode(text []byte) (rest []byte, ok bool) {
	const name = "sql_mode"
	for i := len(text) - len(name); i >= 0; i-- {
		if bytes.EqualFold(text[i:i+len(name)], []byte(name)) {
			return text[i+len(name):], true
		}
	}
	return nil, false
}
