package sqlpipe

import (
	"bytes"

	"pipeworks/internal/database"
	"pipeworks/internal/sqltext"
)

// cure is what to do about a statement that the database refuses, if it is a
// mistake that many make; "": what the error says itself.
func cure(err *database.Error, text []byte, d sqltext.Dialect) string {
	verb := sqltext.Words(text, 1)
	inserts := len(verb) > 0 && (verb[0] == "INSERT" || verb[0] == "REPLACE")
	switch {
	case err.Syntax() && bytes.ContainsAny(text[:1], "{["):
		return "these are records, no SQL: gensql makes statements of them, --load TABLE takes them as they are"
	case err.Syntax() && d == sqltext.MySQL && forSQLite(text):
		return "this was written for SQLite: gensql knows the database by $PIPEWORKS_DB, which both must see, or --dialect mysql"
	case err.NoTable() && inserts:
		return "gensql insert --create makes the table first"
	case err.NoColumn() && inserts:
		return "gensql takes some fields by --column, and gives one another name by --rename FIELD=COLUMN"
	case err.Duplicate() && inserts:
		return "gensql upsert changes a row that is there, gensql insert --ignore leaves it"
	case err.NoKey():
		return "the table has no primary or unique key on the columns of --key; gensql upsert --create makes one"
	}
	return ""
}

// forSQLite reports whether the first name in a statement is in double quotes:
// words alone stand before it.
func forSQLite(text []byte) bool {
	i := bytes.IndexByte(text, '"')
	return i > 0 && len(bytes.Trim(bytes.ToUpper(text[:i]), "ABCDEFGHIJKLMNOPQRSTUVWXYZ ")) == 0
}
