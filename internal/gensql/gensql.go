// Package gensql turns records into SQL statements.
//
// A value can never leave its literal, whatever the server's sql_mode, and an
// identifier is always quoted (package sqltext). A statement is one line
// wherever its text is gensql's own.
//
// The columns of insert and upsert are the fields of the first record, or with
// Create those of all sampled ones, unless Config.Columns names them. A record that lacks some of them gets a
// statement without these columns, so that the table's defaults hold; a record
// with a field that is none of them is rejected.
package gensql

import (
	"context"
	"errors"
	"fmt"
	"io"

	"pipeworks/internal/progress"
	"pipeworks/internal/record"
	"pipeworks/internal/reject"
	"pipeworks/internal/sqltext"
	"pipeworks/internal/stream"
)

// Verb is what the statements do.
type Verb uint8

// The verbs.
const (
	Insert Verb = iota
	Replace
	Upsert
	Update
	Delete
	Create // DDL alone
	Query  // the statement of Config.SQL, once a record
)

// Defaults of Config.
const (
	DefaultBatch     = 1000
	DefaultMaxPacket = 1 << 20 // what even an old server takes
	DefaultSample    = 1000
)

// SampleAll as Config.Sample looks at all records before the first statement.
const SampleAll = -1

// Rename gives the column of a field another name.
type Rename struct{ From, To string }

// Set gives a column an SQL expression as its value. It may have parameters:
// :name is the record's field.
type Set struct{ Column, Expr string }

// Config says what to generate. The zero value inserts into no table: Table
// or SQL must be given.
type Config struct {
	Verb    Verb
	Dialect sqltext.Dialect

	Table   string   // `t` or `db.t`, see sqltext.ParseTable
	Columns []string // the fields to take, others are dropped; nil: see the package comment
	Rename  []Rename
	Set     []Set
	Default []Param         // what a record without the field gets
	Types   map[string]Type // of columns; others are what their values are

	Key    []string // Upsert, Update, Delete: the columns of the unique key
	Ignore bool     // Insert: leave rows alone whose key is there
	Update []string // Upsert: the columns that change; nil: all but the key

	Create     bool     // CREATE TABLE IF NOT EXISTS first; Upsert makes Key its primary key
	PrimaryKey []string // of the table that is made
	AutoID     bool     // the table that is made numbers its rows in a column id
	NotNull    bool     // its columns without NULL in the sample are NOT NULL
	UnionKeys  bool     // the columns are the fields of all sampled records, also without Create

	SQL    string  // Query: the template
	Params []Param // Query: parameters that every statement gets

	ASCII       bool // nothing but ASCII is written
	Batch       int  // rows a statement; 0 is DefaultBatch
	MaxPacket   int  // bytes at which a statement of several rows is cut; 0 is DefaultMaxPacket
	Sample      int  // records from which columns are inferred; 0 is DefaultSample, SampleAll all of them
	Transaction int  // statements a transaction; 0: none
	Header      bool // begin and end with a comment, and set the connection's character set

	Input   record.ReaderOptions // Source is set for each input
	Rejects *reject.Sink         // nil: stop at the first bad record
	Warn    func(message string) // nil: warnings are dropped
	Meter   *progress.Meter      // counts the records; nil: nobody does
}

// Summary is what a run did.
type Summary struct {
	In       int64 `json:"in"`       // records read
	Out      int64 `json:"out"`      // statements written
	Rejected int   `json:"rejected"` // records that became no row
	Bytes    int64 `json:"bytes"`    // written
}

// consumer takes the records one after another. An error that is a
// *record.SyntaxError is about that record alone.
type consumer interface {
	// add takes one record of the input called source.
	add(source string, rec *record.Record) error
	// header is called for an input that has a header and no record.
	header(fields []string)
	// cut ends the statement in hand, as far as records may wait no longer.
	cut() error
	// end is called behind the last record.
	end() error
}

// Run reads records from in and writes statements to out.
func Run(ctx context.Context, cfg Config, in stream.Inputs, out io.Writer) (Summary, error) {
	if cfg.Rejects == nil {
		cfg.Rejects = &reject.Sink{Tool: "gensql"}
	}
	if cfg.Warn == nil {
		cfg.Warn = func(string) {}
	}
	w := &statements{out: out, max: orDefault(cfg.MaxPacket, DefaultMaxPacket), transaction: cfg.Transaction}
	if cfg.Header {
		w.header(&cfg)
	}
	var sum Summary
	err := run(ctx, &cfg, in, w, &sum)
	// What was generated before an error stands: it goes out whole. But a
	// transaction that was not filled is undone.
	w.close(err == nil)
	if cfg.Header && err == nil {
		w.trailer()
	}
	err = errors.Join(err, w.flush())
	sum.Out, sum.Bytes, sum.Rejected = w.count, w.bytes, cfg.Rejects.Count()
	if err != nil {
		return sum, err
	}
	return sum, cfg.Rejects.Err()
}

