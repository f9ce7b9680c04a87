package fifomerge

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"pipeworks/internal/fifo"
	"pipeworks/internal/framing"
	"pipeworks/internal/record"
)

// errGone ends what is running for a client that is not there any more.
var errGone = errors.New("the client is gone")

// session is one client's.
type session struct {
	*server
	options
	out   io.Writer
	rows  record.Writer // to out
	flush func()        // is called when out should send on what it holds back
	named *namedSession // once it was needed
}

// serveClient serves a client to its end. helloErr is what was wrong with its
// hello.
func (s *server) serveClient(ctx context.Context, h hello, helloErr error) error {
	query, err := s.dir.Open(h.id+querySuffix, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer query.Close()
	reply, err := s.dir.Open(h.id+replySuffix, os.O_WRONLY)
	s.remove(h.id + querySuffix)
	s.remove(h.id + replySuffix)
	if err != nil {
		return err
	}
	defer reply.Close()
	out := newAnswerWriter(reply, h.nul)
	defer out.Close()
	rows, err := h.format.newWriter(out)
	helloErr = errors.Join(helloErr, err)
	out.End(helloErr)
	if h.status && helloErr == nil {
		line, err := s.stats.line()
		_, _ = out.Write(line) // an error stays until Flush
		out.End(err)
	}
	if err := out.Flush(); err != nil || helloErr != nil || h.status {
		return helloErr
	}
	s.stats.came()
	defer s.stats.went()

	ctx, done, err := whileRead(ctx, reply)
	if err != nil {
		return err
	}
	defer done()
	stop := context.AfterFunc(ctx, func() { _ = query.SetReadDeadline(time.Now()) })
	defer stop()
	c := &session{server: s, options: h.options, out: out, rows: rows, flush: out.FlushSoon}
	defer c.close()
	c.answerAll(ctx, newRequests(query, s.cfg.MaxRequest), out)
	return nil
}

// whileRead is a context that ends, with errGone, when nobody reads the reply
// any more. Who does not read must not hold up the end: a write has a little
// time then.
func whileRead(ctx context.Context, reply *os.File) (_ context.Context, done func(), err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	unwatch, err := fifo.WatchReader(reply, func() { cancel(errGone) })
	if err != nil {
		cancel(nil)
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = reply.SetWriteDeadline(time.Now().Add(lastWords)) })
	return ctx, func() {
		stop()
		unwatch()
		cancel(nil)
	}, nil
}

// answerAll answers one question after another, and those together that have
// come together, until the client is done, or the server.
func (c *session) answerAll(ctx context.Context, requests *requests, out *answerWriter) {
	pack := &questions{session: c, out: out}
	for {
		question, err := requests.next()
		if _, ok := errors.AsType[*framing.TooLongError](err); err != nil && !ok {
			_ = out.Flush()
			return
		}
		packed := err == nil && (pack.Len() > 0 || requests.whole()) && pack.take(question)
		if packed && requests.whole() && !pack.Full() {
			continue
		}
		pack.answer(ctx)
		if !packed && err == nil {
			err = c.answer(ctx, question)
		}
		if ctx.Err() != nil {
			return // what is cut off says that it was stopped
		}
		if !packed {
			out.End(err)
		}
		if requests.waiting() {
			out.FlushSoon()
		} else if out.Flush() != nil {
			return // nobody reads
		}
	}
}

func (c *session) close() {
	if c.named != nil {
		c.sessions.put(c.named)
	}
}

// answer answers one question.
func (c *session) answer(ctx context.Context, question []byte) error {
	asked := time.Now()
	limited, cancel := c.cfg.Guard.begin(ctx, c.timeout)
	defer cancel()
	var err error
	switch {
	case len(c.cfg.Command) == 0:
		err = errors.Join(c.run(ctx, limited, question), c.rows.Flush())
	case c.session != "":
		err = errNoSession
	default:
		err = c.commands.Answer(limited, question, c.out)
	}
	c.stats.answered(time.Since(asked), err)
	return err
}

var errNoSession = errors.New("a session by name is one of a database")

// run runs the statements of a question. The context client ends with the
// client, ctx may end before.
func (c *session) run(client, ctx context.Context, question []byte) error {
	return c.connected(client, ctx, func(conn *conn) (clean, broken bool, err error) {
		return runScript(ctx, conn, c.script(question), c.cfg.Guard, c.rows)
	})
}

// connected calls do with a connection that it has for itself: any, or that of a
// named session. do says whether nothing is left on it, and whether it is of no
// use any more. Of any only a clean one is used again.
func (c *session) connected(client, ctx context.Context, do func(*conn) (clean, broken bool, err error)) error {
	flush := func() error {
		err := c.rows.Flush()
		c.flush()
		return err
	}
	if c.session != "" {
		return c.connectedNamed(client, ctx, flush, do)
	}
	conn, err := c.pool.get(ctx, flush)
	if err != nil {
		return err
	}
	clean, broken, err := do(conn)
	if clean && !broken {
		c.pool.put(conn)
	} else {
		conn.Close()
	}
	return err
}

func (c *session) connectedNamed(client, ctx context.Context, flush func() error, do func(*conn) (clean, broken bool, err error)) (err error) {
	if c.named == nil {
		if c.named, err = c.sessions.take(ctx, c.session); err != nil {
			return err
		}
	}
	if err := c.named.lostError(); err != nil {
		return err
	}
	if c.named.conn == nil {
		if c.named.conn, err = c.pool.get(ctx, flush); err != nil {
			return err
		}
	}
	c.named.conn.flush = flush
	clean, broken, err := do(c.named.conn)
	c.named.clean = c.named.clean && clean
	if broken {
		c.named.end(client.Err() == nil)
	}
	return err
}
