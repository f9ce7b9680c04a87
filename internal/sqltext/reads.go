package sqltext

import (
	"bytes"
	"slices"
)

// reading are the verbs of statements that change no data and leave nothing in
// their session.
var reading = []string{"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC"}

// OnlyReads reports whether a statement is a query, and one that writes no file
// on the server's machine. It says no too often rather than too rarely; but a
// SELECT may call a function that writes, and a WITH may lead to a DELETE: the
// session has to refuse these.
func OnlyReads(text []byte) bool {
	switch {
	case bytes.HasPrefix(text, []byte("/*")): // what stands in /*! … */ some servers run, and others do not
		return false
	case !slices.Contains(reading, Verb(text)) && !bytes.HasPrefix(text, []byte{'('}):
		return false
	}
	upper := bytes.ToUpper(text)
	file := bytes.Contains(upper, []byte("OUTFILE")) || bytes.Contains(upper, []byte("DUMPFILE"))
	return !file || !bytes.Contains(upper, []byte("INTO"))
}
