package fifomerge

import (
	"errors"
	"io"
	"os"

	"pipeworks/internal/fifo"
)

// taker takes what is in a pipe: to the output, or into the spool.
type taker interface {
	take() error       // what there is, or the error of reading
	unfinished() error // the end of the last writer
	finish()           // no more will come
}

// pipe is one named pipe that is read.
type pipe struct {
	*merge
	path    string
	watched bool // it may go as it came
	slot    bool // it is for one writer, and goes with him

	r    *fifo.Reader
	in   taker
	busy bool // it has a writer, or is waiting for its first
}

func (p *pipe) setBusy(is bool) {
	p.locked(func() { p.merge.setBusy(&p.busy, is) })
}

// Read reads the pipe. That there is something means that it has a writer.
func (p *pipe) Read(buf []byte) (int, error) {
	n, err := p.r.Read(buf)
	p.arrived(n)
	return n, err
}

// splice is Read into a file.
func (p *pipe) splice(f *os.File, offset int64, size int) (int, error) {
	n, err := p.r.Splice(f, offset, size)
	p.arrived(n)
	return n, err
}

func (p *pipe) arrived(n int) {
	if n > 0 && !p.busy {
		p.setBusy(true)
	}
}

// run reads the pipe to its end.
func (p *pipe) run() error {
	for {
		err := p.in.take()
		switch {
		case err == io.EOF:
			if err := p.in.unfinished(); err != nil {
				return err
			}
			if p.slot || p.r.Released() || p.ordered != nil {
				return nil
			}
			p.setBusy(false)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return p.in.unfinished()
		case errors.Is(err, fifo.ErrReplaced) && (p.watched || p.cfg.Once || p.isEnding()):
			return nil // no other writer can come, and none need
		case err != nil:
			return err
		}
	}
}

func (p *pipe) close() {
	p.state.Lock()
	defer p.state.Unlock()
	if p.slot {
		_ = os.Remove(p.path)
	}
	p.in.finish()
	delete(p.open, p.r.ID())
	p.r.Close()
	p.merge.setBusy(&p.busy, false)
}
