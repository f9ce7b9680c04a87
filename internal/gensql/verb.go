package gensql

import (
	"slices"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// A statement is a head, rows between commas, and a suffix. These are the
// parts in which the verbs differ.

// appendHead begins a statement.
func (t *table) appendHead() {
	d := t.cfg.Dialect
	name := func(dst []byte, c int) []byte { return d.AppendIdent(dst, t.columns[c].name) }
	buf := t.w.buf
	switch t.cfg.Verb {
	case Update:
		t.w.buf = append(append(append(buf, "UPDATE "...), t.name...), " SET "...)
		return
	case Delete:
		buf = append(append(append(buf, "DELETE FROM "...), t.name...), " WHERE "...)
		if len(t.keys) == 1 {
			t.w.buf = append(name(buf, t.keys[0]), " IN ("...)
			return
		}
		buf = append(appendList(append(buf, '('), t.keys, name), ") IN ("...)
		if d == sqltext.SQLite {
			buf = append(buf, "VALUES "...)
		}
		t.w.buf = buf
		return
	case Replace:
		buf = append(buf, "REPLACE"...)
	default:
		buf = append(buf, "INSERT"...)
	}
	buf = append(append(append(buf, " INTO "...), t.name...), " ("...)
	t.w.buf = append(appendList(buf, t.present, name), ") VALUES "...)
}

// appendRow appends what the statement has of one record.
func (t *table) appendRow(dst []byte, rec *record.Record) ([]byte, error) {
	switch t.cfg.Verb {
	case Update:
		return t.appendUpdate(dst, rec)
	case Delete:
		return t.appendKey(dst, rec)
	}
	dst = append(dst, '(')
	for i, c := range t.present {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if from := t.from[c]; from >= 0 && t.columns[c].asIs() { // by far the most
			if v := &rec.Values[from]; v.Kind == record.Text && sqltext.Plain(v.Bytes) {
				dst = append(append(append(dst, '\''), v.Bytes...), '\'')
				continue
			}
		}
		var err error
		if dst, err = t.appendValue(dst, c, rec); err != nil {
			return dst, err
		}
	}
	return append(dst, ')'), nil
}

// appendUpdate appends the assignments and the condition of an UPDATE.
func (t *table) appendUpdate(dst []byte, rec *record.Record) ([]byte, error) {
	d := t.cfg.Dialect
	var err error
	first := true
	for _, c := range t.present {
		if t.columns[c].key {
			continue
		}
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = append(d.AppendIdent(dst, t.columns[c].name), " = "...)
		if dst, err = t.appendValue(dst, c, rec); err != nil {
			return dst, err
		}
	}
	if first {
		return dst, badRecord("", "it has nothing but its key: there is nothing to update")
	}
	for i, c := range t.keys {
		link := " AND "
		if i == 0 {
			link = " WHERE "
		}
		dst = append(d.AppendIdent(append(dst, link...), t.columns[c].name), " = "...)
		if dst, err = t.appendKeyValue(dst, c, rec); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendKey appends the key of a record as an element of IN (…).
func (t *table) appendKey(dst []byte, rec *record.Record) ([]byte, error) {
	if len(t.keys) == 1 {
		return t.appendKeyValue(dst, t.keys[0], rec)
	}
	dst = append(dst, '(')
	for i, c := range t.keys {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		var err error
		if dst, err = t.appendKeyValue(dst, c, rec); err != nil {
			return dst, err
		}
	}
	return append(dst, ')'), nil
}

// appendKeyValue appends a value that a key column is compared with. NULL is
// equal to nothing. A number is text for MySQL: to a column of text, 0 equals
// everything that does not begin with a digit, while to a column of numbers
// '0' is 0.
func (t *table) appendKeyValue(dst []byte, c int, rec *record.Record) ([]byte, error) {
	column := &t.columns[c]
	if column.set == nil && t.from[c] >= 0 {
		v := rec.Values[t.from[c]]
		if v.Kind == record.Null {
			return dst, badRecord("", "the key column %q is NULL", column.name)
		}
		if v.Kind == record.Number && t.cfg.Dialect == sqltext.MySQL {
			return t.cfg.Dialect.AppendText(dst, v.Bytes), nil
		}
	}
	return t.appendValue(dst, c, rec)
}

// newSuffix is what stands behind the rows of a statement.
func (t *table) newSuffix() []byte {
	switch {
	case t.cfg.Verb == Delete:
		return []byte(")")
	case t.cfg.Verb == Upsert:
		return t.upsertSuffix()
	case !t.cfg.Ignore:
		return nil
	case t.cfg.Dialect == sqltext.SQLite:
		return []byte(" ON CONFLICT DO NOTHING")
	}
	// INSERT IGNORE would make a value that does not fit another that does.
	return t.cfg.appendAssignments([]byte(" ON DUPLICATE KEY UPDATE "), []string{t.columns[t.present[0]].name}, "", "")
}

func (t *table) upsertSuffix() []byte {
	d := t.cfg.Dialect
	var set []string // the columns that change
	for _, c := range t.present {
		name := t.columns[c].name
		if !slices.Contains(t.cfg.Key, name) && (t.cfg.Update == nil || slices.Contains(t.cfg.Update, name)) {
			set = append(set, name)
		}
	}
	if d == sqltext.SQLite {
		buf := appendList([]byte(" ON CONFLICT ("), t.cfg.Key, d.AppendIdent)
		buf = append(buf, ") DO "...)
		if len(set) == 0 {
			return append(buf, "NOTHING"...)
		}
		return t.cfg.appendAssignments(append(buf, "UPDATE SET "...), set, "excluded.", "")
	}
	if len(set) == 0 { // to what it is: nothing changes
		return t.cfg.appendAssignments([]byte(" ON DUPLICATE KEY UPDATE "), t.cfg.Key[:1], "", "")
	}
	return t.cfg.appendAssignments([]byte(" ON DUPLICATE KEY UPDATE "), set, "VALUES(", ")")
}

// appendAssignments appends name = BEFORE name AFTER for each name.
func (cfg *Config) appendAssignments(dst []byte, names []string, before, after string) []byte {
	return appendList(dst, names, func(dst []byte, name string) []byte {
		dst = append(append(cfg.Dialect.AppendIdent(dst, name), " = "...), before...)
		return append(cfg.Dialect.AppendIdent(dst, name), after...)
	})
}
