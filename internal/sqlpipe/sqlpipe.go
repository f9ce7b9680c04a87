// Package sqlpipe runs a stream of SQL statements on one connection, in order,
// and streams their rows out.
//
// A statement runs as soon as it has arrived whole; its rows leave as they
// come. The first error ends the run: what ran before it stands, nothing after
// it has run. A last statement without a terminator runs only if the input
// ends in a newline, since a producer that died in mid-statement leaves none.
//
// Small statements that have arrived together travel together, and yet the one
// that failed is known (session.go). A stream may be one transaction, or one
// for each so many statements, whose progress the database itself keeps
// (chunk.go and what it calls). Several sessions run a stream at the same time
// (crew.go), and a table is filled without SQL (load.go).
package sqlpipe

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"pipeworks/internal/database"
	"pipeworks/internal/dburl"
	"pipeworks/internal/progress"
	"pipeworks/internal/record"
	"pipeworks/internal/reject"
	"pipeworks/internal/sqltext"
	"pipeworks/internal/stream"
)

// Config says what to run the statements on and how to show their rows.
type Config struct {
	DB      dburl.URL
	Connect database.Options
	Also    []dburl.URL         // other databases, which get the same statements at the same time
	Jobs    int                 // connections, which take the statements in any order; 0 is 1
	Scan    sqltext.ScanOptions // the dialect is the DB's

	// modes tells the session's modes behind a statement that may have set
	// them.
	modes func(sql []byte) (sqltext.Modes, error)

	Format record.Format
	Rows   record.WriterOptions

	NoPack bool // send each statement alone

	Transaction bool   // all or nothing
	CommitEvery int    // statements in a transaction; 0: the stream's own
	Resume      string // with CommitEvery: the name under which progress is kept
	Retries     int    // how often to try again to connect, and what met a deadlock or, in a transaction of these, lost the connection

	ReadOnly bool                 // refuse what changes anything but the session
	MaxRows  int64                // of a result; 0: all
	Warnings func(message string) // told the server's warnings; nil: it is not asked for them

	Input record.ReaderOptions // Load: Source is set for each input

	Rejects   *reject.Sink // nil: stop at the first error
	rejecting *sync.Mutex

	Meter *progress.Meter // counts the statements; nil: nobody does

	Warn func(message string) // told of what may surprise; nil: nobody is told
	Note func(message string) // told of each step; nil: nobody is told
}

// Summary is what a run did.
type Summary struct {
	In       int64 `json:"in"`                // statements read
	Out      int64 `json:"out"`               // rows written
	Rejected int   `json:"rejected"`          // statements that failed
	Skipped  int64 `json:"skipped,omitempty"` // statements that an earlier run of the name has committed
	Bytes    int64 `json:"bytes"`             // of statements
}

// Run executes the statements of in, in order, and writes their rows to out.
func Run(ctx context.Context, cfg Config, in stream.Inputs, out io.Writer) (sum Summary, err error) {
	if cfg.Rejects == nil {
		cfg.Rejects = &reject.Sink{Tool: "sqlpipe"}
	}
	cfg.rejecting = new(sync.Mutex)
	if cfg.Jobs > 1 || len(cfg.Also) > 0 {
		sum, err = runCrew(ctx, &cfg, in, out)
	} else {
		sum, err = runSession(ctx, &cfg, in, out)
	}
	sum.Rejected = cfg.Rejects.Count()
	if err == nil {
		err = cfg.Rejects.Err()
	}
	return sum, err
}

// runSession executes the statements of in on one connection.
func runSession(ctx context.Context, cfg *Config, in stream.Inputs, out io.Writer) (sum Summary, err error) {
	rows, err := record.NewWriter(out, cfg.Format, cfg.Rows)
	if err != nil {
		return sum, err
	}
	session, err := openSession(ctx, cfg, cfg.DB, rows)
	if err != nil {
		return sum, err
	}
	if cfg.Scan.Modes, err = session.modes(ctx); err == nil {
		cfg.modes = func([]byte) (sqltext.Modes, error) { return session.modes(ctx) }
		err = each(ctx, cfg, in, func() error { return session.idle(ctx) }, func(st sqltext.Statement) error {
			return session.take(ctx, st)
		})
	}
	err = session.close(ctx, err)
	return session.sum, err
}

// Listing says how List writes statements.
type Listing struct {
	Terminator byte
	Lines      bool // each behind the input's name and the line where it begins: a.sql:12:SELECT 1
}

// List writes the statements of in to out as they would be sent, and runs none.
// No session tells its modes: they are the default ones, or those that a
// literal sets.
func List(ctx context.Context, cfg Config, l Listing, in stream.Inputs, out io.Writer) (sum Summary, err error) {
	cfg.modes = func(sql []byte) (sqltext.Modes, error) {
		m, _ := sqltext.LiteralModes(sql)
		return m, nil
	}
	w := bufio.NewWriterSize(out, 64<<10)
	err = each(ctx, &cfg, in, w.Flush, func(st sqltext.Statement) error {
		sum.In++
		sum.Bytes += int64(len(st.Text))
		if l.Lines {
			if _, err := fmt.Fprintf(w, "%s:%d:", st.Source, st.Line); err != nil {
				return err
			}
		}
		if _, err := w.Write(st.Text); err != nil {
			return err
		}
		return w.WriteByte(l.Terminator)
	})
	sum.Out = sum.In
	if failure := w.Flush(); !errors.Is(err, failure) { // it repeats that of a Write
		err = errors.Join(err, failure)
	}
	return sum, err
}

// each calls fn with every statement of every input, and idle whenever an
// input has nothing ready.
func each(ctx context.Context, cfg *Config, in stream.Inputs, idle func() error, fn func(st sqltext.Statement) error) error {
	o := cfg.Scan
	o.Dialect = cfg.DB.Dialect
	return in.Each(ctx, func(input *stream.Input) error {
		input.OnIdle(idle)
		o.Source = input.Name()
		scanner := sqltext.NewScanner(input, o)
		defer scanner.Close()
		for {
			st, err := scanner.Next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				failure := idle() // what came before it runs
				if failure == nil || errors.Is(err, failure) {
					return err
				}
				return errors.Join(failure, err)
			}
			cfg.Meter.AddRecords(1)
			if err := fn(st); err != nil {
				return err
			}
			if o.Dialect == sqltext.MySQL && sqltext.MaySetModes(st.Text) {
				if o.Modes, err = cfg.modes(st.Text); err != nil {
					return err
				}
				scanner.SetModes(o.Modes)
			}
		}
	})
}

// script is the shortest script of the statement alone, so that it can be run
// again as it is in the rejects: a comment at its end must not swallow the
// terminator, nor one inside a procedure end it.
func script(text []byte, d sqltext.Dialect) []byte {
	forms := []string{"%s;", "%s\n;"}
	if d == sqltext.MySQL {
		forms = append(forms, "DELIMITER //\n%s\n//\nDELIMITER ;", "DELIMITER $$\n%s\n$$\nDELIMITER ;")
	}
	for _, form := range forms {
		script := fmt.Appendf(nil, form, text)
		scanner := sqltext.NewScanner(bytes.NewReader(script), sqltext.ScanOptions{Dialect: d, MaxStatement: len(script)})
		st, err := scanner.Next()
		if err != nil || !bytes.Equal(st.Text, text) {
			continue
		}
		if _, err := scanner.Next(); err == io.EOF {
			return script
		}
	}
	return fmt.Appendf(nil, forms[0], text)
}
