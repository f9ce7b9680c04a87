package fifomerge

import (
	"context"
	"errors"
	"io"
	"time"

	"pipeworks/internal/database"
	"pipeworks/internal/sqltext"
)

// questions are some that were asked ahead. They travel to the database
// together: it is one round trip, and each still has its own answer.
type questions struct {
	*session
	out *answerWriter
	database.Pack
	lines    []int     // of each question, where its statement begins
	answered int       // how many are
	asked    time.Time // when they were, or the last was answered
}

// take adds a question, if it can go with others: a query that leaves nothing
// on the connection. Where there is a limit, a question goes alone: to stop it
// would stop those behind it.
func (q *questions) take(question []byte) bool {
	if !q.cfg.packs() || q.timeout > 0 {
		return false
	}
	script := q.script(question)
	st, err := script.Next()
	if err != nil || !database.GivesRows(st.Text) || !leavesNothing(st.Text) {
		return false
	}
	if _, err := script.Next(); err != io.EOF {
		return false
	}
	q.Add(st.Text)
	q.lines = append(q.lines, st.Line)
	return true
}

// packs reports whether the database takes several questions at once. A guarded
// one does not: what it takes for one statement must be one.
func (cfg *ServeConfig) packs() bool {
	return cfg.DB.Dialect == sqltext.MySQL && len(cfg.Command) == 0 && cfg.Guard == Guard{}
}

// answer answers all questions, until ctx ends: what is cut off has no end.
func (q *questions) answer(ctx context.Context) {
	q.asked = time.Now()
	for ctx.Err() == nil && q.answered < q.Len() {
		connected := false
		err := q.connected(ctx, ctx, func(conn *conn) (clean, broken bool, err error) {
			connected = true
			err = q.run(ctx, conn)
			return true, !staysUsable(err), err
		})
		if err != nil && !connected && ctx.Err() == nil {
			q.end(err)
		}
		if err != nil && q.out.Flush() != nil {
			break // nobody reads
		}
	}
	q.Reset()
	q.lines, q.answered = q.lines[:0], 0
}

// run answers questions up to the first that fails, or if nobody knows what
// became of those behind it, all.
func (q *questions) run(ctx context.Context, conn *conn) error {
	_, _, err := database.RunPack(ctx, conn.Conn, &q.Pack, q.answered, database.Output{Rows: q.rows, Result: q.result})
	_, unknown := errors.AsType[*database.UnknownError](err)
	for failed := err != nil && ctx.Err() == nil; failed && q.answered < q.Len(); failed = unknown && isLost(err) {
		q.end(&database.StatementError{Line: q.lines[q.answered], Err: err})
	}
	return err
}

// result ends an answer that is right.
func (q *questions) result() error {
	if err := q.rows.Flush(); err != nil {
		return err
	}
	q.end(nil)
	q.out.FlushSoon()
	return nil
}

// end ends an answer.
func (q *questions) end(err error) {
	_ = q.rows.Flush() // an error stays
	q.out.End(err)
	q.answered++
	q.stats.answered(time.Since(q.asked), err)
	q.asked = time.Now()
}
