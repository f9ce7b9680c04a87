package fifomerge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pipeworks/internal/fifo"
	"pipeworks/internal/framing"
	"pipeworks/internal/reject"
)

// running is a merge in the background.
type running struct {
	t       *testing.T
	pipes   []string
	stop    context.CancelCauseFunc
	done    chan struct{}
	rejects buffer
	sum     MergeSummary
	err     error
}

// errStop is what the tests stop a merge with.
var errStop = errors.New("stop")

// startMerge merges n pipes in a new directory.
func startMerge(t *testing.T, n int, cfg MergeConfig, out io.Writer) *running {
	t.Helper()
	r := &running{t: t, done: make(chan struct{})}
	dir := t.TempDir()
	for i := range n {
		r.pipes = append(r.pipes, filepath.Join(dir, fmt.Sprint("p", i)))
	}
	cfg.Pipes = r.pipes
	cfg.Rejects = &reject.Sink{Tool: "fifomerge", Out: &r.rejects}
	var ctx context.Context
	ctx, r.stop = context.WithCancelCause(t.Context())
	go func() {
		defer close(r.done)
		r.sum, r.err = Merge(ctx, cfg, out)
	}()
	for _, path := range r.pipes {
		r.await("the pipe", func() bool { return fifo.Check(path) == nil })
	}
	return r
}

// patience is how long a test waits for what must come.
const patience = 2 * time.Minute

// await waits until a condition holds.
func (r *running) await(what string, holds func() bool) {
	r.t.Helper()
	for start := time.Now(); !holds(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			r.t.Fatalf("no %s", what)
		}
	}
}

// end waits for the merge to end.
func (r *running) end() {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		r.t.Fatal("it does not end")
	}
}

// writeTo writes to a pipe as a plain program would: open, write, close.
func writeTo(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0); err != nil {
		t.Error(err)
	}
}

