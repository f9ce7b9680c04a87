package sqlpipe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"pipeworks/internal/database"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
	"pipeworks/internal/stream"
)

// Load fills a table with the records of in, in one transaction: all or
// nothing. The columns are the fields of the first record of each input.
func Load(ctx context.Context, cfg Config, table sqltext.Table, in stream.Inputs) (sum Summary, err error) {
	conn, err := database.Open(ctx, cfg.DB, cfg.Connect)
	if err != nil {
		return sum, err
	}
	s := &session{cfg: &cfg, conn: conn}
	if err = s.exec(ctx, "BEGIN"); err == nil {
		err = in.Each(ctx, func(input *stream.Input) error {
			rows, err := s.load(ctx, table, input)
			sum.In += rows
			return err
		})
	}
	if err == nil {
		err = s.exec(ctx, "COMMIT")
	}
	if dbErr, ok := errors.AsType[*database.Error](err); ok {
		err = &loadError{table.Name, dbErr, cure(dbErr, []byte("INSERT"), cfg.DB.Dialect)}
	}
	return sum, errors.Join(err, conn.Close()) // what is not committed is undone
}

// loadError is a table that takes no such rows.
type loadError struct {
	table string
	err   *database.Error
	cure  string // "": what err says
}

func (e *loadError) Error() string { return "load " + e.table + ": " + e.err.Error() }
func (e *loadError) Unwrap() error { return e.err }

// Hint is what to do about it.
func (e *loadError) Hint() string { return cmp.Or(e.cure, e.err.Hint()) }

// load loads the records of one input.
func (s *session) load(ctx context.Context, table sqltext.Table, input *stream.Input) (int64, error) {
	o := s.cfg.Input
	o.Source = input.Name()
	r, err := record.NewReader(input, o)
	if err != nil {
		return 0, err
	}
	f := &feed{reader: r, source: input.Name()}
	switch err := r.Read(&f.rec); err {
	case nil:
		f.first = true
	case io.EOF:
		return 0, nil
	default:
		return 0, err
	}
	f.columns = slices.Clone(f.rec.Fields)
	rows, err := database.Load(ctx, s.conn, database.Loading{Table: table, Columns: f.columns, Next: f.next})
	if failure, ok := errors.AsType[*database.LoadError](err); ok {
		err = fmt.Errorf("load %s from %s: %w", table.Name, input.Name(), failure)
	}
	return rows, err
}

// feed is the records of an input as rows with the columns of the first one.
type feed struct {
	reader  record.Reader
	source  string
	rec     record.Record
	columns []string
	first   bool // rec has not been given yet
	values  []record.Value
}

func (f *feed) next() ([]record.Value, error) {
	if !f.first {
		if err := f.reader.Read(&f.rec); err != nil {
			return nil, err
		}
	}
	f.first = false
	if slices.Equal(f.rec.Fields, f.columns) {
		return f.rec.Values, nil
	}
	f.values = f.values[:0]
	for _, column := range f.columns {
		v, ok := f.rec.Get(column)
		if !ok {
			return nil, &fieldsError{f.source, f.rec.Line, "lacks the field " + column}
		}
		f.values = append(f.values, v)
	}
	for _, field := range f.rec.Fields {
		if !slices.Contains(f.columns, field) {
			return nil, &fieldsError{f.source, f.rec.Line, "has another field, " + field}
		}
	}
	return f.values, nil
}

// fieldsError is a record that is not like the first one.
type fieldsError struct {
	source string
	line   int
	what   string
}

func (e *fieldsError) Error() string {
	return fmt.Sprintf("%s: line %d: the record %s", e.source, e.line, e.what)
}

// Hint is what takes such records.
func (e *fieldsError) Hint() string {
	return "gensql insert --union-keys takes records of different fields"
}
