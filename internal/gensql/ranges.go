package gensql

import (
	"context"
	"io"
	"math/big"

	"pipeworks/internal/sqltext"
)

// RangesConfig says how a range of integers is cut into statements.
type RangesConfig struct {
	Dialect sqltext.Dialect
	Table   string // see sqltext.ParseTable
	Key     string // the column

	From, To, Step *big.Int // From and To are both in the range
	SQL            string   // the template, with :lo (in the range) and :hi (behind it); empty: DefaultRangesSQL

	Transaction int // statements a transaction; 0: none
}

// DefaultRangesSQL is the statement of RangesConfig if none is given. :table
// and :key stand for the names.
const DefaultRangesSQL = "SELECT * FROM :table WHERE :key >= :lo AND :key < :hi"

// Ranges writes a statement for each step of a range.
func Ranges(ctx context.Context, cfg RangesConfig, out io.Writer) (Summary, error) {
	var sum Summary
	table, err := sqltext.ParseTable(cfg.Table)
	if err == nil {
		err = cfg.Dialect.CheckTable(table)
	}
	if err != nil {
		return sum, usage("table %q: %w", cfg.Table, err)
	}
	if err := cfg.Dialect.CheckIdent(cfg.Key); err != nil {
		return sum, usage("key %q: %w", cfg.Key, err)
	}
	if cfg.SQL == "" {
		cfg.SQL = DefaultRangesSQL
	}
	template := sqltext.ParseTemplate(trimStatement(cfg.SQL), cfg.Dialect)
	for _, name := range template.Names() {
		switch name {
		case "lo", "hi", "table", "key":
		default:
			return sum, usage("the statement has a parameter :%s; there are :lo, :hi, :table and :key", name)
		}
	}
	w := &statements{out: out, transaction: cfg.Transaction}
	end := new(big.Int).Add(cfg.To, big.NewInt(1))
	for lo, hi := new(big.Int).Set(cfg.From), new(big.Int); lo.Cmp(end) < 0; lo.Set(hi) {
		if hi.Add(lo, cfg.Step); hi.Cmp(end) > 0 {
			hi.Set(end)
		}
		w.begin()
		w.buf, _ = template.Append(w.buf, func(dst []byte, p sqltext.Param) ([]byte, error) {
			switch p.Name {
			case "lo":
				dst = lo.Append(dst, 10)
			case "hi":
				dst = hi.Append(dst, 10)
			case "table":
				dst = cfg.Dialect.AppendTable(dst, table)
			case "key":
				dst = cfg.Dialect.AppendIdent(dst, cfg.Key)
			}
			return dst, nil
		})
		if template.EndsInComment() {
			w.buf = append(w.buf, '\n')
		}
		if err = w.end(); err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			break
		}
	}
	w.close(err == nil)
	if flushErr := w.flush(); err == nil {
		err = flushErr
	}
	sum.Out, sum.Bytes = w.count, w.bytes
	return sum, err
}