// buffer is a bytes.Buffer to look into while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Every record arrives whole, once, and in its writer's order.
func TestMerge(t *testing.T) {
	const pipes, records = 8, 2000
	var out buffer
	r := startMerge(t, pipes, MergeConfig{Once: true}, &out)
	var all sync.WaitGroup
	for i, path := range r.pipes {
		all.Go(func() {
			var lines strings.Builder
			for n := range records {
				fmt.Fprintf(&lines, "%d %d %s\n", i, n, strings.Repeat(fmt.Sprint(i), (n*104729)%900))
			}
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			// In pieces that no line fits.
			if _, err := io.CopyBuffer(f, struct{ io.Reader }{strings.NewReader(lines.String())}, make([]byte, 4093)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	r.end()
	if r.err != nil || r.rejects.String() != "" {
		t.Errorf("%v, rejects %s", r.err, r.rejects.String())
	}
	next := make([]int, pipes)
	for line := range strings.Lines(out.String()) {
		var i, n int
		if _, err := fmt.Sscan(line, &i, &n); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%d %d %s\n", i, next[i], strings.Repeat(fmt.Sprint(i), (n*104729)%900)); line != want {
			t.Fatalf("got %.80q, want %.80q", line, want)
		}
		next[i]++
	}
	if slices.Min(next) != records {
		t.Errorf("records of each: %d", next)
	}
	want := MergeSummary{In: pipes * records, Out: pipes * records, Bytes: int64(len(out.String()))}
	if r.sum != want {
		t.Errorf("summary %+v, want %+v", r.sum, want)
	}
	for _, path := range r.pipes {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
}

// Once ends when every pipe has had a writer, also one without a word, and not
// while a writer is left in any.
func TestMergeOnce(t *testing.T) {
	var out buffer
	r := startMerge(t, 3, MergeConfig{Once: true}, &out)
	writeTo(t, r.pipes[0], "")
	writeTo(t, r.pipes[1], "b\n")
	r.await("b", func() bool { return out.String() == "b\n" })
	slow, err := os.OpenFile(r.pipes[2], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The first two had their writers, but others may come.
	writeTo(t, r.pipes[0], "a\n")
	r.await("a", func() bool { return out.String() == "b\na\n" })
	select {
	case <-r.done:
		t.Fatal("ended while a writer was there")
	case <-time.After(20 * time.Millisecond):
	}
	fmt.Fprint(slow, "c\n")
	slow.Close()
	r.end()
	if r.err != nil || out.String() != "b\na\nc\n" {
		t.Errorf("%q, %v", out.String(), r.err)
	}
}

// Without Once writers come and go, and the end is the context's: what is in
// the pipes then is taken first.
func TestMergeFollow(t *testing.T) {
	var out buffer
	r := startMerge(t, 2, MergeConfig{}, &out)
	for i := range 20 {
		writeTo(t, r.pipes[i%2], fmt.Sprintln(i))
		r.await("record", func() bool { return strings.HasSuffix(out.String(), fmt.Sprintln(i)) })
	}
	for _, path := range r.pipes {
		writeTo(t, path, strings.Repeat("last\n", 1000))
	}
	r.stop(errStop)
	r.end()
	if n := strings.Count(out.String(), "last\n"); r.err != errStop || n != 2000 {
		t.Errorf("%d of 2000 at the end, %v", n, r.err)
	}
}

// A writer that lives on, in the middle of a record, does not hold up the end.
func TestMergeStopInRecord(t *testing.T) {
	var out buffer
	r := startMerge(t, 1, MergeConfig{}, &out)
	w, err := os.OpenFile(r.pipes[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	fmt.Fprint(w, "whole\nhalf")
	r.stop(errStop)
	r.end()
	wantRejects(t, r, `p0: record 2 was not finished`, "half")
	if out.String() != "whole\n" || r.err != errStop {
		t.Errorf("%q, %v", out.String(), r.err)
	}
}

// wantRejects checks the only reject.
func wantRejects(t *testing.T, r *running, message, input string) {
	t.Helper()
	line := r.rejects.String()
	if strings.Count(line, "\n") != 1 || !strings.Contains(line, message+`"`) || !strings.Contains(line, fmt.Sprintf(`"input":%q`, input)) {
		t.Errorf("rejects %s, want %s: %q", line, message, input)
	}
	if r.sum.Rejected != 1 {
		t.Errorf("summary %+v", r.sum)
	}
}

// What a writer leaves unfinished is not glued to what the next one writes.
func TestMergeUnfinished(t *testing.T) {
	var out buffer
	r := startMerge(t, 1, MergeConfig{}, &out)
	writeTo(t, r.pipes[0], "one\nhalf a rec")
	r.await("one", func() bool { return out.String() == "one\n" })
	r.await("reject", func() bool { return r.rejects.String() != "" })
	writeTo(t, r.pipes[0], "two\n")
	r.await("two", func() bool { return out.String() == "one\ntwo\n" })
	r.stop(errStop)
	r.end()
	wantRejects(t, r, "p0: record 2 was not finished", "half a rec")
}

func TestMergeTorn(t *testing.T) {
	mark := fifo.TornMark
	var out buffer
	r := startMerge(t, 1, MergeConfig{Once: true}, &out)
	writeTo(t, r.pipes[0], "a\n"+mark+"in"+mark+"side\n"+mark+"\nhalf"+mark+"\nb\n"+mark+"\n")
	r.end()
	wantRejects(t, r, "p0: record 3 was not finished", "half")
	if want := "a\n" + mark + "in" + mark + "side\nb\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	if _, ok := errors.AsType[*reject.RejectedError](r.err); !ok {
		t.Errorf("got %v", r.err)
	}
}

func TestMergeTooLong(t *testing.T) {
	var out buffer
	r := startMerge(t, 1, MergeConfig{Once: true, Records: Records{MaxRecord: 100}}, &out)
	writeTo(t, r.pipes[0], "a\n"+strings.Repeat("x", 5000)+"\nb\n")
	r.end()
	wantRejects(t, r, "p0: record 2 is longer than 100 bytes", strings.Repeat("x", 100))
	if out.String() != "a\nb\n" {
		t.Errorf("%q", out.String())
	}
}

func TestMergeNUL(t *testing.T) {
	var out buffer
	path := filepath.Join(t.TempDir(), "p")
	done := make(chan error)
	go func() {
		_, err := Merge(t.Context(), MergeConfig{Pipes: []string{path}, Once: true, Records: Records{Framing: framing.Null, Rejects: &reject.Sink{Force: true}}}, &out)
		done <- err
	}()
	for fifo.Check(path) != nil {
		time.Sleep(time.Millisecond)
	}
	writeTo(t, path, "a\nb\x00c\x00")
	if err := <-done; err != nil || out.String() != "a\nb\x00c\x00" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// failing is an output that fails after some bytes.
type failing struct{ left int }

var errFull = errors.New("disk full")

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// An output that fails ends the merge, with all its pipes.
func TestMergeOutputFails(t *testing.T) {
	r := startMerge(t, 3, MergeConfig{}, &failing{left: 10})
	writeTo(t, r.pipes[0], "12345\n")
	writeTo(t, r.pipes[1], "123456\n")
	r.end()
	if r.err != errFull {
		t.Errorf("got %v", r.err)
	}
	if _, err := os.Lstat(r.pipes[2]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a pipe is left: %v", err)
	}
}

// A pipe that was there before stays, and what is no pipe is refused before
// anything is made for good.
func TestMergePipes(t *testing.T) {
	dir := t.TempDir()
	mine, made, file := filepath.Join(dir, "mine"), filepath.Join(dir, "made"), filepath.Join(dir, "file")
	if _, err := fifo.Make(mine, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	_, err := Merge(ctx, MergeConfig{Pipes: []string{made, mine, file}, Records: Records{Rejects: &reject.Sink{}}}, io.Discard)
	if !errors.Is(err, fifo.ErrNotFIFO) {
		t.Errorf("got %v", err)
	}
	_, err = Merge(ctx, MergeConfig{Pipes: []string{made, mine}, Records: Records{Rejects: &reject.Sink{}}}, io.Discard)
	if err != errStop {
		t.Errorf("got %v", err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if want := []string{file, mine}; err != nil || !slices.Equal(names, want) {
		t.Errorf("left are %v, want %v", names, want)
	}
}

// What stands in a pipe's place when the merge ends is not the merge's.
func TestMergePipeReplaced(t *testing.T) {
	r := startMerge(t, 1, MergeConfig{}, io.Discard)
	path := r.pipes[0]
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("data"), 0o600)); err != nil {
		t.Fatal(err)
	}
	r.stop(errStop)
	r.end()
	if data, err := os.ReadFile(path); string(data) != "data" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

// With Once a pipe may be removed when its writer has opened it: no other one
// is waited for.
func TestMergeOnceUnlinked(t *testing.T) {
	var out buffer
	r := startMerge(t, 2, MergeConfig{Once: true}, &out)
	var writers []*os.File
	for _, path := range r.pipes {
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		writers = append(writers, w)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprint(writers[0], "a\n")
	writers[0].Close()
	r.await("a", func() bool { return out.String() == "a\n" })
	time.Sleep(20 * time.Millisecond) // for the merge to see that nobody is there
	fmt.Fprint(writers[1], "b\n")
	writers[1].Close()
	r.end()
	if out.String() != "a\nb\n" || r.err != nil {
		t.Errorf("%q, %v", out.String(), r.err)
	}
}

// failsLater is an output that fails when it is closed.
type failsLater chan struct{}

func (c failsLater) Write([]byte) (int, error) {
	<-c
	return 0, errFull
}

// An output that fails at the end is told, not only that it was the end.
func TestMergeOutputFailsAtEnd(t *testing.T) {
	out := make(failsLater)
	r := startMerge(t, 1, MergeConfig{}, out)
	writeTo(t, r.pipes[0], "a record\n")
	r.stop(errStop)
	close(out)
	r.end()
	if r.err != errFull {
		t.Errorf("got %v", r.err)
	}
}
