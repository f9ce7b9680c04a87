package stream

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A file is created by what is written to it, or at the end.
func TestCreateOutput(t *testing.T) {
	for _, writes := range [][]string{nil, {""}, {"one", "two"}} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte("what was there before"), 0o600); err != nil {
			t.Fatal(err)
		}
		out := CreateOutput(path)
		if out.Begun() {
			t.Error("an output has begun before it was written to")
		}
		for _, s := range writes {
			if data, _ := os.ReadFile(path); !out.Begun() && string(data) != "what was there before" {
				t.Errorf("before the first write the file has %q", data)
			}
			writeString(t, out, s)
			if !out.Begun() {
				t.Error("an output has not begun with its first write")
			}
		}
		for range 2 { // closing twice is no error
			if err := out.Close(); err != nil {
				t.Error(err)
			}
		}
		data, err := os.ReadFile(path)
		if want := strings.Join(writes, ""); err != nil || string(data) != want {
			t.Errorf("the file has %q, %v; want %q", data, err, want)
		}
	}
}

// A run that fails before its first output leaves an older file as it was.
func TestCreateOutputAbandoned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	CreateOutput(path)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that nothing was written to is there: %v", err)
	}
}

func TestOutputErrors(t *testing.T) {
	closed := func() *Output {
		r, w := pipe(t)
		r.Close()
		return NewOutput("stdout", w)
	}
	tests := []struct {
		name string
		out  *Output
		want string
		is   error
	}{
		{"full disk", CreateOutput("/dev/full"), "write /dev/full: no space left on device", syscall.ENOSPC},
		{"no directory", CreateOutput("/nonexistent/file"), "create /nonexistent/file: no such file or directory", fs.ErrNotExist},
		{"a directory", CreateOutput("/"), "create /: is a directory", syscall.EISDIR},
		{"the reader is gone", closed(), "the reader of the output is gone", ErrClosed},
		{"closed", func() *Output {
			_, w := pipe(t)
			w.Close()
			return NewOutput("stdout", w)
		}(), "write stdout: file already closed", os.ErrClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := io.WriteString(tt.out, "x")
			if err == nil || err.Error() != tt.want || !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// An error of the last close is the run's.
func TestOutputCloseError(t *testing.T) {
	out := NewOutput("stdout", badCloser{})
	writeString(t, out, "x")
	if err := out.Close(); err == nil || err.Error() != "close stdout: disk quota exceeded" {
		t.Errorf("got %v", err)
	}
	if err := CreateOutput("/nonexistent/file").Close(); err == nil || err.Error() != "create /nonexistent/file: no such file or directory" {
		t.Errorf("got %v", err)
	}
	if err := NewOutput("buffer", io.Discard).Close(); err != nil {
		t.Errorf("got %v of an output that cannot be closed", err)
	}
}

type badCloser struct{}

func (badCloser) Write(p []byte) (int, error) { return len(p), nil }
func (badCloser) Close() error {
	return &fs.PathError{Op: "close", Path: "/dev/stdout", Err: syscall.EDQUOT}
}

func TestTerminal(t *testing.T) {
	_, w := pipe(t)
	for _, out := range []*Output{NewOutput("stdout", w), NewOutput("stdout", io.Discard), CreateOutput("file")} {
		if out.Terminal() {
			t.Errorf("%+v is a terminal", out)
		}
	}
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer pty.Close()
	if !NewOutput("stdout", pty).Terminal() {
		t.Error("a pseudo-terminal is no terminal")
	}
}
