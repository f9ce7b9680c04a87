package sqlpipe

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"pipeworks/internal/database"
	"pipeworks/internal/sqltext"
)

// What met a deadlock, or a lock that did not go away in time, may succeed if
// it is run again from its start: the transaction in hand, or the statement
// where there is none. What was lost with a connection may be run again only
// if it was not committed, and known not to be.

// kept are the statements of a chunk, for another attempt. They are forgotten
// when they become too many.
type kept struct {
	text       []byte
	statements []keptStatement
	overflown  bool
}

type keptStatement struct {
	end  int // of its text
	at   place
	kind kind
}

// maxKept is as much as one statement may have.
const maxKept = sqltext.DefaultMaxStatement

func (k *kept) add(text []byte, at place, kind kind) {
	if k.overflown = k.overflown || len(k.text)+len(text) > maxKept; k.overflown {
		k.text, k.statements = nil, nil
		return
	}
	k.text = append(k.text, text...)
	k.statements = append(k.statements, keptStatement{len(k.text), at, kind})
}

// empty is k's memory for another chunk.
func (k *kept) empty() kept { return kept{text: k.text[:0], statements: k.statements[:0]} }

// repeat runs step; if what it runs fails for a reason that may go away, it
// runs the whole chunk again, and then step.
func (s *session) repeat(ctx context.Context, step func(context.Context) error) error {
	err := step(ctx)
	for s.repeats(err) {
		if err := s.backOff(ctx, err); err != nil {
			return err
		}
		var in bool
		if in, err = s.rewind(ctx, err); in {
			s.committed()
			return nil
		}
		if err == nil {
			err = s.replay(ctx)
		}
		if err == nil {
			err = step(ctx)
		}
	}
	return err
}

// repeats reports whether the chunk is to be run again after err. Rows that
// have been written cannot be taken back.
func (s *session) repeats(err error) bool {
	if err == nil || !s.cfg.chunked() || s.attempts >= s.cfg.Retries || s.chunk.kept.overflown || s.sum.Out > s.chunk.rows {
		return false
	}
	if commit, ok := errors.AsType[*commitError](err); ok && commit.unknown() {
		return s.checkpoint != nil // the database knows
	}
	if errors.Is(err, errUnreachable) {
		return true
	}
	dbErr, ok := errors.AsType[*database.Error](err)
	return ok && (dbErr.Retryable() || dbErr.ConnectionLost() && len(s.settings) < maxSettings)
}

// repeatsAlone reports whether a statement that is no part of a transaction is
// to be run again after err; rows are those of the pack that it is in.
func (s *session) repeatsAlone(err error, rows int64) bool {
	dbErr, ok := errors.AsType[*database.Error](err)
	return ok && dbErr.Retryable() && !s.cfg.chunked() && !s.inOther && s.attempts < s.cfg.Retries &&
		(rows == 0 || database.OnlyChanges(s.running.Statement(s.done)))
}

// backOff waits before the next attempt: longer each time, and not as long as
// others do who met the same lock.
func (s *session) backOff(ctx context.Context, failure error) error {
	if s.cfg.Note != nil {
		s.cfg.Note(failure.Error() + "; trying again")
	}
	const first, longest = 50 * time.Millisecond, 10 * time.Second
	wait := min(first<<min(s.attempts, 20), longest)
	s.attempts++
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(wait/2 + rand.N(wait)):
		return nil
	}
}

// errUnreachable is a database that could not be connected to again.
var errUnreachable = errors.New("connect again")

// rewind goes back to the beginning of the chunk, on a new connection if the
// old one was lost. in is true if it turns out that the chunk was committed.
func (s *session) rewind(ctx context.Context, failure error) (in bool, err error) {
	s.empty()
	s.chunk.begun = false
	dbErr, ok := errors.AsType[*database.Error](failure)
	if ok && !dbErr.ConnectionLost() && !errors.Is(failure, errUnreachable) {
		if err := s.exec(ctx, "ROLLBACK"); err == nil {
			return false, nil
		}
	}
	s.conn.Close()
	if err := s.connect(ctx); err != nil {
		if ctx.Err() != nil {
			return false, err
		}
		return false, errors.Join(errUnreachable, err)
	}
	if s.checkpoint == nil {
		return false, nil
	}
	return s.checkpoint.isSaved(ctx, s.conn)
}

// replay runs the statements of the chunk again.
func (s *session) replay(ctx context.Context) error {
	from := 0
	for _, st := range s.chunk.kept.statements {
		if err := s.addInChunk(ctx, s.chunk.kept.text[from:st.end], st.at, st.kind); err != nil {
			return err
		}
		from = st.end
	}
	return s.runPack(ctx)
}

// maxSettings is how many statements a new connection may need. A stream that
// sets more is not gone on with on another one.
const maxSettings = 1000

// keepSetting keeps a statement that a new connection needs.
func (s *session) keepSetting(text []byte) {
	if len(s.settings) < maxSettings {
		s.settings = append(s.settings, string(text))
	}
}
