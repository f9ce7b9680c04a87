package fifomerge

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"time"

	"pipeworks/internal/fifo"
	"pipeworks/internal/spool"
)

// intake is a pipe on its way into the spool.
type intake struct {
	s   *spooled
	p   *pipe
	log *spool.Log
}

// reserve is a name for the log of the pipe at a path. The state is locked.
func (s *spooled) reserve(path string) string {
	name := inPrefix + path
	for n := 2; s.inUse[name]; n++ { // the path had another pipe before, which is read still
		name = fmt.Sprintf("%s%s#%d", inPrefix, path, n)
	}
	s.inUse[name] = true
	return name
}

// intake opens the log of a pipe, and begins to deliver it.
func (s *spooled) intake(p *pipe, name string) (in *intake, err error) {
	in = &intake{s: s, p: p}
	if err := s.whenRoom(func() (err error) {
		in.log, err = s.spool.Log(name)
		return err
	}); err != nil {
		return nil, err
	}
	if !p.r.Mark() {
		// Whoever wrote to the pipe before is gone.
		if err := in.mark(); err != nil {
			return nil, err
		}
	}
	s.deliverLog(name, in.log)
	return in, nil
}

// take moves what there is from the pipe to the log.
func (in *intake) take() error {
	return in.s.whenRoom(func() error {
		_, err := in.log.Fill(in.p.splice)
		if errno, ok := errors.AsType[syscall.Errno](err); ok {
			err = fmt.Errorf("spool %s: %w", in.s.dir, errno)
		}
		return err
	})
}

// finish says that no more will come.
func (in *intake) finish() { in.log.Finish() }

func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// whenRoom does something again while the disk is full.
func (s *spooled) whenRoom(do func() error) error {
	for {
		err := do()
		if !full(err) {
			return err
		}
		s.sayFull()
		s.spool.Reclaim()
		select {
		case <-s.ended:
			return fmt.Errorf("what is in the pipes is lost: the disk of the spool %s is full: %w", s.dir, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// sayFull says once a minute that the disk is full.
func (s *spooled) sayFull() {
	s.state.Lock()
	defer s.state.Unlock()
	if s.Warn != nil && time.Since(s.saidFull) > time.Minute {
		s.saidFull = time.Now()
		s.Warn(fmt.Sprintf("the disk of the spool %s is full: writers wait until records are delivered", s.dir))
	}
}

// unfinished marks what the last writer left of a record, as soon as the disk has
// room for it.
func (in *intake) unfinished() error { return in.s.whenRoom(in.mark) }

func (in *intake) mark() error {
	end := []byte{in.s.Framing.Terminator()}
	tail, err := in.log.Tail(1)
	if err != nil || len(tail) == 0 || bytes.Equal(tail, end) {
		return err
	}
	return in.log.Append(append([]byte(fifo.TornMark), end...))
}
