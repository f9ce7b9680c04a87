package relay

import (
	"bufio"
	"io"
	"sync"
	"time"
)

// soon is a buffered Writer that holds nothing back for long: what comes next may
// take much longer than what was written.
type soon struct {
	mu    sync.Mutex
	w     *bufio.Writer
	timer *time.Timer // runs while something is held back
}

func newSoon(w io.Writer) *soon {
	s := &soon{w: bufio.NewWriterSize(w, 64<<10)}
	s.timer = time.AfterFunc(time.Hour, func() { _ = s.Flush() }) // an error comes again
	s.timer.Stop()
	return s
}

// Write implements io.Writer.
func (s *soon) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w.Buffered() == 0 {
		s.timer.Reset(10 * time.Millisecond)
	}
	return s.w.Write(p)
}

func (s *soon) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer.Stop()
	return s.w.Flush()
}
