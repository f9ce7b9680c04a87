package fifo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newPipe makes a named pipe for the test.
func newPipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if made, err := Make(path, 0o600); !made || err != nil {
		t.Fatalf("made %t, %v", made, err)
	}
	return path
}

// openWriter opens the pipe as a plain program would. It needs a reader.
func openWriter(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := open(path, os.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func put(t *testing.T, f io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(f, s); err != nil {
		t.Error(err)
	}
}

// expectRead reads once.
func expectRead(t *testing.T, r io.Reader, want string, wantErr error) {
	t.Helper()
	buf := make([]byte, 100)
	n, err := r.Read(buf)
	if string(buf[:n]) != want || !errors.Is(err, wantErr) {
		t.Errorf("read %q, %v; want %q, %v", buf[:n], err, want, wantErr)
	}
}

func TestMake(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink("new", path("link")), os.Symlink("file", path("filelink"))); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		made bool
		err  error
	}{
		{"new", true, nil},
		{"new", false, nil},
		{"link", false, nil},
		{"file", false, ErrNotFIFO},
		{"filelink", false, ErrNotFIFO},
		{".", false, ErrNotFIFO},
		{"none/new", false, fs.ErrNotExist},
	} {
		made, err := Make(path(tt.name), 0o640)
		if made != tt.made || !errors.Is(err, tt.err) {
			t.Errorf("%s: made %t, %v; want %t, %v", tt.name, made, err, tt.made, tt.err)
		}
	}
	if info, err := os.Stat(path("new")); err != nil || info.Mode() != fs.ModeNamedPipe|0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// The reader sees no end of file before a writer has come, nor between two
// that overlap, and one end of file for each time the last one leaves.
func TestReaderAcrossWriters(t *testing.T) {
	path := newPipe(t)
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	a := openWriter(t, path)
	put(t, a, "a1")
	expectRead(t, r, "a1", nil)
	b := openWriter(t, path)
	a.Close()
	put(t, b, "b1")
	expectRead(t, r, "b1", nil)
	put(t, b, "b2")
	b.Close()
	expectRead(t, r, "b2", nil)
	expectRead(t, r, "", io.EOF)
	// Now it waits again.
	go func() {
		if err := os.WriteFile(path, []byte("c"), 0); err != nil {
			t.Error(err)
		}
	}()
	expectRead(t, r, "c", nil)
	expectRead(t, r, "", io.EOF)
	r.Release()
	expectRead(t, r, "", io.EOF)
}

// Release lets a Read end that waits for nobody, but not one that has a writer.
func TestRelease(t *testing.T) {
	path := newPipe(t)
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	time.AfterFunc(10*time.Millisecond, r.Release)
	expectRead(t, r, "", io.EOF)

	w := openWriter(t, path)
	go func() {
		put(t, w, "late")
		w.Close()
	}()
	expectRead(t, r, "late", nil)
	expectRead(t, r, "", io.EOF)
}

// A writer that came and went without a word was there, whenever it came; one
// that is still there, or none, is waited for.
func TestReaderSilentWriter(t *testing.T) {
	path := newPipe(t)
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	openWriter(t, path).Close()
	expectRead(t, r, "", io.EOF)

	r, err = OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		time.Sleep(10 * time.Millisecond) // Read waits by now, most probably
		if f, err := os.OpenFile(path, os.O_WRONLY, 0); err != nil {
			t.Error(err)
		} else {
			f.Close()
		}
	}()
	expectRead(t, r, "", io.EOF)
}

// After the deadline what the pipe holds is still read.
func TestDeadline(t *testing.T) {
	path := newPipe(t)
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w := openWriter(t, path)
	put(t, w, "held")
	r.SetDeadline(time.Now())
	expectRead(t, r, "held", nil)
	expectRead(t, r, "", os.ErrDeadlineExceeded)
	put(t, w, "more")
	expectRead(t, r, "more", nil)
	w.Close()
	r.Release()
	expectRead(t, r, "", io.EOF)
}

