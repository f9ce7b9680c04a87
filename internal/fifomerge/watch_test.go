package fifomerge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipeworks/internal/fifo"
)

// startWatch merges a directory that is not there yet.
func startWatch(t *testing.T, cfg MergeConfig, out *buffer) (r *running, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "dir")
	cfg.Watch = dir
	r = startMerge(t, 0, cfg, out)
	r.await("directory", func() bool { _, err := os.Stat(dir); return err == nil })
	return r, dir
}

func slot(t *testing.T, dir string) string {
	t.Helper()
	path, err := Slot(t.Context(), dir, patience)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Pipes are read as they appear, and forgotten as they go; a slot goes with its
// writer, who can do without a word.
func TestMergeWatch(t *testing.T) {
	var out buffer
	r, dir := startWatch(t, MergeConfig{}, &out)
	path := filepath.Join(dir, "p")
	for _, word := range []string{"a\n", "b\n"} {
		if _, err := fifo.Make(path, 0o600); err != nil {
			t.Fatal(err)
		}
		writeTo(t, path, word)
		r.await("word", func() bool { return strings.HasSuffix(out.String(), word) })
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, word := range []string{"", "c\n", "half"} {
		path := slot(t, dir)
		writeTo(t, path, word)
		r.await("end of the slot", func() bool { _, err := os.Lstat(path); return errors.Is(err, fs.ErrNotExist) })
	}
	unused := slot(t, dir)
	r.stop(errStop)
	r.end()
	if out.String() != "a\nb\nc\n" || r.err != errStop {
		t.Errorf("%q, %v", out.String(), r.err)
	}
	if r.sum.Rejected != 1 || !strings.Contains(r.rejects.String(), `"input":"half"`) {
		t.Errorf("rejects %s", r.rejects.String())
	}
	if _, err := os.Lstat(unused); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a slot is left: %v", err)
	}
	if _, err := Slot(t.Context(), dir, 10*time.Millisecond); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a slot of no merge: %v", err)
	}
}

// Once waits for a first pipe, and for who was given a slot.
func TestMergeWatchOnce(t *testing.T) {
	var out buffer
	r, dir := startWatch(t, MergeConfig{Once: true}, &out)
	first, second := slot(t, dir), slot(t, dir)
	writeTo(t, first, "a\n")
	r.await("a", func() bool { return out.String() == "a\n" })
	writeTo(t, second, "b\n")
	r.end()
	if out.String() != "a\nb\n" || r.err != nil {
		t.Errorf("%q, %v", out.String(), r.err)
	}
}

// A pipe that is not for this user is passed over, with a word, and no reason to
// end.
func TestMergeGlobForbidden(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read all")
	}
	var out, said buffer
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if _, err := fifo.Make(path("theirs"), 0o200); err != nil {
		t.Fatal(err)
	}
	r := startMerge(t, 0, MergeConfig{Globs: []string{path("*")}, Records: Records{Warn: func(message string) { fmt.Fprintln(&said, message) }}}, &out)
	r.await("word of it", func() bool { return said.String() == path("theirs")+": permission denied: it is passed over\n" })
	if _, err := fifo.Make(path("ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	writeTo(t, path("ours"), "a\n")
	r.await("a", func() bool { return out.String() == "a\n" })
	r.stop(errStop)
	r.end()
	if strings.Count(said.String(), "\n") != 1 || r.err != errStop {
		t.Errorf("%v, said %q", r.err, said.String())
	}
}

// A pattern takes the pipes of that name, and nothing twice.
func TestMergeGlob(t *testing.T) {
	var out buffer
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a.fifo", "other"} {
		if _, err := fifo.Make(path(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(path("file.fifo"), nil, 0o600), os.Symlink("other", path("link.fifo"))); err != nil {
		t.Fatal(err)
	}
	r := startMerge(t, 0, MergeConfig{Globs: []string{path("*.fifo"), path("[a-c].*")}}, &out)
	writeTo(t, path("a.fifo"), strings.Repeat("a\n", 10000))
	if _, err := fifo.Make(path("b.fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	writeTo(t, path("b.fifo"), "b\n")
	r.stop(errStop)
	r.end()
	if n := strings.Count(out.String(), "\n"); n != 10001 || r.rejects.String() != "" || r.err != errStop {
		t.Errorf("%d records, %v", n, r.err)
	}
	if err := fifo.Check(path("a.fifo")); err != nil {
		t.Errorf("not its own to remove: %v", err)
	}
}

// A new writer that comes while the merge lingers is heard, and if none comes it
// ends.
func TestMergeLinger(t *testing.T) {
	var out buffer
	r := startMerge(t, 1, MergeConfig{Once: true, Linger: time.Hour}, &out)
	for _, word := range []string{"a\n", "b\n", "c\n"} {
		writeTo(t, r.pipes[0], word)
		r.await("word", func() bool { return strings.HasSuffix(out.String(), word) })
	}
	r.stop(errStop)
	r.end()
	if out.String() != "a\nb\nc\n" || r.err != errStop {
		t.Errorf("%q, %v", out.String(), r.err)
	}
	r = startMerge(t, 1, MergeConfig{Once: true, Linger: 20 * time.Millisecond}, &out)
	writeTo(t, r.pipes[0], "d\n")
	r.end()
	if r.err != nil {
		t.Error(r.err)
	}
}

func TestSlotRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Slot(t.Context(), dir, time.Millisecond)
	if want := dir + ": no process has it in use: waited 1ms"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
