package sqlpipe

import (
	"bytes"
	"slices"

	"pipeworks/internal/sqltext"
)

// kind is what a statement means for transactions.
type kind uint8

const (
	ofSession kind = iota // it sets up the session, which a new connection has to be again
	ordinary
	bound   // it leaves in the session what nothing but itself can restore
	commits // MySQL: it commits what came before it, and itself
	control // it begins or ends a transaction
)

// implicit are the statements with which MySQL and MariaDB end a transaction
// (manual: Statements That Cause an Implicit Commit).
var implicit = []string{
	"ALTER", "ANALYZE", "CACHE", "CHANGE", "CHECK", "CREATE", "DROP", "FLUSH", "GRANT", "INSTALL", "LOCK", "OPTIMIZE",
	"RENAME", "REPAIR", "RESET", "REVOKE", "STOP", "TRUNCATE", "UNINSTALL", "UNLOCK",
}

// kindOf is the kind of a statement, or of several that MySQL's client sends
// together since it was told another delimiter: that of the one among them that
// means most. A block of statements, between BEGIN NOT ATOMIC and END, is such a
// one, too.
func kindOf(text []byte, d sqltext.Dialect) kind {
	k := kindOfFirst(text, d)
	if d != sqltext.MySQL || k == commits || bytes.IndexByte(text, ';') < 0 { // a procedure has them in its body
		return k
	}
	all := sqltext.NewTextScanner(text, sqltext.ScanOptions{EOFRun: true})
	for st, err := all.Next(); err == nil; st, err = all.Next() {
		k = max(k, kindOfFirst(st.Text, d))
	}
	return k
}

func kindOfFirst(text []byte, d sqltext.Dialect) kind {
	words := append(sqltext.Words(text, 3), "", "", "")
	second := words[1]
	switch words[0] {
	case "BEGIN":
		if second == "NOT" { // MariaDB's BEGIN NOT ATOMIC is a block
			return ordinary
		}
		return control
	case "COMMIT", "XA":
		return control
	case "ROLLBACK":
		if second == "TO" || words[2] == "TO" {
			return ordinary
		}
		return control
	}
	if d == sqltext.SQLite {
		switch words[0] {
		case "END":
			return control
		case "ATTACH", "DETACH", "PRAGMA":
			return ofSession
		case "CREATE":
			if second == "TEMP" || second == "TEMPORARY" {
				return bound
			}
		}
		return ordinary
	}
	switch words[0] {
	case "START":
		if second == "TRANSACTION" {
			return control
		}
		return commits // of a replica
	case "USE":
		return ofSession
	case "SET":
		switch {
		case bytes.Contains(bytes.ToUpper(text), []byte("AUTOCOMMIT")):
			return control
		case second == "PASSWORD" || second == "DEFAULT" && words[2] == "ROLE":
			return commits
		case second == "GLOBAL" || second == "PERSIST":
			return ordinary
		}
		return ofSession
	case "PREPARE", "HANDLER":
		return bound
	case "CREATE", "DROP":
		if second == "TEMPORARY" || second == "OR" && words[2] == "REPLACE" && bytes.Contains(bytes.ToUpper(text[:min(len(text), 64)]), []byte("TEMPORARY")) {
			return bound
		}
	}
	if slices.Contains(implicit, words[0]) {
		return commits
	}
	return ordinary
}

// begins reports whether a statement of the kind control begins a transaction,
// rather than to end one.
func begins(text []byte) bool {
	switch sqltext.Verb(text) {
	case "BEGIN", "START", "SET", "XA":
		return true
	}
	return bytes.IndexByte(text, ';') >= 0 // of several statements one may
}

// leftToServer are the statements that a session which only reads refuses itself
// if they write, and says why, and those that write nothing.
var leftToServer = []string{"CALL", "DELETE", "DO", "INSERT", "RELEASE", "REPLACE", "ROLLBACK", "SAVEPOINT", "UPDATE"}

// mayWrite reports whether --read-only refuses a statement.
func mayWrite(text []byte, d sqltext.Dialect) bool {
	if sqltext.OnlyReads(text) {
		return false
	}
	words := append(sqltext.Words(text, 4), "", "", "", "")
	switch kindOf(text, d) {
	case ordinary:
		return !slices.Contains(leftToServer, words[0])
	case ofSession:
		return d == sqltext.SQLite || words[0] == "SET" && words[1] != "NAMES" && (words[1] != "" || !onlyVariables(text))
	case control:
		return words[0] == "XA" || words[0] == "SET" || words[0] == "START" && slices.Contains(words, "WRITE")
	}
	return true
}

// onlyVariables reports whether SET sets none but the user's own variables: it
// has one @ before each assignment, and no list in which something else hides.
func onlyVariables(text []byte) bool {
	return bytes.Count(text, []byte("@")) == 1 && bytes.IndexByte(text, ',') < 0
}
