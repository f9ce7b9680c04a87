package fifomerge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"pipeworks/internal/fifo"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// errGone ends what is running for a client that is not there any more.
var errGone = errors.New("the client is gone")

// session serves one client. helloErr is what was wrong with its hello.
func (s *server) session(ctx context.Context, h hello, helloErr error) error {
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
	out := newAnswerWriter(reply)
	defer out.Close()
	rows, err := h.format.newWriter(out)
	helloErr = errors.Join(helloErr, err)
	out.End(helloErr)
	if err := out.Flush(); err != nil || helloErr != nil {
		return helloErr
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unwatch, err := fifo.WatchReader(reply, func() { cancel(errGone) })
	if err != nil {
		return err
	}
	defer unwatch()
	// A client that asks nothing, or does not read, must not hold up the end.
	stop := context.AfterFunc(ctx, func() {
		_ = query.SetReadDeadline(time.Now())
		_ = reply.SetWriteDeadline(time.Now().Add(lastWords))
	})
	defer stop()
	requests := newRequests(query, s.cfg.MaxRequest)
	for {
		sql, err := requests.next()
		if err == nil {
			err = s.answer(ctx, sql, rows, out.FlushSoon)
		} else if _, ok := errors.AsType[*tooLongError](err); !ok {
			_ = out.Flush()
			return nil // the client is done, or the server is
		}
		if ctx.Err() != nil {
			return nil // what is cut off says that it was stopped
		}
		out.End(err)
		if requests.waiting() {
			out.FlushSoon()
		} else if out.Flush() != nil {
			return nil // nobody reads
		}
	}
}

// answer runs one question and writes its rows. It calls flush when the writer
// behind rows should send on what it holds back.
func (s *server) answer(ctx context.Context, sql []byte, rows record.Writer, flush func()) error {
	script := sqltext.NewTextScanner(sql, sqltext.ScanOptions{
		Dialect: s.cfg.DB.Dialect,
		Source:  "query",
		EOFRun:  true, // its end is unmistakable
	})
	err := s.pool.run(ctx, script, rows, func() error {
		err := rows.Flush()
		flush()
		return err
	})
	s.count(func(sum *ServeSummary) {
		sum.In++
		if err != nil {
			sum.Failed++
		}
	})
	return err
}

// requests reads the requests of a client: texts that end in NUL.
type requests struct {
	in    *bufio.Reader
	limit int // bytes of one and its NUL
}

func newRequests(r io.Reader, limit int) *requests {
	return &requests{in: bufio.NewReaderSize(r, 64<<10), limit: limit + 1}
}

// waiting reports whether a part of the next request is there already.
func (r *requests) waiting() bool { return r.in.Buffered() > 0 }

// next returns the next request, which is valid until the next call. Behind
// one that is too long, which is a *tooLongError, there may be others.
func (r *requests) next() ([]byte, error) {
	request, err := r.in.ReadSlice(0)
	if err == bufio.ErrBufferFull {
		request = bytes.Clone(request)
	}
	length := len(request)
	for err == bufio.ErrBufferFull {
		var piece []byte
		piece, err = r.in.ReadSlice(0)
		if length += len(piece); length <= r.limit {
			request = append(request, piece...)
		}
	}
	if err != nil {
		return nil, err
	}
	if length > r.limit {
		return nil, fmt.Errorf("the query %w", &tooLongError{Max: r.limit - 1})
	}
	return request[:length-1], nil
}
