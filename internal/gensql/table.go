package gensql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// table makes the statements that are about one table, from rows that have
// the columns' values.
type table struct {
	cfg     *Config
	w       *statements
	name    []byte // quoted
	batch   int
	begun   bool    // a record was seen
	headed  bool    // a header was
	sample  *sample // while records are collected to learn the columns from
	columns []column
	keys    []int // the columns of Config.Key

	fields  []string // of the record before, to know a record of the same shape
	from    []int    // for each column its field in such a record, -1: it has none
	present []int    // the columns that are in the statement in hand

	rows   int    // in the statement in hand
	start  int    // of it in w.buf
	suffix []byte // what ends it
	spare  []byte // a row on its way to the next statement
}

func newTable(cfg *Config, w *statements) (*table, error) {
	d := cfg.Dialect
	name, err := sqltext.ParseTable(cfg.Table)
	if err == nil {
		err = d.CheckTable(name)
	}
	if err != nil {
		return nil, usage("table %q: %w", cfg.Table, err)
	}
	t := &table{cfg: cfg, w: w, name: d.AppendTable(nil, name), batch: orDefault(cfg.Batch, DefaultBatch)}
	if cfg.Verb == Update {
		t.batch = 1
	}
	if cfg.Create || cfg.Verb == Create || cfg.UnionKeys {
		if t.sample, err = newSample(cfg); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *table) add(source string, rec *record.Record) error {
	if !t.begun {
		t.begun = true
		if err := t.checkHeader(rec); err != nil {
			return err
		}
	}
	if t.sample == nil {
		return t.addRow(rec)
	}
	if err := t.sample.add(source, rec); err != nil {
		return err
	}
	if !t.sample.full() {
		return nil
	}
	return t.endSample()
}

// header makes columns of any text of a header that no record follows.
func (t *table) header(fields []string) {
	if t.sample == nil {
		return
	}
	for _, field := range fields {
		t.headed = true
		t.sample.column(field)
	}
}

// checkHeader looks at the fields of the first record for what is probably
// meant otherwise. In JSON a later record may have other fields.
func (t *table) checkHeader(rec *record.Record) error {
	if rec.Typed {
		return nil
	}
	if len(rec.Fields) == 1 && strings.ContainsAny(rec.Fields[0], ";|\t") {
		t.cfg.Warn(fmt.Sprintf("the header is one field, %q: --delimiter says what stands between fields", rec.Fields[0]))
	}
	if i := slices.IndexFunc(rec.Fields, looksLikeData); i >= 0 && !t.cfg.Input.NoHeader && t.cfg.Input.HeaderNames == nil {
		t.cfg.Warn(fmt.Sprintf("the header has a field %q: --no-header if the first line is a record", rec.Fields[i]))
	}
	for _, field := range t.cfg.Columns {
		if !slices.Contains(rec.Fields, field) {
			return usage("--column %s: there is no such field: they are %s", field, strings.Join(rec.Fields, ", "))
		}
	}
	return nil
}

// looksLikeData reports whether a name is a number, and no year: a column may be
// of one.
func looksLikeData(name string) bool {
	_, err := strconv.ParseFloat(name, 64)
	_, notYear := time.Parse("2006", name)
	return err == nil && notYear != nil && strings.ContainsAny(name, "0123456789")
}

// endSample writes the DDL, if it is wanted, and the rows of the sample.
func (t *table) endSample() error {
	sample := t.sample
	t.sample = nil
	defer sample.close()
	if sample.count == 0 && !(t.makes() && t.headed) {
		return nil
	}
	if err := t.setColumns(sample.columns); err != nil {
		return err
	}
	columns := t.columns
	if t.makes() {
		for i := range columns {
			if c := &columns[i]; c.fallback != nil && c.seen < sample.count {
				c.see(*c.fallback, false, t.cfg.Dialect)
				c.seen = sample.count
			}
			columns[i].settle(sample.count, t.cfg)
		}
		t.appendCreate()
		if err := t.w.end(); err != nil {
			return err
		}
	}
	if t.cfg.Verb == Create {
		return errDone
	}
	return sample.each(func(source string, rec *record.Record) error {
		if err := t.addRow(rec); err != nil {
			return rejectRecord(t.cfg.Rejects, source, rec, err)
		}
		return nil
	})
}

// makes reports whether there is DDL to write.
func (t *table) makes() bool { return t.cfg.Create || t.cfg.Verb == Create }

// setColumns fixes the columns, of which those given take fields.
func (t *table) setColumns(columns []column) error {
	columns, err := t.cfg.plan(columns)
	if err != nil {
		return err
	}
	if t.cfg.Verb == Delete {
		columns = slices.DeleteFunc(columns, func(c column) bool { return !c.key })
	}
	t.columns = columns
	t.keys = make([]int, len(t.cfg.Key))
	for i, key := range t.cfg.Key {
		t.keys[i] = slices.IndexFunc(columns, func(c column) bool { return c.name == key })
	}
	return nil
}

func (t *table) appendCreate() {
	d := t.cfg.Dialect
	buf := append(append(t.w.buf, "CREATE TABLE IF NOT EXISTS "...), t.name...)
	buf = append(buf, " ("...)
	if t.cfg.AutoID {
		buf = d.AppendIdent(buf, autoID)
		if d == sqltext.SQLite {
			buf = append(buf, " INTEGER PRIMARY KEY, "...)
		} else {
			buf = append(buf, " BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, "...)
		}
	}
	for i := range t.columns {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		buf = d.AppendIdent(buf, t.columns[i].name)
		buf = append(append(buf, ' '), t.columns[i].definition(d)...)
	}
	for _, key := range []struct {
		kind    string
		columns []string
	}{
		{"PRIMARY KEY", t.primaryKey()},
		{"UNIQUE", t.uniqueKey()},
	} {
		if len(key.columns) > 0 {
			buf = append(append(append(buf, ", "...), key.kind...), " ("...)
			buf = append(appendList(buf, key.columns, d.AppendIdent), ')')
		}
	}
	buf = append(buf, ')')
	if d == sqltext.MySQL {
		buf = append(buf, " DEFAULT CHARACTER SET utf8mb4"...)
	}
	t.w.buf = buf
}

// primaryKey and uniqueKey are those of the table that is made: an upsert needs
// a key, whatever else is the primary one.
func (t *table) primaryKey() []string {
	if len(t.cfg.PrimaryKey) == 0 && !t.cfg.AutoID {
		return t.cfg.Key
	}
	return t.cfg.PrimaryKey
}

func (t *table) uniqueKey() []string {
	if slices.Equal(t.primaryKey(), t.cfg.Key) {
		return nil
	}
	return t.cfg.Key
}

// addRow appends the record's row to the statement in hand, or to a new one
// where that is full or has other columns.
func (t *table) addRow(rec *record.Record) error {
	if t.columns == nil {
		if err := t.setColumns(t.cfg.fieldColumns(rec.Fields)); err != nil {
			return err
		}
	}
	if !sameSlice(rec.Fields, t.fields) {
		if err := t.shape(rec.Fields); err != nil {
			t.fields = nil
			return err
		}
	}
	if t.rows == t.batch {
		if err := t.cut(); err != nil {
			return err
		}
	}
	w := t.w
	before, open := len(w.buf), w.open
	t.appendSeparator()
	row := len(w.buf)
	buf, err := t.appendRow(w.buf, rec)
	if err != nil {
		w.buf, w.open = w.buf[:before], open
		return err
	}
	w.buf = buf
	if t.rows > 0 && len(w.buf)-t.start+len(t.suffix)+len(";\n") > w.max {
		t.spare = append(t.spare[:0], w.buf[row:]...)
		w.buf = w.buf[:before]
		if err := t.cut(); err != nil {
			return err
		}
		t.appendSeparator()
		w.buf = append(w.buf, t.spare...)
	}
	t.rows++
	return nil
}

// appendSeparator appends what stands before a row: a comma, or the head of a
// new statement.
func (t *table) appendSeparator() {
	if t.rows > 0 {
		t.w.buf = append(t.w.buf, ", "...)
		return
	}
	t.w.begin()
	t.start = len(t.w.buf)
	t.appendHead()
}

// appendValue appends the value of a column.
func (t *table) appendValue(dst []byte, c int, rec *record.Record) ([]byte, error) {
	column := &t.columns[c]
	switch {
	case column.set != nil:
		return t.cfg.appendSet(dst, column, rec)
	case t.from[c] >= 0:
		return column.appendLiteral(dst, rec.Values[t.from[c]], rec.Typed, t.cfg)
	case column.fallback != nil:
		return column.appendLiteral(dst, *column.fallback, false, t.cfg)
	}
	return append(dst, "DEFAULT"...), nil
}

// cut ends the statement in hand.
func (t *table) cut() error {
	if t.rows == 0 {
		return nil
	}
	t.rows = 0
	t.w.buf = append(t.w.buf, t.suffix...)
	return t.w.end()
}

func (t *table) end() error {
	if t.sample != nil {
		if err := t.endSample(); err != nil {
			return err
		}
	}
	return t.cut()
}

// shape finds where a record with these fields has its columns' values.
func (t *table) shape(fields []string) error {
	// Where a missing value can be said to be the default, the record goes
	// with the others.
	defaults := t.cfg.Dialect == sqltext.MySQL && (t.cfg.Verb == Insert || t.cfg.Verb == Replace)
	from := make([]int, len(t.columns))
	var present []int
	found := 0
	for i := range t.columns {
		c := &t.columns[i]
		from[i] = -1
		if c.field != "" {
			from[i] = slices.Index(fields, c.field)
		}
		if from[i] >= 0 {
			found++
		}
		switch {
		case from[i] >= 0, c.set != nil, c.fallback != nil:
			present = append(present, i)
		case c.key:
			return badRecord("", "no value for the key column %q", c.name)
		case defaults:
			present = append(present, i)
		}
	}
	if t.cfg.Columns == nil && found < len(fields) && t.cfg.Verb != Delete {
		for _, f := range fields {
			if !t.takes(f) {
				return badRecord("", "unknown field %q: the columns are %s", f, columnNames(t.columns))
			}
		}
	}
	if found == 0 {
		return badRecord("", "none of its fields is a column")
	}
	if !slices.Equal(present, t.present) {
		if err := t.cut(); err != nil {
			return err
		}
	}
	t.fields, t.from, t.present = fields, from, present
	t.suffix = t.newSuffix()
	return nil
}

// takes reports whether a field is of use.
func (t *table) takes(field string) bool {
	return slices.ContainsFunc(t.columns, func(c column) bool {
		return c.field == field || c.set != nil && slices.Contains(c.set.Names(), field)
	})
}

// sameSlice reports whether both are the very same slice: readers give records
// of one shape the same Fields.
func sameSlice(a, b []string) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
