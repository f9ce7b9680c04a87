package plain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pipeworks/internal/framing"
	"pipeworks/internal/transport"
)

// File is file:, which is appended to, and read from its beginning or where a
// reader has stopped.
var File = transport.Transport{
	Scheme:  "file",
	Form:    "file:PATH",
	Summary: "a file, which is appended to",
	Options: []transport.Option{
		{Name: "resume", Usage: "keep in this file how far a receiver has come, and begin there"},
	},
	Blocks:   true,
	Sender:   fileSender,
	Receiver: fileReceiver,
}

func fileSender(_ context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	f, err := os.OpenFile(u.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	a := &appended{f: f, o: o}
	return &sender{
		o:     o,
		write: a.write,
		flush: func(context.Context) error {
			err := f.Sync()
			if errors.Is(err, syscall.EINVAL) { // a device
				err = nil
			}
			return err
		},
		close: func(context.Context, error) error { return f.Close() },
	}, nil
}

// appended is a file that others may append to as well.
type appended struct {
	f     *os.File
	o     transport.Options
	ended bool // the last record of the file has its terminator
}

// write appends all of b, or nothing.
func (a *appended) write(_ context.Context, b []byte) error {
	if err := syscall.Flock(int(a.f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", a.f.Name(), err)
	}
	defer syscall.Flock(int(a.f.Fd()), syscall.LOCK_UN) //nolint:errcheck // it goes with the descriptor, too
	info, err := a.f.Stat()
	if err != nil {
		return err
	}
	if !a.ended && !a.o.Stream && a.o.Framing != framing.Length && info.Mode().IsRegular() && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := a.f.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
		if t := a.o.Framing.Terminator(); last[0] != t { // somebody was killed in the middle of a record
			b = append([]byte{t}, b...)
		}
	}
	a.ended = true
	if _, err = a.f.Write(b); err != nil && info.Mode().IsRegular() {
		return errors.Join(err, a.f.Truncate(info.Size()))
	}
	return err
}

func fileReceiver(ctx context.Context, u transport.URL, o transport.Options) (transport.Receiver, error) {
	if err := oneReceiver(u, o); err != nil {
		return nil, err
	}
	resume := u.Option("resume")
	begin, err := readOffset(resume)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &tail{ctx: ctx, path: u.Path, follow: o.Follow}
	if err := t.open(begin); err != nil {
		cancel()
		return nil, err
	}
	if info, err := t.f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() < begin-unended {
		o.Warnf("%s is shorter than where it was read to: it is read from its beginning", u.Path)
		begin = 0
		_, err = t.f.Seek(0, io.SeekStart)
		if err != nil {
			cancel()
			return nil, err
		}
	}
	r := newReceiver(t, begin, o, func() error {
		cancel()
		return nil
	})
	if resume != "" {
		r.done = func(bytes int64) error { return writeOffset(resume, bytes) }
	}
	go func() {
		r.run()
		t.f.Close()
	}()
	return r, nil
}

// unended is how much farther a file was read than it goes if its last record has
// no terminator: that counts, so that what is appended begins behind it.
const unended = 1

// tail reads a file to its end, or on as it grows.
type tail struct {
	ctx    context.Context
	path   string
	follow bool
	f      *os.File
}

func (t *tail) open(at int64) (err error) {
	if t.f, err = os.Open(t.path); err != nil {
		return err
	}
	if at > 0 {
		_, err = t.f.Seek(at, io.SeekStart)
	}
	return err
}

// lookEvery is how often a file that is followed is looked at.
const lookEvery = 100 * time.Millisecond

func (t *tail) Read(p []byte) (int, error) {
	for {
		n, err := t.f.Read(p)
		if err != io.EOF || !t.follow {
			return n, err
		}
		select {
		case <-time.After(lookEvery):
		case <-t.ctx.Done():
			return 0, context.Cause(t.ctx)
		}
		if err := t.replaced(); err != nil {
			return 0, err
		}
	}
}

// replaced is the error that another file has the name now, as a rotated log
// has, or that this one was cut.
func (t *tail) replaced() error {
	mine, err := t.f.Stat()
	if err != nil {
		return err
	}
	at, err := t.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if mine.Size() < at-unended {
		return fmt.Errorf("%s was cut while it was followed", t.path)
	}
	if now, err := os.Stat(t.path); err == nil && !os.SameFile(now, mine) && mine.Size() == at {
		return fmt.Errorf("%s was replaced by another file while it was followed", t.path)
	}
	return nil
}

// readOffset is what a resume file says; 0 if it is not there.
func readOffset(path string) (int64, error) {
	if path == "" {
		return 0, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s is no resume file: it does not hold a number", path)
	}
	return n, nil
}

// writeOffset replaces a resume file.
func writeOffset(path string, n int64) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, n)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name()) //nolint:errcheck // the first error tells
	}
	return err
}
