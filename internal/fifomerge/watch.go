package fifomerge

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"pipeworks/internal/fifo"
)

// watch looks for new pipes in a directory.
type watch struct {
	*merge
	dir     string
	pattern string
	events  *fifo.Watch
	slots   *fifo.Dir // the directory, if it has slots
	made    bool      // the directory

	scanning sync.Mutex       // of what follows
	busy     bool             // no pipe has been in it yet
	known    map[fifo.ID]bool // the pipes that the last scan has seen
}

// openWatches opens the directories that new pipes are looked for in.
func (m *merge) openWatches() (err error) {
	for _, glob := range m.cfg.Globs {
		m.watches = append(m.watches, &watch{dir: filepath.Dir(glob), pattern: filepath.Base(glob)})
	}
	if m.cfg.Watch != "" {
		w := &watch{dir: m.cfg.Watch, pattern: "*"}
		if w.slots, w.made, err = fifo.MakeDir(w.dir); err == nil {
			m.watches = append(m.watches, w)
			err = w.slots.Lock()
		}
	}
	for _, w := range m.watches {
		if err == nil {
			w.events, err = fifo.WatchDir(w.dir)
		}
		w.merge, w.busy, w.known = m, true, map[fifo.ID]bool{}
		m.busy++
	}
	return err
}

func (m *merge) closeWatches() {
	for _, w := range m.watches {
		if w.events != nil {
			w.events.Close()
		}
		if w.slots != nil {
			w.slots.Close()
		}
		if w.made {
			w.slots.RemoveSelf()
		}
	}
}

// run reads the pipes that come, until the merge ends.
func (w *watch) run() error {
	w.all.Go(func() {
		<-w.ended
		w.events.Close()
	})
	for {
		if err := w.events.Wait(); w.isEnding() {
			break
		} else if err != nil {
			return err
		}
		if err := w.scan(); err != nil {
			return err
		}
	}
	if w.slots == nil {
		return nil
	}
	// From here on there are no new slots. Who was given one is heard.
	w.slots.Close()
	err := w.scan()
	w.removePipes()
	return err
}

// scan begins to read the pipes that are new, and no longer waits for writers
// of those that are gone.
func (w *watch) scan() error {
	w.scanning.Lock()
	defer w.scanning.Unlock()
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return err
	}
	there := map[fifo.ID]bool{}
	for _, entry := range entries {
		if matches, err := filepath.Match(w.pattern, entry.Name()); !matches || entry.Type() != fs.ModeNamedPipe {
			if err != nil {
				return err
			}
			continue
		}
		info, err := entry.Info()
		if err != nil {
			continue // it is gone
		}
		id := fifo.IDOf(info)
		if !w.isOpen(id) {
			path := filepath.Join(w.dir, entry.Name())
			slot := w.slots != nil && strings.HasSuffix(path, slotSuffix)
			id, err = w.add(&pipe{path: path, watched: true, slot: slot})
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case errors.Is(err, fs.ErrPermission):
				id = fifo.IDOf(info)
				if !w.known[id] && w.Warn != nil {
					w.Warn(err.Error() + ": it is passed over")
				}
			case err != nil:
				return err
			}
		}
		there[id] = true
	}
	w.state.Lock()
	defer w.state.Unlock()
	for id := range w.known {
		if r := w.open[id]; r != nil && !there[id] {
			r.Release()
		}
	}
	w.known = there
	if len(there) > 0 {
		w.setBusy(&w.busy, false)
	}
	return nil
}
