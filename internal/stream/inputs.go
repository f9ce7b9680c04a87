package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"pipeworks/internal/progress"
)

// Argument is the name that messages give to a text from the command line.
const Argument = "-e"

// Inputs are the operands of a tool that name its input: files, "-" for
// standard input, and standard input alone when there are none.
type Inputs struct {
	Stdin io.Reader
	Names []string

	// Arguments are texts from the command line, called "-e". If there are any
	// they are the input, and nothing else is.
	Arguments []string

	// Content returns what reads the content of the file called name, whose
	// bytes are r; nil: they are the content. Standard input is called "stdin".
	// An error that it or the reader returns gets the file's name.
	Content func(name string, r io.Reader) (io.Reader, error)

	// Meter counts the bytes read, before Content; nil: nobody counts.
	Meter *progress.Meter
}

// Check reports the first operand that cannot be an input: one that is not
// there, is a directory, or is standard input for the second time.
func (s Inputs) Check() error {
	stdin := false
	for _, name := range s.Names {
		if name == "-" {
			if stdin {
				return errors.New(`standard input ("-") is named twice`)
			}
			stdin = true
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, bare(err))
		}
		if info.IsDir() {
			return fmt.Errorf("open %s: is a directory", name)
		}
	}
	return nil
}

// ReadsStdin reports whether standard input is among the inputs.
func (s Inputs) ReadsStdin() bool {
	if len(s.Arguments) > 0 {
		return false
	}
	return len(s.Names) == 0 || slices.Contains(s.Names, "-")
}

// Widen asks for room for so many bytes in the pipe that standard input is, so
// that its two ends wait for each other less often. What is no pipe, or a no,
// changes nothing.
func (s Inputs) Widen(bytes int) {
	if f, ok := s.Stdin.(*os.File); ok && s.ReadsStdin() {
		WidenPipe(f, bytes)
	}
}

// Each calls fn with each input in turn and closes it after; the first error
// ends it.
func (s Inputs) Each(ctx context.Context, fn func(*Input) error) error {
	for _, text := range s.Arguments {
		in := NewInput(ctx, Argument, strings.NewReader(text))
		err := fn(in)
		in.Close()
		if err != nil {
			return err
		}
	}
	if len(s.Arguments) > 0 {
		return nil
	}
	if len(s.Names) == 0 {
		s.Names = []string{"-"}
	}
	for _, name := range s.Names {
		in := s.open(ctx, name)
		err := fn(in)
		in.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// open opens the input that an operand names. A file is opened when it is read.
func (s Inputs) open(ctx context.Context, name string) *Input {
	if name == "-" {
		in := newInput(ctx, Stdin, s.Meter)
		if s.Content == nil {
			in.readPipe(s.Stdin)
		}
		go in.pumpContent(s.Stdin, s.Content)
		return in
	}
	in := newInput(ctx, name, s.Meter)
	go in.pumpFile(name, s.Content)
	return in
}

// Size is how many bytes the inputs have in all, 0 if that is not known: only
// regular files have a size.
func (s Inputs) Size() (total int64) {
	if len(s.Arguments) > 0 {
		return 0
	}
	infos := make([]os.FileInfo, 0, len(s.Names)+1)
	for _, name := range s.Names {
		if name == "-" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return 0
		}
		infos = append(infos, info)
	}
	if s.ReadsStdin() {
		f, ok := s.Stdin.(*os.File)
		if !ok {
			return 0
		}
		info, err := f.Stat()
		if err != nil {
			return 0
		}
		infos = append(infos, info)
	}
	for _, info := range infos {
		if !info.Mode().IsRegular() {
			return 0
		}
		total += info.Size()
	}
	return total
}

// OverwrittenBy names the input that writing to o would destroy, "" if there
// is none. Only regular files count: reading and writing one terminal or
// device is no mistake.
func (s Inputs) OverwrittenBy(o *Output) string {
	out, err := o.stat()
	if err != nil || !out.Mode().IsRegular() {
		return ""
	}
	for _, name := range s.Names {
		if name == "-" {
			continue
		}
		if in, err := os.Stat(name); err == nil && os.SameFile(in, out) {
			return name
		}
	}
	if f, ok := s.Stdin.(*os.File); ok && s.ReadsStdin() {
		if in, err := f.Stat(); err == nil && os.SameFile(in, out) {
			return Stdin
		}
	}
	return ""
}

// bare takes the operation and path off a file error, for messages that name
// the file themselves.
func bare(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
