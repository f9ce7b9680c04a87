package gensql

import (
	"io"
	"slices"

	"pipeworks/internal/record"
)

// sample looks at the first records, while the columns are not known, and
// keeps them: in memory, or in a temporary file if all are wanted.
type sample struct {
	cfg     *Config
	columns []column       // one for each field of the records, or of Config.Columns
	index   map[string]int // of a field
	count   int64          // records

	records []record.Record
	sources []string // the input of each
	spool   *spool   // instead, if all records are wanted
}

func newSample(cfg *Config) (*sample, error) {
	s := &sample{cfg: cfg, index: map[string]int{}}
	for _, field := range cfg.Columns {
		s.column(field)
	}
	if cfg.Sample == SampleAll && cfg.Verb != Create {
		var err error
		if s.spool, err = newSpool(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *sample) full() bool {
	return s.cfg.Sample != SampleAll && s.count >= int64(orDefault(s.cfg.Sample, DefaultSample))
}

// column is the one that takes a field, nil if it is not wanted.
func (s *sample) column(field string) *column {
	if i, ok := s.index[field]; ok {
		return &s.columns[i]
	}
	if s.cfg.Columns != nil && len(s.columns) == len(s.cfg.Columns) {
		return nil
	}
	s.index[field] = len(s.columns)
	s.columns = append(s.columns, s.cfg.fieldColumn(field))
	return &s.columns[len(s.columns)-1]
}

// add looks at a record and keeps a copy of it.
func (s *sample) add(source string, rec *record.Record) error {
	s.count++
	for i, field := range rec.Fields {
		if c := s.column(field); c != nil {
			c.see(rec.Values[i], rec.Typed, s.cfg.Dialect)
		}
	}
	switch {
	case s.cfg.Verb == Create:
		return nil
	case s.spool != nil:
		return s.spool.write(source, rec)
	}
	kept := *rec
	kept.Raw = slices.Clone(rec.Raw)
	kept.Values = make([]record.Value, len(rec.Values))
	for i, v := range rec.Values {
		kept.Values[i] = record.Value{Kind: v.Kind, Bytes: slices.Clone(v.Bytes)}
	}
	s.records, s.sources = append(s.records, kept), append(s.sources, source)
	return nil
}

// each calls fn with every record kept.
func (s *sample) each(fn func(source string, rec *record.Record) error) error {
	for i := range s.records {
		if err := fn(s.sources[i], &s.records[i]); err != nil {
			return err
		}
	}
	if s.spool == nil {
		return nil
	}
	if err := s.spool.rewind(); err != nil {
		return err
	}
	for {
		source, rec, err := s.spool.read()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = fn(source, &rec)
		}
		if err != nil {
			return err
		}
	}
}

func (s *sample) close() {
	if s.spool != nil {
		s.spool.close()
	}
}