func run(ctx context.Context, cfg *Config, in stream.Inputs, w *statements, sum *Summary) error {
	c, err := newConsumer(cfg, w)
	if err != nil {
		return err
	}
	if q, ok := c.(*query); ok && !q.needsRecords() {
		if len(in.Names) == 0 {
			return q.once()
		}
		cfg.Warn("the statement takes nothing from the records, and is repeated for each: :name stands for a field")
	}
	err = in.Each(ctx, func(input *stream.Input) error {
		input.OnIdle(func() error {
			if err := c.cut(); err != nil {
				return err
			}
			return w.flush()
		})
		return readAll(cfg, input, c, sum)
	})
	if err == nil {
		err = c.end()
	}
	if err == errDone {
		return nil
	}
	return errors.Join(err, c.cut())
}

// errDone ends the reading early: the records behind the sample do not matter
// to the verb create.
var errDone = errors.New("done")

func newConsumer(cfg *Config, w *statements) (consumer, error) {
	if cfg.Verb == Query {
		return newQuery(cfg, w)
	}
	return newTable(cfg, w)
}

// readAll hands every record of one input to the consumer, and those that
// fail to the sink of rejects.
func readAll(cfg *Config, input *stream.Input, c consumer, sum *Summary) error {
	o := cfg.Input
	o.Source, o.Warn = input.Name(), cfg.Warn
	r, err := record.NewReader(input, o)
	if err != nil {
		return err
	}
	var rec record.Record
	for {
		err := r.Read(&rec)
		if err == io.EOF {
			if header, ok := r.(record.Header); ok && sum.In == 0 {
				c.header(header.Header())
			}
			return nil
		}
		if err == nil {
			sum.In++
			cfg.Meter.AddRecords(1)
			if err = c.add(o.Source, &rec); err == nil {
				continue
			}
		} else if _, ok := errors.AsType[*record.SyntaxError](err); ok {
			sum.In++
		}
		if err = rejectRecord(cfg.Rejects, o.Source, &rec, err); err != nil {
			return err
		}
	}
}

// rejectRecord gives the sink an error that is about one record; others are
// returned.
func rejectRecord(sink *reject.Sink, source string, rec *record.Record, err error) error {
	if syntax, ok := errors.AsType[*record.SyntaxError](err); ok {
		return sink.Add(reject.Record{Source: syntax.Source, Line: syntax.Line, Err: err, Input: syntax.Raw})
	}
	if bad, ok := errors.AsType[*recordError](err); ok {
		bad.source, bad.line = source, rec.Line
		return sink.Add(reject.Record{Source: source, Line: rec.Line, Err: err, Input: rec.Raw})
	}
	return err
}

// recordError is a well-formed record that cannot become a row.
type recordError struct {
	source string
	line   int
	err    error
	hint   string
}

func badRecord(hint, format string, args ...any) error {
	return &recordError{err: fmt.Errorf(format, args...), hint: hint}
}

func (e *recordError) Error() string {
	return fmt.Sprintf("%s: line %d: %v", e.source, e.line, e.err)
}

func (e *recordError) Unwrap() error { return e.err }

func (e *recordError) Hint() string { return e.hint }

// statements collects finished statements into blocks.
type statements struct {
	out         io.Writer
	max         int
	transaction int // statements in each

	buf   []byte
	open  int // statements in the transaction in hand
	count int64
	bytes int64
}

const blockSize = 64 << 10

// begin is called before the text of a statement is appended to buf. Those that
// commit by themselves are in no transaction.
func (w *statements) begin() {
	if w.transaction > 0 && w.open == 0 {
		w.buf = append(w.buf, "BEGIN;\n"...)
	}
	w.open++
}

// end finishes the statement whose text was appended to buf.
func (w *statements) end() error {
	w.buf = append(w.buf, ";\n"...)
	w.count++
	if w.open == w.transaction {
		w.close(true)
	}
	if len(w.buf) >= blockSize {
		return w.flush()
	}
	return nil
}

// close ends the transaction in hand.
func (w *statements) close(commit bool) {
	switch {
	case w.transaction == 0 || w.open == 0:
	case commit:
		w.buf = append(w.buf, "COMMIT;\n"...)
	default:
		w.buf = append(w.buf, "ROLLBACK;\n"...)
	}
	w.open = 0
}

// header and trailer frame the statements, so that their reader can tell that
// it has them all.
func (w *statements) header(cfg *Config) {
	w.buf = append(w.buf, "-- gensql\n"...)
	if cfg.Dialect == sqltext.MySQL {
		w.buf = append(w.buf, "SET NAMES utf8mb4;\n"...)
	}
}

func (w *statements) trailer() {
	w.buf = fmt.Appendf(w.buf, "-- gensql: the end of %d statements\n", w.count)
}

func (w *statements) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	n, err := w.out.Write(w.buf)
	w.bytes += int64(n)
	w.buf = w.buf[:0]
	return err
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

// usageError is a request that no record can satisfy.
type usageError struct {
	err  error
	hint string
}

func usage(format string, args ...any) error { return &usageError{err: fmt.Errorf(format, args...)} }

func (e *usageError) Error() string   { return e.err.Error() }
func (e *usageError) Unwrap() error   { return e.err }
func (e *usageError) ExitStatus() int { return 2 }
func (e *usageError) Hint() string    { return e.hint }

// appendList appends items separated by commas.
func appendList[T any](dst []byte, items []T, appendItem func([]byte, T) []byte) []byte {
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendItem(dst, item)
	}
	return dst
}
