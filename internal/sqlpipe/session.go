package sqlpipe

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"pipeworks/internal/database"
	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
	"pipeworks/internal/reject"
	"pipeworks/internal/sqltext"
)

// session runs a stream of statements on one connection. Those that can travel
// together wait in a pack until it is full, or the input has no more at hand.
// While a full pack is under way the next one is filled.
type session struct {
	cfg  *Config
	db   dburl.URL
	conn database.Conn
	out  database.Output
	sum  Summary

	filling pack        // takes the next statements
	running pack        // is under way, or was last
	done    int         // how many statements of running have run
	flight  chan answer // of running; nil: it is not under way
	last    place       // of the statement that was taken last

	chunk      chunk
	settings   []string    // statements that a new connection needs
	checkpoint *checkpoint // nil: it is not kept
	attempts   int         // at the statement or chunk in hand, after the first
	inOther    bool        // the stream has begun a transaction of its own
}

// pack is a pack, and where its statements begin.
type pack struct {
	database.Pack
	places []place
}

type place struct {
	source string
	line   int
}

// answer is what RunPack returns.
type answer struct {
	rows int64
	done int
	err  error
}

func openSession(ctx context.Context, cfg *Config, db dburl.URL, rows record.Writer) (*session, error) {
	if cfg.MaxRows > 0 {
		rows = &limited{Writer: rows, max: cfg.MaxRows}
	}
	s := &session{cfg: cfg, db: db, out: database.Output{Rows: rows}}
	if cfg.Note != nil || cfg.Warnings != nil {
		s.out.Each = func(i int, rows, affected int64) error { return s.tell(ctx, s.running.places[i], rows, affected) }
	}
	s.out.Warn = func(message string) {
		if cfg.Warn != nil {
			cfg.Warn(message)
		}
		s.out.Warn = nil // once is enough
	}
	for err := s.connect(ctx); err != nil; err = s.connect(ctx) {
		if s.attempts >= cfg.Retries || !database.Unreachable(err) {
			return nil, err
		}
		if err := s.backOff(ctx, err); err != nil {
			return nil, err
		}
	}
	s.attempts = 0
	if cfg.Resume != "" {
		s.checkpoint = newCheckpoint(cfg.Resume, db)
		if err := s.checkpoint.load(ctx, s.conn); err != nil {
			return nil, errors.Join(err, s.conn.Close())
		}
	}
	return s, nil
}

// connect opens the connection and sets it up.
func (s *session) connect(ctx context.Context) error {
	o := s.cfg.Connect
	o.Multi = !s.cfg.ReadOnly   // there a second statement, behind a delimiter, would not be looked at
	o.OnWait = s.out.Rows.Flush // while the server thinks, what it sent goes out
	conn, err := database.Open(ctx, s.db, o)
	if err != nil {
		return err
	}
	s.conn = conn
	for _, sql := range append(s.cfg.settings(s.db.Dialect), s.settings...) {
		if err := s.exec(ctx, sql); err != nil {
			return errors.Join(err, s.conn.Close())
		}
	}
	return nil
}

// settings are the statements that set up a connection.
func (c *Config) settings(d sqltext.Dialect) (sql []string) {
	if d == sqltext.SQLite {
		if c.ReadOnly {
			sql = append(sql, "PRAGMA query_only = ON")
		}
		return sql
	}
	if c.chunked() {
		sql = append(sql, "SET autocommit = 0")
	}
	if c.ReadOnly {
		sql = append(sql, "SET SESSION TRANSACTION READ ONLY")
	}
	if c.MaxRows > 0 { // the server need not make what is not read
		sql = append(sql, fmt.Sprintf("SET SESSION sql_select_limit = %d", c.MaxRows))
	}
	return sql
}

// exec runs a statement of the session's own, which gives no rows.
func (s *session) exec(ctx context.Context, sql string) error {
	rows, err := s.conn.Query(ctx, []byte(sql))
	if err != nil {
		return err
	}
	return rows.Close()
}

// take runs a statement, or keeps it for a pack.
func (s *session) take(ctx context.Context, st sqltext.Statement) error {
	s.sum.In++
	s.sum.Bytes += int64(len(st.Text))
	s.last = place{st.Source, st.Line}
	if s.cfg.ReadOnly && mayWrite(st.Text, s.db.Dialect) {
		return s.refuse(ctx, st, "not with --read-only", "")
	}
	if s.checkpoint != nil {
		if seen, err := s.checkpoint.see(ctx, s, st); seen || err != nil {
			return err
		}
	}
	if s.cfg.chunked() {
		return s.takeInChunk(ctx, st)
	}
	k := ordinary
	if s.cfg.Retries > 0 {
		k = kindOf(st.Text, s.db.Dialect)
	}
	if err := s.add(ctx, st.Text, s.last, k == ordinary); err != nil {
		return err
	}
	if k == control {
		s.inOther = begins(st.Text)
	}
	return nil
}

