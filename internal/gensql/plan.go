package gensql

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// fieldColumn is the column that takes a field of the records.
func (cfg *Config) fieldColumn(field string) column {
	name := field
	for _, r := range cfg.Rename {
		if r.From == field {
			name = r.To
		}
	}
	return cfg.column(name, field)
}

func (cfg *Config) column(name, field string) column {
	return column{
		name:     name,
		field:    field,
		key:      slices.Contains(cfg.Key, name) || slices.Contains(cfg.PrimaryKey, name),
		declared: cfg.Types[name],
	}
}

// fieldColumns are the columns of records with these fields.
func (cfg *Config) fieldColumns(fields []string) []column {
	if cfg.Columns != nil {
		fields = cfg.Columns
	}
	columns := make([]column, len(fields))
	for i, field := range fields {
		columns[i] = cfg.fieldColumn(field)
	}
	return columns
}

// plan completes the columns that take fields by those of Config.Set and
// Config.Default, and checks that all that Config names is there.
func (cfg *Config) plan(columns []column) ([]column, error) {
	at := func(name string) int {
		return slices.IndexFunc(columns, func(c column) bool { return c.name == name })
	}
	for _, set := range cfg.Set {
		if at(set.Column) < 0 {
			columns = append(columns, cfg.column(set.Column, ""))
		}
		columns[at(set.Column)].set = sqltext.ParseTemplate(set.Expr, cfg.Dialect)
	}
	for _, def := range cfg.Default {
		if at(def.Name) < 0 {
			columns = append(columns, cfg.column(def.Name, def.Name))
		}
		columns[at(def.Name)].fallback = &def.Value
	}
	if len(columns) == 0 {
		return nil, badRecord("", "a record without fields")
	}
	for i, c := range columns {
		if err := cfg.checkName(c.name); err != nil {
			return nil, &usageError{fmt.Errorf("column %.60q: %w", c.name, err), nameHint(c.name)}
		}
		if at(c.name) < i {
			return nil, usage("column %q is named twice", c.name)
		}
	}
	names := func() string { return columnNames(columns) }
	for _, key := range slices.Concat(cfg.Key, cfg.PrimaryKey) {
		if at(key) < 0 {
			return nil, usage("key column %q is no field of the records: they have %s", key, names())
		}
	}
	for _, r := range cfg.Rename {
		if !slices.ContainsFunc(columns, func(c column) bool { return c.field == r.From }) {
			return nil, usage("--rename %s=%s: there is no such field: the columns are %s", r.From, r.To, names())
		}
	}
	for _, name := range slices.Concat(cfg.Update, slices.Sorted(maps.Keys(cfg.Types))) {
		if at(name) < 0 {
			return nil, usage("there is no column %q: they are %s", name, names())
		}
	}
	if cfg.AutoID && at(autoID) >= 0 {
		return nil, usage("--auto-id makes the column %s, which the records have: --rename %[1]s=…", autoID)
	}
	return columns, nil
}

// autoID is the name of the column that --auto-id makes.
const autoID = "id"

// checkName returns an error if a name cannot be written.
func (cfg *Config) checkName(name string) error {
	if cfg.ASCII && !isASCII(name) {
		return fmt.Errorf("--ascii: it is not ASCII, and a name cannot be written otherwise")
	}
	return cfg.Dialect.CheckIdent(name)
}

// nameHint is what to do about a name that is no text.
func nameHint(name string) string {
	if utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl) {
		return ""
	}
	return "is the input text? --encoding says in which encoding, such as latin1 or utf-16le"
}

func columnNames(columns []column) string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	return strings.Join(names, ", ")
}

// appendSet appends the expression of a column, its parameters filled from the
// record.
func (cfg *Config) appendSet(dst []byte, c *column, rec *record.Record) ([]byte, error) {
	return c.set.Append(dst, func(dst []byte, p sqltext.Param) ([]byte, error) {
		v, ok := rec.Get(p.Name)
		if !ok {
			return dst, badRecord("", "column %q: no value for the parameter :%s", c.name, p.Name)
		}
		return cfg.appendParam(dst, p, v)
	})
}
