package stream

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/term"
)

// ErrClosed is returned by writes to an output whose reader is gone. It is a
// normal end: the tool cleans up and says nothing.
var ErrClosed = errors.New("the reader of the output is gone")

// Output is where the data goes: standard output, or a file that is created
// at the first write, so that a run that fails early leaves an older file as
// it was. It does not buffer.
type Output struct {
	name string
	w    io.Writer // nil: a file that is not open yet
	more bool      // the file keeps what it has
	lead []byte    // goes before each write
}

// NewOutput writes to w, which messages call name.
func NewOutput(name string, w io.Writer) *Output { return &Output{name: name, w: w} }

// CreateOutput writes to the file at path, truncated at the first write.
func CreateOutput(path string) *Output { return &Output{name: path} }

// AppendOutput writes behind what the file at path has, if it is there.
func AppendOutput(path string) *Output { return &Output{name: path, more: true} }

// Name is what messages call the output: its path, or "stdout".
func (o *Output) Name() string { return o.name }

// Terminal reports whether the output is a terminal.
func (o *Output) Terminal() bool {
	f, ok := o.w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Lead puts text before all that is written from now on: where others draw a
// line of progress on the terminal, what clears it.
func (o *Output) Lead(text string) { o.lead = []byte(text) }

// WidePipe is what a pipe is asked to hold whose two ends are not to wait for each
// other most of the time, as they do with its usual 64 KiB: in bytes, as many as
// anybody may ask for by default.
const WidePipe = 1 << 20

// Widen asks for room for so many bytes in the pipe that the output is, so that
// its two ends wait for each other less often. What is no pipe, or a no, changes
// nothing.
func (o *Output) Widen(bytes int) {
	if f, ok := o.w.(*os.File); ok {
		WidenPipe(f, bytes)
	}
}

// Pipe is the write end of the pipe that the output is, nil if it is none.
func (o *Output) Pipe() *os.File {
	f, ok := o.w.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return nil
	}
	return f
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	if err := o.open(); err != nil {
		return 0, err
	}
	if len(o.lead) > 0 {
		if _, err := o.w.Write(slices.Concat(o.lead, p)); err != nil {
			return 0, o.wrap("write", err)
		}
		return len(p), nil
	}
	n, err := o.w.Write(p)
	return n, o.wrap("write", err)
}

// Close closes the output, creating the file if nothing was written: a run
// that succeeds leaves the file that was asked for.
func (o *Output) Close() error {
	if err := o.open(); err != nil {
		return err
	}
	if c, ok := o.w.(io.Closer); ok {
		return o.wrap("close", c.Close())
	}
	return nil
}

func (o *Output) open() error {
	if o.w != nil {
		return nil
	}
	mode := os.O_TRUNC
	if o.more {
		mode = os.O_APPEND
	}
	f, err := os.OpenFile(o.name, os.O_WRONLY|os.O_CREATE|mode, 0o666)
	if err != nil {
		return fmt.Errorf("create %s: %w", o.name, bare(err))
	}
	o.w = f
	return nil
}

func (o *Output) wrap(action string, err error) error {
	if err == nil || errors.Is(err, os.ErrClosed) && action == "close" {
		return nil
	}
	if errors.Is(err, syscall.EPIPE) {
		return ErrClosed
	}
	return fmt.Errorf("%s %s: %w", action, o.name, bare(err))
}

// Begun reports whether the output exists: standard output always, a file once
// something was written.
func (o *Output) Begun() bool { return o.w != nil }

// SameFile reports whether both are, or would be, the same regular file.
func (o *Output) SameFile(other *Output) bool {
	if o.w == nil && other.w == nil && filepath.Clean(o.name) == filepath.Clean(other.name) {
		return true
	}
	a, err := o.stat()
	if err != nil || !a.Mode().IsRegular() {
		return false
	}
	b, err := other.stat()
	return err == nil && os.SameFile(a, b)
}

// stat describes the file that is or would be written to.
func (o *Output) stat() (os.FileInfo, error) {
	if o.w == nil {
		return os.Stat(o.name)
	}
	f, ok := o.w.(*os.File)
	if !ok {
		return nil, fmt.Errorf("%s is no file", o.name)
	}
	return f.Stat()
}
