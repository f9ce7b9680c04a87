//go:build !linux

package fifo

import (
	"os"
	"sync"
	"time"
)

// Watch tells when it is time to look into a directory again: without
// inotify(7) that is ten times a second.
type Watch struct {
	tick *time.Ticker
	done chan struct{}
	once sync.Once
}

// WatchDir watches the directory at path.
func WatchDir(path string) (*Watch, error) {
	if _, err := os.ReadDir(path); err != nil {
		return nil, &Error{Path: path, Err: bare(err)}
	}
	return &Watch{tick: time.NewTicker(time.Second / 10), done: make(chan struct{})}, nil
}

// Wait waits until something may have changed, or Close.
func (w *Watch) Wait() error {
	select {
	case <-w.tick.C:
		return nil
	case <-w.done:
		return os.ErrClosed
	}
}

// Close ends a Wait.
func (w *Watch) Close() error {
	w.once.Do(func() {
		w.tick.Stop()
		close(w.done)
	})
	return nil
}
