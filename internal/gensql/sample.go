package gensql

import (
	"slices"

	"pipeworks/internal/record"
)

// sample holds the first records while the columns are not known.
type sample struct {
	max     int
	records []record.Record
	sources []string // the input of each
}

func (s *sample) full() bool { return len(s.records) >= s.max }

// add keeps a copy of the record: readers use their memory again.
func (s *sample) add(source string, rec *record.Record) {
	kept := *rec
	kept.Raw = slices.Clone(rec.Raw)
	kept.Values = make([]record.Value, len(rec.Values))
	for i, v := range rec.Values {
		kept.Values[i] = record.Value{Kind: v.Kind, Bytes: slices.Clone(v.Bytes)}
	}
	s.records, s.sources = append(s.records, kept), append(s.sources, source)
}

// columns are those of cfg, or all fields of the sampled records in the order
// in which they first come, with the narrowest types that hold every value exactly.
func (s *sample) columns(cfg *Config) ([]column, error) {
	names := cfg.Columns
	if names == nil {
		names = s.fields()
	}
	columns, err := newColumns(cfg, names)
	if err != nil {
		return nil, err
	}
	for i := range columns {
		for j := range s.records {
			rec := &s.records[j]
			if v, ok := rec.Get(columns[i].name); ok {
				columns[i].see(v, rec.Typed, cfg.Dialect)
			}
		}
	}
	for i := range columns {
		columns[i].settle(cfg.Dialect)
	}
	return columns, nil
}

func (s *sample) fields() []string {
	var names []string
	known := map[string]bool{}
	for i := range s.records {
		for _, name := range s.records[i].Fields {
			if !known[name] {
				known[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}
