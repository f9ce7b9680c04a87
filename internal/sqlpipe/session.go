package sqlpipe

import (
	"context"
	"errors"
	"strconv"

	"pipeworks/internal/database"
	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
	"pipeworks/internal/reject"
	"pipeworks/internal/sqltext"
)

// session runs a stream of statements on one connection. Those that can travel
// together wait in a pack until it is full, or the input has no more at hand.
type session struct {
	cfg  *Config
	db   dburl.URL
	conn database.Conn
	out  database.Output
	sum  Summary

	pack   database.Pack
	places []place // of the statements of the pack
	done   int     // how many of them have run
}

// place is where a statement begins.
type place struct {
	source string
	line   int
}

func openSession(ctx context.Context, cfg *Config, db dburl.URL, rows record.Writer) (*session, error) {
	s := &session{cfg: cfg, db: db, out: database.Output{Rows: rows}}
	s.out.Warn = func(message string) {
		if cfg.Warn != nil {
			cfg.Warn(message)
		}
		s.out.Warn = nil // once is enough
	}
	o := cfg.Connect
	o.Multi = true
	o.OnWait = rows.Flush // while the server thinks, what it sent goes out
	var err error
	s.conn, err = database.Open(ctx, db, o)
	return s, err
}

// take runs a statement, or keeps it for a pack.
func (s *session) take(ctx context.Context, source string, st sqltext.Statement) error {
	s.sum.In++
	s.sum.Bytes += int64(len(st.Text))
	packable := !s.cfg.NoPack && s.db.Dialect == sqltext.MySQL && database.Packable(st.Text)
	if !packable {
		if err := s.runPack(ctx); err != nil {
			return err
		}
	}
	s.pack.Add(st.Text)
	s.places = append(s.places, place{source, st.Line})
	if packable && !s.pack.Full() {
		return nil
	}
	return s.runPack(ctx)
}

// idle is called when the input has nothing at hand.
func (s *session) idle(ctx context.Context) error {
	return errors.Join(s.runPack(ctx), s.out.Rows.Flush())
}

// runPack runs what is in the pack.
func (s *session) runPack(ctx context.Context) error {
	for s.done < s.pack.Len() {
		rows, done, err := database.RunPack(ctx, s.conn, &s.pack, s.done, s.out)
		s.sum.Out += rows
		s.done = done
		if err == nil {
			break
		}
		if err := s.reject(err); err != nil {
			return err
		}
		s.done++
	}
	s.pack.Reset()
	s.places, s.done = s.places[:0], 0
	return nil
}

// reject says which statement failed, and gives it to the sink.
func (s *session) reject(err error) error {
	dbErr, ok := errors.AsType[*database.Error](err)
	if !ok {
		return err // the output's, or why the run was stopped
	}
	at := s.places[s.done]
	failed := &database.StatementError{Source: at.source, Line: at.line, Err: err}
	if _, ok := errors.AsType[*database.UnknownError](err); ok {
		failed.Last = s.places[len(s.places)-1].line
		return failed
	}
	if dbErr.ConnectionLost() {
		return failed // about more than this statement
	}
	return s.cfg.Rejects.Add(reject.Record{
		Source:    at.source,
		Line:      at.line,
		Err:       failed,
		Code:      strconv.Itoa(dbErr.Number),
		Retryable: dbErr.Retryable(),
		Input:     script(s.pack.Statement(s.done), s.db.Dialect),
	})
}

// close ends the session after err.
func (s *session) close(ctx context.Context, err error) error {
	if err == nil {
		err = s.runPack(ctx)
	}
	return errors.Join(err, s.out.Rows.Flush(), s.conn.Close())
}
