package spool

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipeworks/internal/fifo"
)

func openSpool(t testing.TB, path string, how Sync) *Spool {
	t.Helper()
	s, err := Open(path, how)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openLog(t testing.TB, s *Spool, name string) *Log {
	t.Helper()
	l, err := s.Log(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// rest reads what is not delivered of a log that ends.
func rest(t testing.TB, l *Log) string {
	t.Helper()
	l.Finish()
	all, err := io.ReadAll(io.NewSectionReader(l, l.At().Offset, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// What was appended is there again, from where the delivery has come to, also
// when the spool was never closed.
func TestReopen(t *testing.T) {
	for _, how := range []Sync{Batch, Always, None} {
		path := filepath.Join(t.TempDir(), "spool")
		s := openSpool(t, path, how)
		for _, name := range []string{"in-/tmp/a b", "in-*", "in-[x"} {
			l := openLog(t, s, name)
			if err := l.Append([]byte("one two three " + name)); err != nil {
				t.Fatal(err)
			}
			if err := l.Store(Position{Offset: 4, Skip: 5, Pending: 6, Seq: 7}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(path, how); !errors.Is(err, fifo.ErrLocked) {
			t.Errorf("opened twice: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openSpool(t, path, how)
		names, err := s.Names()
		if err != nil || len(names) != 3 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			l := openLog(t, s, name)
			if at := l.At(); at != (Position{4, 5, 6, 7}) {
				t.Errorf("%s: at %+v", name, at)
			}
			if tail, err := l.Tail(3); string(tail) != name[len(name)-3:] || err != nil {
				t.Errorf("%s: tail %q, %v", name, tail, err)
			}
			if got := rest(t, l); got != "two three "+name {
				t.Errorf("%s: %q", name, got)
			}
			if err := l.Remove(); err != nil {
				t.Error(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(path); len(left) > 0 || err != nil {
			t.Errorf("left %v, %v", left, err)
		}
	}
}

// Space is given back as delivery proceeds, a file at a time.
func TestTrim(t *testing.T) {
	path := t.TempDir()
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, path, None)
	l := openLog(t, s, "big")
	const third = segmentSize * 2 / 3
	for range 3 {
		if err := l.Append(make([]byte, third)); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(l.segments); got != 2 {
		t.Errorf("%d files", got)
	}
	if err := l.Store(Position{Offset: segmentSize}); err != nil {
		t.Fatal(err)
	}
	if names, err := filepath.Glob(filepath.Join(path, "big@*")); len(names) != 1 || err != nil {
		t.Errorf("files %v, %v", names, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openSpool(t, path, None)
	defer s.Close()
	l = openLog(t, s, "big")
	if l.End() != 3*third || len(rest(t, l)) != 3*third-segmentSize {
		t.Errorf("ends at %d", l.End())
	}
}

// A reader waits for more.
func TestReadWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s := openSpool(t, path, Batch)
	defer s.Close()
	l := openLog(t, s, "log")
	got := make(chan string)
	go func() {
		buf := make([]byte, 10)
		n, _ := l.ReadAt(buf, 0)
		got <- string(buf[:n])
		_, err := l.ReadAt(buf, int64(n))
		got <- err.Error()
	}()
	time.Sleep(5 * time.Millisecond) // it waits by now, most probably
	if err := l.Append([]byte("here")); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "here" {
		t.Error(s)
	}
	l.Finish()
	if s := <-got; s != "EOF" {
		t.Error(s)
	}
}

func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s := openSpool(t, path, None)
	if err := openLog(t, s, "log").Append([]byte("data")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "log"+positionSuffix), make([]byte, positionSize), 0o600); err != nil {
		t.Fatal(err)
	}
	s = openSpool(t, path, None)
	defer s.Close()
	if _, err := s.Log("log"); err == nil || !strings.Contains(err.Error(), "log.position: it is damaged") {
		t.Errorf("got %v", err)
	}
}

// Whatever is appended and delivered, and however a machine that fails has cut
// the log or the position short: nothing but what the machine has lost is
// lost, and nothing comes twice but what the machine has forgotten.
func FuzzRecover(f *testing.F) {
	f.Add([]byte("hello world"), uint16(5), uint16(3), uint16(0))
	f.Add([]byte("hello world"), uint16(11), uint16(11), uint16(4))
	f.Add([]byte(""), uint16(0), uint16(0), uint16(0))
	f.Add([]byte("hello world"), uint16(3), uint16(9), uint16(200))
	f.Fuzz(func(t *testing.T, data []byte, split, delivered, lost uint16) {
		path := filepath.Join(t.TempDir(), "spool")
		s := openSpool(t, path, None)
		l := openLog(t, s, "log")
		first := min(int(split), len(data))
		if err := errors.Join(l.Append(data[:first]), l.Append(data[first:])); err != nil {
			t.Fatal(err)
		}
		at := Position{Offset: int64(min(int(delivered), len(data))), Seq: 3}
		if err := errors.Join(l.Store(at), s.Close()); err != nil {
			t.Fatal(err)
		}
		kept := max(0, len(data)-int(lost))
		if segments, _ := filepath.Glob(filepath.Join(path, "log@*")); len(segments) > 0 {
			if err := os.Truncate(segments[0], int64(kept)); err != nil {
				t.Fatal(err)
			}
		}
		s = openSpool(t, path, None)
		defer s.Close()
		l = openLog(t, s, "log")
		if l.At() != at {
			t.Errorf("at %+v, want %+v", l.At(), at)
		}
		if err := l.Append([]byte("more")); err != nil {
			t.Fatal(err)
		}
		want := append(bytes.Clone(data[min(int(at.Offset), kept):kept]), "more"...)
		if got := rest(t, l); got != string(want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