// add puts a statement into the pack, and runs what cannot wait.
func (s *session) add(ctx context.Context, text []byte, at place, packable bool) error {
	packable = packable && !s.cfg.NoPack && s.db.Dialect == sqltext.MySQL && database.Packable(text)
	if !packable {
		if err := s.runPack(ctx); err != nil {
			return err
		}
	}
	s.filling.Add(text)
	s.filling.places = append(s.filling.places, at)
	switch {
	case !packable:
		return s.runPack(ctx)
	case s.filling.Full():
		return s.launch(ctx)
	}
	return nil
}

// modes asks what the scanner must know. What may have set them has run: it
// does not travel in a pack.
func (s *session) modes(ctx context.Context) (m sqltext.Modes, err error) {
	if s.db.Dialect != sqltext.MySQL {
		return m, nil
	}
	err = s.repeat(ctx, func(ctx context.Context) (err error) {
		m, err = database.Modes(ctx, s.conn)
		return err
	})
	return m, err
}

// idle is called when the input has nothing at hand.
func (s *session) idle(ctx context.Context) error {
	return errors.Join(s.repeat(ctx, s.runPack), s.out.Rows.Flush())
}

// runPack runs what was taken, to its end.
func (s *session) runPack(ctx context.Context) error {
	if err := s.land(ctx); err != nil || s.filling.Len() == 0 {
		return err
	}
	s.swap()
	return s.settle(ctx, s.run(ctx))
}

// launch lets a full pack run while the next one is filled.
func (s *session) launch(ctx context.Context) error {
	if err := s.land(ctx); err != nil {
		return err
	}
	s.swap()
	flight := make(chan answer, 1)
	s.flight = flight
	go func() { flight <- s.run(ctx) }()
	return nil
}

// land waits for the pack that is under way. Nothing else may use the
// connection before.
func (s *session) land(ctx context.Context) error {
	if s.flight == nil {
		return nil
	}
	a := <-s.flight
	s.flight = nil
	return s.settle(ctx, a)
}

func (s *session) swap() {
	s.running, s.filling = s.filling, s.running
	s.filling.empty()
	s.done = 0
}

func (p *pack) empty() {
	p.Reset()
	p.places = p.places[:0]
}

func (s *session) run(ctx context.Context) (a answer) {
	a.rows, a.done, a.err = database.RunPack(ctx, s.conn, &s.running.Pack, s.done, s.out)
	return a
}

// settle goes on until all statements of the pack have run, or one of them
// ends the run.
func (s *session) settle(ctx context.Context, a answer) error {
	for {
		s.sum.Out += a.rows
		if a.done > s.done && !s.cfg.chunked() {
			s.attempts = 0
		}
		s.done = a.done
		if a.err == nil {
			return nil
		}
		err := a.err
		if s.repeatsAlone(err, a.rows) {
			err = s.backOff(ctx, s.failure(err))
		} else if err = s.reject(err); err == nil {
			s.done++
		}
		if err != nil {
			s.empty()
			return err
		}
		a = s.run(ctx)
	}
}

// empty forgets what was taken.
func (s *session) empty() {
	s.filling.empty()
	s.running.empty()
	s.done = 0
}

// failure is the error of the statement behind those that have run.
func (s *session) failure(err error) *database.StatementError {
	at := s.running.places[s.done]
	failed := &database.StatementError{Source: at.source, Line: at.line, Err: err}
	if refused, ok := errors.AsType[*database.Error](err); ok {
		failed.Cure = cure(refused, s.running.Statement(s.done), s.db.Dialect)
	}
	if _, ok := errors.AsType[*database.UnknownError](err); ok {
		failed.Last = s.running.places[len(s.running.places)-1].line
	}
	return failed
}

// reject says which statement failed, and gives it to the sink.
func (s *session) reject(err error) error {
	dbErr, ok := errors.AsType[*database.Error](err)
	if !ok {
		return err // the output's, or why the run was stopped
	}
	failed := s.failure(err)
	if failed.Last > 0 || dbErr.ConnectionLost() || s.cfg.chunked() && dbErr.Retryable() {
		return failed // about more than this statement
	}
	s.cfg.rejecting.Lock()
	defer s.cfg.rejecting.Unlock()
	return s.cfg.Rejects.Add(reject.Record{
		Source:    failed.Source,
		Line:      failed.Line,
		Err:       failed,
		Code:      strconv.Itoa(dbErr.Number),
		Retryable: dbErr.Retryable(),
		Input:     script(s.running.Statement(s.done), s.db.Dialect),
	})
}

// close ends the session after err.
func (s *session) close(ctx context.Context, err error) error {
	if err == nil && s.checkpoint != nil {
		err = s.checkpoint.end()
	}
	if err == nil {
		err = s.repeat(ctx, s.commit)
	}
	if landed := s.land(ctx); landed != nil && !errors.Is(err, landed) { // none is, where the input was to blame
		err = errors.Join(err, landed)
	}
	commit, ok := errors.AsType[*commitError](err)
	if err != nil && s.chunk.changes > 0 && !(ok && commit.unknown()) && s.cfg.Warn != nil {
		s.cfg.Warn("undone: what was run of " + s.chunk.String(s.last))
	}
	return errors.Join(err, s.out.Rows.Flush(), s.conn.Close())
}
