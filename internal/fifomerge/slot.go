package fifomerge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"pipeworks/internal/fifo"
)

// slotSuffix ends the name of a pipe that is for one writer.
const slotSuffix = ".slot"

// Slot makes a pipe in a directory that is merged, for one writer alone, and
// returns its path. It waits for the merge for the time given; 0 is for ever.
func Slot(ctx context.Context, dir string, wait time.Duration) (string, error) {
	ctx, cancel := fifo.Within(ctx, wait, fmt.Errorf("waited %v", wait))
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		path, err := makeSlot(dir)
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fifo.ErrNotLocked) {
			return path, err
		}
		select {
		case <-ctx.Done():
			return "", &unmergedError{dir, fmt.Errorf("%w: %w", err, context.Cause(ctx))}
		case <-time.After(pause):
		}
	}
}

// unmergedError says that nobody merges a directory.
type unmergedError struct {
	dir string
	err error
}

func (e *unmergedError) Error() string { return e.err.Error() }
func (e *unmergedError) Unwrap() error { return e.err }

// Hint is what to do about it.
func (e *unmergedError) Hint() string { return "start: fifomerge merge --watch " + e.dir }

// makeSlot makes a slot if the directory is merged. It asks that twice: a merge
// that ends looks for new slots when it has given up the directory.
func makeSlot(path string) (string, error) {
	dir, err := fifo.OpenDir(path)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	if err := dir.CheckLocked(); err != nil {
		return "", err
	}
	name := newID() + slotSuffix
	if err := dir.Make(name); err != nil {
		return "", err
	}
	if err := dir.CheckLocked(); err != nil {
		_ = dir.Remove(name)
		return "", err
	}
	return dir.Path(name), nil
}
