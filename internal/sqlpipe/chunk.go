package sqlpipe

import (
	"context"
	"errors"
	"fmt"

	"pipeworks/internal/database"
	"pipeworks/internal/sqltext"
)

// chunk is the transaction that a session keeps itself: the whole stream's, or
// that of each so many statements.
type chunk struct {
	begun      bool
	statements int   // that were taken since the last commit
	changes    int   // those of them that are undone without a commit
	first      place // of them
	rows       int64 // that had been written when it began
	kept       kept
}

// String names the chunk's statements up to the last one.
func (c *chunk) String(last place) string {
	if c.first == last {
		return fmt.Sprintf("line %d of %s", last.line, last.source)
	}
	return fmt.Sprintf("line %d of %s to line %d of %s", c.first.line, c.first.source, last.line, last.source)
}

func (c *Config) chunked() bool { return c.Transaction || c.CommitEvery > 0 }

// refusedError is a statement that is not run.
type refusedError struct{ what, hint string }

func (e *refusedError) Error() string { return e.what }

// Hint is what to do about it.
func (e *refusedError) Hint() string { return e.hint }

// refuse runs what came before the statement, and says why it is not run.
func (s *session) refuse(ctx context.Context, st sqltext.Statement, what, hint string) error {
	if err := s.repeat(ctx, s.runPack); err != nil {
		return err
	}
	return &database.StatementError{Source: st.Source, Line: st.Line, Err: &refusedError{what, hint}}
}

// takeInChunk runs a statement, or keeps it for a pack, in the transaction.
func (s *session) takeInChunk(ctx context.Context, st sqltext.Statement) error {
	k := kindOf(st.Text, s.db.Dialect)
	switch {
	case k == control:
		return s.refuse(ctx, st, "the stream has transactions of its own", "without --transaction and --commit-every they are obeyed")
	case k == bound && s.checkpoint != nil:
		return s.refuse(ctx, st, "what this makes ends with the connection: --resume could not go on behind it", "")
	case k == commits && s.cfg.Transaction && s.chunk.changes > 0:
		return s.refuse(ctx, st, "this would commit what came before it", "MySQL cannot undo it; let it come before the first change, or in a run of its own")
	case k == commits && s.cfg.CommitEvery > 0:
		if err := s.repeat(ctx, s.commit); err != nil {
			return err
		}
	}
	if s.checkpoint != nil {
		s.checkpoint.count(st.Text)
	}
	if s.chunk.statements == 0 {
		s.chunk.first, s.chunk.rows = s.last, s.sum.Out
	}
	s.chunk.statements++
	if k == ordinary || k == bound {
		s.chunk.changes++
	}
	err := s.repeat(ctx, func(ctx context.Context) error { return s.addInChunk(ctx, st.Text, s.last, k) })
	if err != nil {
		return err
	}
	if s.cfg.Retries > 0 { // this statement would come twice if it were kept before
		s.chunk.kept.add(st.Text, s.last, k)
		if k == ofSession {
			s.keepSetting(st.Text)
		}
	}
	if s.cfg.CommitEvery > 0 && (k == commits || s.chunk.statements >= s.cfg.CommitEvery) {
		return s.repeat(ctx, s.commit)
	}
	return nil
}

// addInChunk puts a statement into the pack. On SQLite, what sets up the
// session has to come before the transaction begins. On MySQL the first
// statement begins it, since the session does not commit by itself: START
// TRANSACTION would end LOCK TABLES.
func (s *session) addInChunk(ctx context.Context, text []byte, at place, k kind) error {
	if k != ofSession {
		if err := s.begin(ctx); err != nil {
			return err
		}
	}
	return s.add(ctx, text, at, true)
}

func (s *session) begin(ctx context.Context) error {
	if s.chunk.begun {
		return nil
	}
	if s.db.Dialect == sqltext.SQLite {
		if err := s.exec(ctx, "BEGIN"); err != nil {
			return err
		}
	}
	s.chunk.begun = true
	return nil
}

// commit ends the chunk in hand, and says in the same transaction how far the
// stream has come. Without a chunk it runs what is in the pack.
func (s *session) commit(ctx context.Context) error {
	if err := s.runPack(ctx); err != nil || s.chunk.statements == 0 {
		return err
	}
	if s.checkpoint != nil {
		if err := s.begin(ctx); err != nil {
			return err
		}
		if err := s.checkpoint.save(ctx, s.conn); err != nil {
			return err
		}
	}
	if s.chunk.begun {
		if err := s.exec(ctx, "COMMIT"); err != nil {
			return &commitError{chunk: s.chunk.String(s.last), resumes: s.checkpoint != nil, err: err}
		}
	}
	s.committed()
	return nil
}

// committed is called when the chunk is in the database.
func (s *session) committed() {
	if s.checkpoint != nil {
		s.checkpoint.saved, s.checkpoint.exists = s.checkpoint.seen, true
	}
	s.chunk = chunk{kept: s.chunk.kept.empty()}
	s.attempts = 0
}

// commitError is a commit that failed.
type commitError struct {
	chunk   string
	resumes bool
	err     error
}

func (e *commitError) unknown() bool {
	dbErr, ok := errors.AsType[*database.Error](e.err)
	return ok && dbErr.ConnectionLost()
}

func (e *commitError) Error() string {
	message := "commit: " + e.err.Error()
	if e.unknown() {
		message += "; it is not known whether what was run of " + e.chunk + " is in the database"
	}
	return message
}

func (e *commitError) Unwrap() error { return e.err }

// Hint says who knows.
func (e *commitError) Hint() string {
	switch {
	case !e.unknown():
		return ""
	case e.resumes:
		return "the same command goes on where the database says"
	}
	return "with --commit-every and --resume the database says how far a run has come"
}
