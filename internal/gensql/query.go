package gensql

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// Param is a parameter that has one value for all statements.
type Param struct {
	Name  string
	Value record.Value
}

// query fills the template once for each record.
type query struct {
	cfg      *Config
	w        *statements
	template *sqltext.Template
	params   map[string]record.Value
}

func newQuery(cfg *Config, w *statements) (*query, error) {
	sql := trimStatement(cfg.SQL)
	if sql == "" {
		return nil, usage("the statement is empty")
	}
	template := sqltext.ParseTemplate(sql, cfg.Dialect)
	q := &query{cfg: cfg, w: w, template: template, params: map[string]record.Value{}}
	for _, p := range cfg.Params {
		q.params[p.Name] = p.Value
	}
	names := slices.Concat(template.Names(), template.Quoted())
	for _, p := range cfg.Params {
		if !slices.Contains(names, p.Name) {
			cfg.Warn(fmt.Sprintf("the statement has no parameter :%s", p.Name))
		}
	}
	for _, name := range template.Quoted() {
		cfg.Warn(fmt.Sprintf("':%s' is text, not a parameter: gensql puts the quotes, write :%s", name, name))
	}
	return q, nil
}

// trimStatement takes off the end of a statement, which is added again.
func trimStatement(sql string) string { return strings.TrimRight(sql, "; \t\r\n") }

// needsRecords reports whether a parameter must come from the records. If not,
// there is one statement and no input.
func (q *query) needsRecords() bool {
	for _, name := range q.template.Names() {
		if _, ok := q.params[name]; !ok {
			return true
		}
	}
	return false
}

func (q *query) once() error { return q.add("", &record.Record{}) }

func (q *query) add(_ string, rec *record.Record) error {
	length := len(q.w.buf)
	open := q.w.open
	q.w.begin()
	buf, err := q.template.Append(q.w.buf, func(dst []byte, p sqltext.Param) ([]byte, error) {
		v, ok := rec.Get(p.Name)
		if !ok {
			v, ok = q.params[p.Name]
		}
		if !ok {
			return dst, badRecord("the record has "+strings.Join(rec.Fields, ", "), "no value for the parameter :%s", p.Name)
		}
		return q.cfg.appendParam(dst, p, v)
	})
	if err != nil {
		q.w.buf, q.w.open = buf[:length], open
		return err
	}
	if q.template.EndsInComment() {
		buf = append(buf, '\n')
	}
	q.w.buf = buf
	return q.w.end()
}

// appendParam appends a parameter's value.
func (cfg *Config) appendParam(dst []byte, p sqltext.Param, v record.Value) ([]byte, error) {
	wrap := func(err error) error {
		if bad, ok := errors.AsType[*recordError](err); ok {
			bad.err = fmt.Errorf("parameter :%s: %w", p.Name, bad.err)
		}
		return err
	}
	if p.Identifier {
		name := string(v.Bytes)
		if err := cfg.checkName(name); err != nil {
			return dst, badRecord("", "parameter :%s: %w", p.Name, err)
		}
		return cfg.Dialect.AppendIdent(dst, name), nil
	}
	elements, ok := record.Elements(v)
	if !ok {
		dst, err := cfg.appendValue(dst, v)
		return dst, wrap(err)
	}
	// IN (:ids) of an empty list: IN (NULL) is true of nothing.
	if len(elements) == 0 {
		return append(dst, "NULL"...), nil
	}
	for i, e := range elements {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		var err error
		if dst, err = cfg.appendValue(dst, e); err != nil {
			return dst, wrap(err)
		}
	}
	return dst, nil
}

// The rest has nothing to do: a statement is whole when its record is.
func (q *query) cut() error      { return nil }
func (q *query) end() error      { return nil }
func (q *query) header([]string) {}
