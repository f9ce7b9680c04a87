package shm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func openWriter(t *testing.T, c Config) *Writer {
	t.Helper()
	w, err := OpenWriter(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func openReader(t *testing.T, c Config) *Reader {
	t.Helper()
	r, err := OpenReader(t.Context(), c, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func put(t *testing.T, w *Writer, records ...Record) {
	t.Helper()
	if err := w.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer w.End()
	for _, r := range records {
		if err := w.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// receive is up to n records; their bodies are copies.
func receive(t *testing.T, r *Reader, n int) (bodies []string, taken []*Extent) {
	t.Helper()
	err := r.Receive(t.Context(), n, func(record Record) {
		bodies = append(bodies, string(record.Body))
		taken = append(taken, record.Taken)
	})
	if err != nil {
		t.Fatal(err)
	}
	return bodies, taken
}

func expectEnd(t *testing.T, r *Reader, want string) {
	t.Helper()
	err := r.Receive(t.Context(), 1, func(record Record) { t.Errorf("got %q", record.Body) })
	if err == nil || err.Error() != want && !strings.HasSuffix(err.Error(), ": "+want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// However long the records are, and in whichever order they are acknowledged,
// they come whole, and each writer's in order.
func TestQueue(t *testing.T) {
	c := config(t)
	c.Size = os.Getpagesize()
	const writers, each = 3, 400
	r := openReader(t, c)
	var writing sync.WaitGroup
	for i := range writers {
		w := openWriter(t, c)
		writing.Go(func() {
			for n := range each {
				put(t, w, numbered(c, i, n))
			}
			if err := w.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			w.Close("")
		})
	}
	var next [writers]int
	var held []*Extent
	for {
		err := r.Receive(t.Context(), 1+rand.IntN(20), func(record Record) {
			writer, n, err := isNumbered(c, record)
			if err != nil || n != next[writer] {
				t.Fatalf("writer %d: got %d, %v, want %d", writer, n, err, next[writer])
			}
			next[writer]++
			held = append(held, record.Taken)
		})
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rand.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
		r.Ack(held...)
		held = held[:0]
	}
	if next != [writers]int{each, each, each} {
		t.Errorf("got %d records", next)
	}
	writing.Wait()
	r.Close()
}

// What is not acknowledged comes again, to the next reader.
func TestUnacknowledged(t *testing.T) {
	c := config(t)
	w := openWriter(t, c)
	put(t, w, Record{Body: []byte("a")}, Record{Body: []byte("b")}, Record{Body: []byte("c")}, Record{})
	r := openReader(t, c)
	bodies, taken := receive(t, r, 3)
	r.Ack(taken[0], taken[2]) // b is not done
	if s, err := Stat(c.Path); err != nil || s.Readers != 1 || s.Writers != 1 || s.Bytes != 3*16-8 || s.Size != DefaultSize {
		t.Errorf("%+v, %v", s, err)
	}
	r.Close()
	if bodies[1] != "b" {
		t.Errorf("closed, the body has become %q", bodies[1])
	}
	r.Ack(taken[1]) // too late
	r = openReader(t, c)
	if got, taken := receive(t, r, 9); strings.Join(got, ",") != "b,c," {
		t.Errorf("got %q", got)
	} else {
		r.Ack(taken...)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	w.Close("")
	expectEnd(t, r, "EOF")
	r.Close()
}

// A writer that stops before its end, or is killed, is told of, after what it
// had written.
func TestAborted(t *testing.T) {
	c := config(t)
	r := openReader(t, c)
	w := openWriter(t, c)
	put(t, w, Record{Body: []byte("last words")})
	w.Close("no more input")
	w = openWriter(t, c)
	w.Close("")
	_, taken := receive(t, r, 1)
	r.Ack(taken...)
	expectEnd(t, r, "no more input")

	cmd, _ := other(t, "write", c, 1, 0, 0)
	_, taken = receive(t, r, 1)
	r.Ack(taken...)
	cmd.Process.Kill()
	for {
		err := r.Receive(t.Context(), 100, func(record Record) { r.Ack(record.Taken) })
		if err != nil {
			if aborted := new(AbortedError); !errors.As(err, &aborted) || aborted.Reason != "a sender was killed" {
				t.Errorf("got %v", err)
			}
			break
		}
	}
	openWriter(t, c).Close("")
	expectEnd(t, r, "EOF")
	r.Close()
}

// Writers are killed at any instant, and nobody is hindered, nor sees anything
// of what they had not finished.
func TestKilledWriters(t *testing.T) {
	c := config(t)
	c.Size = 2 * os.Getpagesize()
	r := openReader(t, c)
	const kills = 12
	steady := openWriter(t, c)
	done := make(chan error)
	go func() {
		var err error
		for n := 0; err == nil && n < 100; n++ {
			if err = steady.Begin(t.Context()); err == nil {
				err = steady.Put(t.Context(), numbered(c, 0, n))
				steady.End()
			}
		}
		if err == nil {
			err = steady.Flush(t.Context())
		}
		done <- err
	}()
	go func() { // at the same time as the reader reads
		for i := range kills {
			cmd, out := other(t, "write", c, i+1, 0, 0)
			if _, err := out.ReadString('\n'); err != nil { // it is open
				t.Error(err)
			}
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
			cmd.Process.Kill()
			cmd.Wait()
		}
		err := <-done
		steady.Close("")
		done <- err
	}()
	var next [kills + 1]int
	for {
		err := r.Receive(t.Context(), 10, func(record Record) {
			writer, n, err := isNumbered(c, record)
			if err != nil || n != next[writer] {
				t.Fatalf("writer %d: got %d, %v, want %d", writer, n, err, next[writer])
			}
			next[writer]++
			r.Ack(record.Taken)
		})
		if err != nil {
			if aborted := new(AbortedError); !errors.As(err, &aborted) {
				t.Error(err)
			}
			break
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if next[0] != 100 {
		t.Errorf("the writer that lives has written %d", next[0])
	}
	r.Close()
}

// Readers are killed at any instant, and nothing is lost.
func TestKilledReaders(t *testing.T) {
	c := config(t)
	c.Size = 2 * os.Getpagesize()
	const records = 600
	w := openWriter(t, c)
	written, done := context.WithCancelCause(t.Context())
	go func() {
		var err error
		for n := 0; err == nil && n < records; n++ {
			if err = w.Begin(t.Context()); err == nil {
				err = w.Put(t.Context(), numbered(c, 0, n))
				w.End()
			}
		}
		if err == nil {
			err = w.Flush(t.Context())
		}
		done(err)
	}()
	next := 0 // all before it were seen
	for written.Err() == nil {
		cmd, out := other(t, "read", c)
		stop := context.AfterFunc(written, func() { cmd.Process.Kill() })
		lines := 5 + rand.IntN(60)
		for ; ; lines-- {
			if lines == 0 {
				cmd.Process.Kill()
			}
			line, err := out.ReadString('\n')
			if err != nil {
				break
			}
			var writer, n int
			if _, err := fmt.Sscan(line, &writer, &n); err == nil {
				if n > next {
					t.Fatalf("%d follows %d", n, next-1)
				}
				next = max(next, n+1)
			}
		}
		stop()
		cmd.Wait()
	}
	if err := context.Cause(written); err != context.Canceled {
		t.Error(err)
	}
	if next != records {
		t.Errorf("got %d", next)
	}
	w.Close("") // who leaves last cleans up, whatever the readers could not
}

func TestRefused(t *testing.T) {
	c := config(t)
	r := openReader(t, c)
	if _, err := OpenReader(t.Context(), c, 1); !errors.Is(err, ErrInUse) {
		t.Errorf("a second reader: %v", err)
	}
	r.Close()

	stream := c
	stream.Stream = true
	r = openReader(t, stream)
	if _, err := OpenWriter(t.Context(), c); err == nil || !strings.Contains(err.Error(), "a byte stream (--stream) is sent there") {
		t.Errorf("records for a stream: %v", err)
	}
	w := openWriter(t, stream)
	if _, err := OpenWriter(t.Context(), stream); err == nil || !strings.Contains(err.Error(), "one sender") {
		t.Errorf("a second writer of a stream: %v", err)
	}
	put(t, w, Record{Body: []byte("a")})
	receive(t, r, 1)
	r.Close() // which has enough
	if err := w.Flush(t.Context()); !errors.Is(err, ErrLeft) {
		t.Errorf("the reader of a stream has left: %v", err)
	}
	r = openReader(t, stream)
	_, taken := receive(t, r, 1)
	r.Ack(taken...)
	w.Close("")
	expectEnd(t, r, "EOF")
	r.Close()

	w = openWriter(t, c)
	if err := w.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Put(t.Context(), Record{Key: strings.Repeat("k", 1<<16)}); err == nil {
		t.Error("a key of 64 KiB is taken")
	}
	w.End()
	w.Close("")

	for i, content := range []string{"something else", strings.Repeat("something else", 1000)} {
		if err := os.WriteFile(c.Path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{second(OpenWriter(t.Context(), c)), second(Stat(c.Path)), Remove(c.Path)} {
			if !errors.Is(err, errAlien) {
				t.Errorf("%d: a file of another program: %v", i, err)
			}
		}
	}
	remove(t, c.Path)
	if err := os.Symlink("elsewhere", c.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenWriter(t.Context(), c); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a symbolic link: %v", err)
	}
	remove(t, c.Path)
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

// A longer record than the reader takes stops it, and waits for another.
func TestTooLong(t *testing.T) {
	c := config(t)
	for _, size := range []int{11, 3 * DefaultSize} {
		r, err := OpenReader(t.Context(), c, 10)
		if err != nil {
			t.Fatal(err)
		}
		w := openWriter(t, c)
		wrote := make(chan error)
		go func() {
			err := w.Begin(t.Context())
			if err == nil {
				err = w.Put(t.Context(), Record{Body: make([]byte, size)})
				w.End()
			}
			wrote <- errors.Join(err, w.Flush(t.Context()))
			w.Close("")
		}()
		expectEnd(t, r, fmt.Sprintf("a record of %d bytes: at most 10 are taken", size))
		r.Close()
		r = openReader(t, c)
		if got, taken := receive(t, r, 1); len(got[0]) != size {
			t.Errorf("%d bytes", len(got[0]))
		} else {
			r.Ack(taken...)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		expectEnd(t, r, "EOF")
		r.Close()
	}
}

// Nobody waits longer than was asked for, nor for what is not there any more.
func TestAlone(t *testing.T) {
	c := config(t)
	c.Timeout = time.Millisecond
	r := openReader(t, c)
	expectEnd(t, r, ErrNobody.Error())
	r.Close()
	w := openWriter(t, c)
	put(t, w, Record{})
	if err := w.Flush(t.Context()); !errors.Is(err, ErrNobody) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if err := w.Flush(ctx); err == nil || err.Error() != "enough" {
		t.Errorf("got %v", err)
	}
	if err := Remove(c.Path); err != nil {
		t.Error(err)
	}
	if err := w.Flush(t.Context()); !errors.Is(err, ErrRemoved) {
		t.Errorf("got %v", err)
	}
	w.Close("")

	c.Timeout = 0
	r = openReader(t, c)
	closed := make(chan struct{})
	time.AfterFunc(10*time.Millisecond, func() {
		r.Close()
		close(closed)
	})
	expectEnd(t, r, os.ErrClosed.Error())
	<-closed
}

// With shared memory full it is an error at once, and nothing is left.
func TestFull(t *testing.T) {
	c := config(t)
	c.Size = 1 << 45
	_, err := OpenWriter(t.Context(), c)
	full, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(err, unix.ENOSPC) || !strings.Contains(full.Hint(), "?size=BYTES") {
		t.Errorf("got %v", err)
	}

	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("no small file system: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	c = Config{Path: filepath.Join(dir, "segment"), Size: 1 << 20}
	if _, err := OpenReader(t.Context(), c, 1); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(c.Path); err == nil {
		t.Error("something is left")
	}
	c.Size = 64 << 10
	openReader(t, c).Close()
}

// FuzzRing reads what may stand in a damaged ring: records in it, or an error.
func FuzzRing(f *testing.F) {
	var records []byte
	for _, head := range []recordHead{{3, 1, firstPart | lastPart, 2}, {16, 1, firstPart, 0}, {8, 1, lastPart, 0}, {1 << 31, 0, 3, 0}} {
		p := make([]byte, headSize)
		head.put(p)
		records = append(records, p...)
		records = append(records, 16, 0, 0, 0, 0, 0, 0, 0)
	}
	f.Add(records, uint16(0))
	f.Add([]byte{}, uint16(4090))
	f.Add([]byte("nonsense of some length"), uint16(4090))
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		s := &segment{path: "ring", size: 4096}
		q := &queue{segment: s, queueState: &queueState{}, data: make([]byte, 2*4096)}
		n := min(len(data), 4096)
		for i := range n { // both images of the ring
			j := (int(at) + i) % 4096
			q.data[j], q.data[j+4096] = data[i], data[i]
		}
		end := uint64(at) + uint64(n)
		q.tail.pos.Store(uint64(at))
		q.head.pos.Store(end)
		r := &Reader{queue: q, next: uint64(at), head: end, longest: 100}
		for r.next < end {
			before := r.next
			record, ok, err := r.take()
			if err != nil {
				return
			}
			if r.next <= before || r.next > end || ok && len(record.Body) > 100 {
				t.Fatalf("from %d to %d of %d: a record of %d bytes", before, r.next, end, len(record.Body))
			}
			r.Ack(record.Taken)
		}
		if tail := q.tail.pos.Load(); tail != end {
			t.Fatalf("the tail is at %d, not %d", tail, end)
		}
	})
}

// FuzzRecords writes records of any lengths and reads them back.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 255, 255, 10, 0, 0, 16})
	f.Fuzz(func(t *testing.T, lengths []byte) {
		c := config(t)
		c.Size = 4096
		r, w := openReader(t, c), openWriter(t, c)
		var sent []Record
		for ; len(lengths) >= 2 && len(sent) < 100; lengths = lengths[2:] {
			n := int(binary.LittleEndian.Uint16(lengths))
			sent = append(sent, Record{Body: []byte(strings.Repeat(string(rune('a'+n%26)), n)), Key: strings.Repeat("k", n%500), Kind: byte(n)})
		}
		done := make(chan error)
		go func() {
			for _, record := range sent {
				put(t, w, record)
			}
			w.Close("")
			close(done)
		}()
		for i := 0; ; i++ {
			err := r.Receive(t.Context(), 1, func(got Record) {
				if want := sent[i]; string(got.Body) != string(want.Body) || got.Key != want.Key || got.Kind != want.Kind {
					t.Fatalf("record %d is another one", i)
				}
				r.Ack(got.Taken)
			})
			if err == io.EOF && i == len(sent) {
				break
			}
			if err != nil {
				t.Fatal(i, err)
			}
		}
		<-done
		r.Close()
	})
}
