// Package spool keeps on disk what has arrived from several sources until it
// has been delivered: a log for each source, and how far its delivery has come.
//
// A log is a sequence of files, each named by the offset that it begins at, so
// that disk space is given back as delivery proceeds. What is in a file when
// the process is killed counts; nothing of a log is kept in memory alone.
package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"pipeworks/internal/fifo"
)

// Sync says when data is forced to the disk. A killed process loses nothing
// anyway; this is about a machine that fails.
type Sync uint8

// The ways to sync.
const (
	Batch  Sync = iota // again and again, all logs together
	Always             // before more is taken from the same source
	None               // when the system does it
)

// ParseSync returns the way called name.
func ParseSync(name string) (Sync, error) {
	for i, n := range []string{"batch", "always", "none"} {
		if n == name {
			return Sync(i), nil
		}
	}
	return 0, fmt.Errorf("unknown way to sync %q: it is one of always, batch, none", name)
}

// batchPause is the time between two syncs of all logs.
const batchPause = 20 * time.Millisecond

// Spool is a directory of logs.
type Spool struct {
	path string
	dir  *fifo.Dir
	sync Sync

	mu    sync.Mutex
	logs  map[string]*Log
	err   error // of a sync in the background
	stop  chan struct{}
	ended chan struct{}
}

// Open opens the spool in the directory at path, which is made if it is
// missing. It is this process's until Close.
func Open(path string, how Sync) (*Spool, error) {
	dir, _, err := fifo.MakeDir(path)
	if err == nil {
		err = dir.Lock()
	}
	if err != nil {
		return nil, err
	}
	s := &Spool{path: path, dir: dir, sync: how, logs: map[string]*Log{}, stop: make(chan struct{}), ended: make(chan struct{})}
	go s.syncAll()
	return s, nil
}

// syncAll syncs what has changed, again and again.
func (s *Spool) syncAll() {
	defer close(s.ended)
	for s.sync == Batch {
		select {
		case <-s.stop:
			return
		case <-time.After(batchPause):
		}
		for _, l := range s.all() {
			if err := l.syncDirty(); err != nil && !errors.Is(err, fs.ErrClosed) {
				s.mu.Lock()
				s.err = err
				s.mu.Unlock()
				return
			}
		}
	}
}

func (s *Spool) all() []*Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.logs))
}

// Reclaim gives back the disk space of all that is delivered: for when the disk
// is full.
func (s *Spool) Reclaim() {
	for _, l := range s.all() {
		l.reclaim()
	}
}

// failure is the error of a sync in the background.
func (s *Spool) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// syncNames syncs the directory: a new file is on the disk when its name is.
func (s *Spool) syncNames() error {
	if s.sync == None {
		return nil
	}
	dir, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// Names are the names of the logs on disk.
func (s *Spool) Names() ([]string, error) {
	entries, err := os.ReadDir(s.path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if escaped, ok := strings.CutSuffix(entry.Name(), positionSuffix); ok {
			name, err := url.PathUnescape(escaped)
			if err != nil {
				return nil, fmt.Errorf("%s: no name of a log: %w", filepath.Join(s.path, entry.Name()), err)
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// Log opens the log called name, or makes it.
func (s *Spool) Log(name string) (*Log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs[name]; l != nil {
		return l, nil
	}
	l := &Log{spool: s, name: name, base: filepath.Join(s.path, url.PathEscape(name))}
	l.grown.L = &l.mu
	if err := l.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open spool: %w", err), l.closeFiles())
	}
	s.logs[name] = l
	return l, nil
}

func (s *Spool) forget(l *Log) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.logs, l.name)
}

// Close syncs and closes all logs.
func (s *Spool) Close() error {
	close(s.stop)
	<-s.ended
	errs := []error{s.err}
	for _, l := range s.logs {
		if s.sync != None {
			errs = append(errs, l.syncDirty())
		}
		errs = append(errs, l.closeFiles())
	}
	s.dir.Close()
	return errors.Join(errs...)
}

// findSegments finds where the files of the log begin, in order.
func (l *Log) findSegments() (bases []int64, err error) {
	paths, err := filepath.Glob(globQuote(l.base) + segmentMark + strings.Repeat("[0-9a-f]", 16))
	for _, path := range paths {
		var base int64
		if _, err := fmt.Sscanf(path[len(path)-16:], "%016x", &base); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		bases = append(bases, base)
	}
	slices.Sort(bases)
	return bases, err
}

// globQuote makes a path one that only stands for itself in a pattern.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
