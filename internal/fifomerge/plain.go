package fifomerge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"pipeworks/internal/fifo"
)

// plainQuestion is what somebody wrote to the pipe query.
type plainQuestion struct {
	sql []byte
	err error // why it cannot be answered
}

// errNewer drops the question that was waiting when another one came.
var errNewer = errors.New("another query came before anybody read the answer: the older one is not run")

// answerPlain serves those who have no client: a question is what somebody
// writes to the pipe query until the end of file, its answer is for whoever
// opens the pipe reply next.
func (s *server) answerPlain(ctx context.Context, in *fifo.Reader) error {
	for {
		question, err := readPlain(in, s.cfg.MaxRequest)
		if err == nil {
			err = s.replyPlain(ctx, in, question)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, fifo.ErrReplaced):
			return err
		case err != nil:
			s.warn(err)
		}
	}
}

// readPlain reads up to the end of file, which comes when the last writer has
// left.
func readPlain(in *fifo.Reader, limit int) (plainQuestion, error) {
	var sql []byte
	buf := make([]byte, 4096)
	for {
		n, err := in.Read(buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			return plainQuestion{}, err
		}
		if len(sql) <= limit {
			sql = append(sql, buf[:n]...)
		}
	}
	if len(sql) > limit {
		return plainQuestion{err: fmt.Errorf("the query is longer than %d bytes", limit)}, nil
	}
	return plainQuestion{sql: sql}, nil
}

// replyPlain waits for a reader of the reply and runs the question for it. An
// error is the answer then: there is no other place for it.
func (s *server) replyPlain(ctx context.Context, in *fifo.Reader, question plainQuestion) error {
	reply, err := s.openReply(ctx)
	if err != nil {
		return err
	}
	defer reply.Close()
	for in.Ready() { // the reader is who asked last
		s.warn(errNewer)
		if question, err = readPlain(in, s.cfg.MaxRequest); err != nil {
			return err
		}
	}
	// Whoever asks next waits at a pipe of his own, also when this reader leaves
	// before his answer comes.
	if err := s.dir.Replace(replyPipe, nextReplyPipe); err != nil {
		return err
	}
	ctx, done, err := whileRead(ctx, reply)
	if err != nil {
		return err
	}
	defer done()
	rows, err := s.cfg.Format.newWriter(reply)
	if err == nil {
		err = question.err
	}
	if err == nil {
		err = (&session{server: s, out: reply, rows: rows, flush: func() {}}).answer(ctx, question.sql)
	}
	if err != nil && ctx.Err() != nil {
		err = errStopped
	}
	if err != nil {
		_, _ = fmt.Fprintln(reply, err) // whoever left in the middle has no use for it
	}
	return nil
}

// openReply opens the reply pipe as soon as somebody reads it.
func (s *server) openReply(ctx context.Context) (*os.File, error) {
	ctx, cancel := fifo.Within(ctx, s.cfg.Wait, fmt.Errorf("waited %v, the query is not run", s.cfg.Wait))
	defer cancel()
	return fifo.OpenWhenRead(ctx, s.dir.Path(replyPipe))
}