// However much a living writer goes on writing, the reader comes to its end.
func TestDeadlineAgainstFlood(t *testing.T) {
	path := newPipe(t)
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	w := openWriter(t, path)
	flooded := make(chan struct{})
	go func() {
		defer close(flooded)
		for block := make([]byte, 64<<10); ; {
			if _, err := w.Write(block); err != nil {
				return // the reader is gone
			}
		}
	}()
	r.SetDeadline(time.Now())
	for buf := make([]byte, 64<<10); err == nil; {
		_, err = r.Read(buf)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	r.Close()
	<-flooded
}

// The umask does not change a mode that was asked for.
func TestMakeUmask(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	path := filepath.Join(t.TempDir(), "pipe")
	if _, err := Make(path, 0o664); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != fs.ModeNamedPipe|0o664 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestReplaced(t *testing.T) {
	path := newPipe(t)
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expectRead(t, r, "", ErrReplaced)
	if _, err := Make(path, 0o600); err != nil {
		t.Fatal(err)
	}
	expectRead(t, r, "", ErrReplaced)
}

// Whatever readers come and go, together they get every byte once, in order.
func TestWriterAcrossReaders(t *testing.T) {
	path := newPipe(t)
	var want bytes.Buffer
	for i := range 50_000 {
		fmt.Fprintf(&want, "%d\n", i)
	}
	written := make(chan error)
	go func() {
		w := NewWriter(t.Context(), path)
		_, err := w.Write(want.Bytes())
		written <- errors.Join(err, w.Close())
	}()
	var got bytes.Buffer
	for size := 1; got.Len() < want.Len(); size = size*7%65521 + 1 {
		r, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, size)
		n, err := r.Read(buf)
		if err != nil && err != io.EOF { // EOF: it came while the writer looked for a reader
			t.Fatal(err)
		}
		got.Write(buf[:n])
		r.Close()
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Errorf("%d bytes, not the same", got.Len())
	}
}

// A reader that takes nothing does not hold up the end.
func TestWriterStopped(t *testing.T) {
	path := newPipe(t)
	r, err := open(path, os.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error)
	go func() {
		w := NewWriter(ctx, path)
		_, err := w.Write(make([]byte, 2<<20))
		written <- errors.Join(err, w.Close())
	}()
	for !unread(r) {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-written; !errors.Is(err, errUntaken) {
		t.Errorf("got %v", err)
	}
}

// A reader gets its end of file though there is nothing to read.
func TestWriterFinish(t *testing.T) {
	path := newPipe(t)
	finished := make(chan error)
	go func() { finished <- NewWriter(t.Context(), path).Finish() }()
	if data, err := os.ReadFile(path); len(data) > 0 || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if err := <-finished; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := NewWriter(ctx, path).Finish(); err != nil {
		t.Error(err)
	}
}

// What the last reader left in the pipe waits for the next one, even when all
// is written.
func TestWriterCloseWaits(t *testing.T) {
	path := newPipe(t)
	r, err := open(path, os.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	w := NewWriter(t.Context(), path)
	put(t, w, "one two")
	buf := make([]byte, 4)
	if n, err := r.Read(buf); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	r.Close()
	closed := make(chan error)
	go func() { closed <- w.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("closed over unread bytes: %v", err)
	case <-time.After(30 * time.Millisecond):
	}
	rest, err := os.ReadFile(path)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if string(rest) != "two" || err != nil {
		t.Errorf("the next reader gets %q, %v", rest, err)
	}
}

// A pipe that is gone has no next reader.
func TestWriterCloseReplaced(t *testing.T) {
	path := newPipe(t)
	r, err := open(path, os.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	w := NewWriter(t.Context(), path)
	put(t, w, "lost")
	if err := errors.Join(r.Close(), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, ErrReplaced) {
		t.Errorf("got %v", err)
	}
}

func TestWriterGivesUp(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("long enough"))
	defer cancel()
	path := newPipe(t)
	_, err := NewWriter(ctx, path).Write([]byte("x"))
	if want := path + ": nobody reads it: its last records are lost"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = OpenWhenRead(ctx, path)
	if want := path + ": nobody reads it: long enough"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = OpenWhenRead(ctx, path+"s")
	if want := path + "s: no such file or directory: long enough"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir")
	d, made, err := MakeDir(path)
	if err != nil || !made {
		t.Fatalf("made %t, %v", made, err)
	}
	defer d.Close()
	if info, err := os.Stat(path); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, again, err := MakeDir(path); again || err != nil {
		t.Errorf("made again: %t, %v", again, err)
	}
	if err := d.Make("a"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", d.Path("link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.Path("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"a":    "",
		"link": "too many levels of symbolic links",
		"file": ErrNotFIFO.Error(),
		"none": "no such file or directory",
	} {
		f, err := d.Open(name, os.O_RDONLY)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			f.Close()
		} else if err == nil || err.Error() != d.Path(name)+": "+want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if err := d.Make("a"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made over another: %v", err)
	}
	if err := errors.Join(d.Remove("a"), d.Remove("a")); err != nil {
		t.Error(err)
	}
}

func TestDirRefused(t *testing.T) {
	root := t.TempDir()
	open := filepath.Join(root, "open")
	link := filepath.Join(root, "link")
	file := filepath.Join(root, "file")
	err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o770), os.Symlink("open", link), os.WriteFile(file, nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		open: "others may write to it",
		link: "is a symbolic link, which is not followed",
		file: "not a directory",
	} {
		if _, _, err := MakeDir(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

func TestDirLock(t *testing.T) {
	path := t.TempDir()
	a, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := a.Lock(); err != nil {
		t.Fatal(err)
	}
	if err := b.Lock(); !errors.Is(err, ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	a.Close()
	if err := b.Lock(); err != nil {
		t.Errorf("after the first one is gone: %v", err)
	}
}

// The reader of a pipe is missed, be it one of ours or one that a shell has
// made, which blocks.
func TestWatchReader(t *testing.T) {
	for _, nonblock := range []bool{false, true} {
		var ends [2]int
		if err := unix.Pipe(ends[:]); err != nil {
			t.Fatal(err)
		}
		if err := unix.SetNonblock(ends[1], nonblock); err != nil {
			t.Fatal(err)
		}
		r, w := os.NewFile(uintptr(ends[0]), "r"), os.NewFile(uintptr(ends[1]), "w")
		stop, err := WatchReader(w, func() { t.Error("a reader that is there is missed") })
		if err != nil {
			t.Fatal(err)
		}
		stop()
		gone := make(chan struct{})
		stop, err = WatchReader(w, func() { close(gone) })
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, "unread")
		r.Close()
		<-gone
		stop()
		w.Close()
	}
}
