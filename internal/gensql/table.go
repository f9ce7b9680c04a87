package gensql

import (
	"fmt"
	"slices"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// table makes the statements of insert, upsert and create.
type table struct {
	cfg     *Config
	w       *statements
	name    []byte // quoted
	batch   int
	sample  *sample // while records are collected to infer columns from
	columns []column

	fields  []string // of the record before, to know a record of the same shape
	from    []int    // for each column its field in such a record, -1: it has none
	present []int    // the columns that are in the statement in hand

	rows  int // in the statement in hand
	start int // of it in w.buf
	row   []byte
}

func newTable(cfg *Config, w *statements) (*table, error) {
	d := cfg.Dialect
	name, err := sqltext.ParseTable(cfg.Table)
	if err == nil {
		err = d.CheckTable(name)
	}
	if err != nil {
		return nil, &usageError{fmt.Errorf("table %q: %w", cfg.Table, err)}
	}
	t := &table{cfg: cfg, w: w, name: d.AppendTable(nil, name), batch: orDefault(cfg.Batch, DefaultBatch)}
	if cfg.Create || cfg.Verb == Create {
		t.sample = &sample{max: orDefault(cfg.Sample, DefaultSample)}
	}
	return t, nil
}

func (t *table) add(source string, rec *record.Record) error {
	if t.sample == nil {
		return t.addRow(rec)
	}
	t.sample.add(source, rec)
	if !t.sample.full() {
		return nil
	}
	return t.create()
}

// create ends the sample: it writes the DDL and then the sample's rows.
func (t *table) create() error {
	sample := t.sample
	t.sample = nil
	if len(sample.records) == 0 {
		return nil
	}
	columns, err := sample.columns(t.cfg)
	if err != nil {
		return err
	}
	t.columns = columns
	t.appendCreate()
	if err := t.w.end(); err != nil {
		return err
	}
	if t.cfg.Verb == Create {
		return errDone
	}
	for i := range sample.records {
		rec := &sample.records[i]
		if err := t.addRow(rec); err != nil {
			if err := rejectRecord(t.cfg.Rejects, sample.sources[i], rec, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *table) appendCreate() {
	d := t.cfg.Dialect
	buf := append(append(t.w.buf, "CREATE TABLE IF NOT EXISTS "...), t.name...)
	buf = append(buf, " ("...)
	for i := range t.columns {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		buf = d.AppendIdent(buf, t.columns[i].name)
		buf = append(append(buf, ' '), t.columns[i].definition(d)...)
	}
	if len(t.cfg.Key) > 0 {
		buf = append(buf, ", PRIMARY KEY ("...)
		buf = append(appendList(buf, t.cfg.Key, d.AppendIdent), ')')
	}
	buf = append(buf, ')')
	if d == sqltext.MySQL {
		buf = append(buf, " DEFAULT CHARACTER SET utf8mb4"...)
	}
	t.w.buf = buf
}

// addRow appends the record's row to the statement in hand, or to a new one
// where that is full or has other columns.
func (t *table) addRow(rec *record.Record) error {
	if t.columns == nil {
		if err := t.fixColumns(rec.Fields); err != nil {
			return err
		}
	}
	if !sameSlice(rec.Fields, t.fields) {
		if err := t.shape(rec.Fields); err != nil {
			t.fields = nil
			return err
		}
	}
	t.row = append(t.row[:0], '(')
	for i, c := range t.present {
		if i > 0 {
			t.row = append(t.row, ", "...)
		}
		var err error
		if t.row, err = t.columns[c].appendLiteral(t.row, rec.Values[t.from[c]], rec.Typed, t.cfg.Dialect); err != nil {
			return err
		}
	}
	t.row = append(t.row, ')')
	if t.rows > 0 && (t.rows == t.batch || len(t.w.buf)-t.start+len(t.row)+len(t.suffix())+len(", ;\n") > t.w.max) {
		if err := t.cut(); err != nil {
			return err
		}
	}
	if t.rows == 0 {
		t.start = len(t.w.buf)
		t.appendHead()
	} else {
		t.w.buf = append(t.w.buf, ", "...)
	}
	t.w.buf = append(t.w.buf, t.row...)
	t.rows++
	return nil
}

func (t *table) appendHead() {
	d := t.cfg.Dialect
	buf := append(append(t.w.buf, "INSERT INTO "...), t.name...)
	buf = append(buf, " ("...)
	for i, c := range t.present {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		buf = d.AppendIdent(buf, t.columns[c].name)
	}
	t.w.buf = append(buf, ") VALUES "...)
}

// suffix is what stands behind the rows of an upsert.
func (t *table) suffix() []byte {
	if t.cfg.Verb != Upsert {
		return nil
	}
	d := t.cfg.Dialect
	var set []string // the columns that change
	for _, c := range t.present {
		if name := t.columns[c].name; !slices.Contains(t.cfg.Key, name) {
			set = append(set, name)
		}
	}
	if d == sqltext.SQLite {
		buf := append([]byte(nil), " ON CONFLICT ("...)
		buf = append(appendList(buf, t.cfg.Key, d.AppendIdent), ") DO "...)
		if len(set) == 0 {
			return append(buf, "NOTHING"...)
		}
		return appendList(append(buf, "UPDATE SET "...), set, func(dst []byte, name string) []byte {
			dst = append(d.AppendIdent(dst, name), " = excluded."...)
			return d.AppendIdent(dst, name)
		})
	}
	if len(set) == 0 {
		set = t.cfg.Key // to what it is: nothing changes
	}
	return appendList([]byte(" ON DUPLICATE KEY UPDATE "), set, func(dst []byte, name string) []byte {
		dst = append(d.AppendIdent(dst, name), " = VALUES("...)
		return append(d.AppendIdent(dst, name), ')')
	})
}

// cut ends the statement in hand.
func (t *table) cut() error {
	if t.rows == 0 {
		return nil
	}
	t.rows = 0
	t.w.buf = append(t.w.buf, t.suffix()...)
	return t.w.end()
}

func (t *table) end() error {
	if t.sample != nil {
		if err := t.create(); err != nil {
			return err
		}
	}
	return t.cut()
}

// fixColumns makes the fields of the first record the columns.
func (t *table) fixColumns(fields []string) error {
	if t.cfg.Columns != nil {
		fields = t.cfg.Columns
	}
	columns, err := newColumns(t.cfg, fields)
	if err != nil {
		return err
	}
	t.columns = columns
	return nil
}

func newColumns(cfg *Config, names []string) ([]column, error) {
	if len(names) == 0 {
		return nil, badRecord("", "a record without fields")
	}
	columns := make([]column, len(names))
	for i, name := range names {
		if err := cfg.Dialect.CheckIdent(name); err != nil {
			return nil, &usageError{fmt.Errorf("column %q: %w", name, err)}
		}
		if slices.Contains(names[:i], name) { // only --column can say so
			return nil, &usageError{fmt.Errorf("column %q is named twice", name)}
		}
		columns[i] = column{name: name, key: slices.Contains(cfg.Key, name)}
	}
	for _, key := range cfg.Key {
		if !slices.Contains(names, key) {
			return nil, &usageError{fmt.Errorf("key column %q is no field of the records: they have %s", key, quoteList(names))}
		}
	}
	return columns, nil
}

// shape finds where a record with these fields has its columns' values.
func (t *table) shape(fields []string) error {
	from := make([]int, len(t.columns))
	var present []int
	for i := range t.columns {
		from[i] = slices.Index(fields, t.columns[i].name)
		switch {
		case from[i] >= 0:
			present = append(present, i)
		case t.columns[i].key:
			return badRecord("", "no value for the key column %q", t.columns[i].name)
		}
	}
	if t.cfg.Columns == nil && len(present) < len(fields) {
		for _, f := range fields {
			if !slices.ContainsFunc(t.columns, func(c column) bool { return c.name == f }) {
				return badRecord("", "unknown field %q: the columns are %s", f, t.columnNames())
			}
		}
	}
	if len(present) == 0 {
		return badRecord("", "none of its fields is a column")
	}
	if !slices.Equal(present, t.present) {
		if err := t.cut(); err != nil {
			return err
		}
	}
	t.fields, t.from, t.present = fields, from, present
	return nil
}

func (t *table) columnNames() string {
	names := make([]string, len(t.columns))
	for i := range t.columns {
		names[i] = t.columns[i].name
	}
	return quoteList(names)
}

// sameSlice reports whether both are the very same slice: readers give records
// of one shape the same Fields.
func sameSlice(a, b []string) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
