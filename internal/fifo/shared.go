package fifo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// TornMark ends a record of which the rest will never come, since its writer
// was killed. CAN is the ASCII character that says so of what precedes it.
const TornMark = "\x18torn\x18"

// SharedWriter writes records to a named pipe that other SharedWriters write
// to as well, so that no record is torn by another.
//
// They take turns by a lock on the pipe, which dies with its holder. What goes
// in by more than one write could stay half behind then; so the pipe's sticky
// bit, which means nothing else, is set meanwhile. The next writer that finds
// it set writes TornMark first.
type SharedWriter struct {
	path       string
	terminator byte
	wait       time.Duration
	f          *os.File
}

// OpenShared opens the pipe at path for records that end in terminator, once
// it is there and has a reader. It waits no longer than that, then or
// whenever the reader has left; 0 is for ever.
func OpenShared(ctx context.Context, path string, terminator byte, wait time.Duration) (*SharedWriter, error) {
	w := &SharedWriter{path: path, terminator: terminator, wait: wait}
	var err error
	w.f, err = w.openWhenRead(ctx)
	return w, err
}

func (w *SharedWriter) openWhenRead(ctx context.Context) (*os.File, error) {
	ctx, cancel := Within(ctx, w.wait, fmt.Errorf("waited %v", w.wait))
	defer cancel()
	return OpenWhenRead(ctx, w.path)
}

// Write puts whole records into the pipe. If the reader leaves, it waits for
// another one, which gets the record that was under way from its beginning.
func (w *SharedWriter) Write(ctx context.Context, records []byte) error {
	torn := false // of us
	for {
		n, err := w.locked(ctx, records, torn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return &Error{Path: w.path, Err: fmt.Errorf("its reader takes nothing: %w", context.Cause(ctx))}
		}
		if !errors.Is(err, syscall.EPIPE) {
			return err
		}
		whole := bytes.LastIndexByte(records[:n], w.terminator) + 1
		torn = torn || n > whole
		records = records[whole:]
		f, err := w.openWhenRead(ctx)
		if err != nil {
			return err
		}
		// The old one is closed after: until then the pipe keeps what is in it.
		w.f.Close()
		w.f = f
	}
}

// lastWords is how long a write that waits for the reader may go on when it is
// told to stop.
const lastWords = 200 * time.Millisecond

// lock waits for the other writers to be done. If ctx ends first the waiting
// goes on in the background, until the file is closed.
func (w *SharedWriter) lock(ctx context.Context) error {
	err := flock(w.f, unix.LOCK_EX|unix.LOCK_NB)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return err
	}
	f, locked := w.f, make(chan error, 1)
	go func() { locked <- flock(f, unix.LOCK_EX) }()
	select {
	case err := <-locked:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// locked writes as the only writer, and returns how much of records went in.
func (w *SharedWriter) locked(ctx context.Context, records []byte, torn bool) (n int, err error) {
	if err := w.lock(ctx); err != nil {
		return 0, &Error{Path: w.path, Err: err}
	}
	f := w.f
	defer flock(f, unix.LOCK_UN)
	stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Now().Add(lastWords)) })
	defer stop()
	info, err := w.f.Stat()
	if err != nil {
		return 0, &Error{Path: w.path, Err: bare(err)}
	}
	if sticky := info.Mode()&fs.ModeSticky != 0; torn || sticky {
		if _, err := w.f.Write(append([]byte(TornMark), w.terminator)); err != nil {
			return 0, bare(err)
		}
		if sticky {
			w.chmod(info.Mode().Perm())
		}
	}
	if len(records) <= AtomicSize {
		n, err = w.f.Write(records)
		return n, bare(err)
	}
	w.chmod(info.Mode().Perm() | fs.ModeSticky)
	if n, err = w.f.Write(records); err != nil {
		return n, bare(err)
	}
	w.chmod(info.Mode().Perm())
	return n, nil
}

// chmod can fail where the pipe is another user's. Then a killed writer goes
// unnoticed until the pipe's last writer leaves.
func (w *SharedWriter) chmod(mode fs.FileMode) { _ = w.f.Chmod(mode) }

// Close closes the pipe. If its reader has left and something is still in it,
// Close waits for another reader as Write does.
func (w *SharedWriter) Close(ctx context.Context) error {
	defer w.f.Close()
	if IsRead(w.f) || !unread(w.f) {
		return nil
	}
	next, err := w.openWhenRead(ctx)
	if err != nil {
		return err
	}
	return next.Close()
}
