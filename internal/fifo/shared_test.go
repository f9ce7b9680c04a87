package fifo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A test that has to kill a writer starts this program again as one: it writes
// an endless number of long records to the pipe that the variable names.
const writerEnv = "PIPEWORKS_TEST_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		err := writeForEver(path)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func writeForEver(path string) error {
	w, err := OpenShared(context.Background(), path, '\n', 0)
	for err == nil {
		err = w.Write(context.Background(), []byte(strings.Repeat("k", 300_000)+"\n"))
	}
	return err
}

// Writers that share a pipe do not tear each other's records, short or long.
func TestSharedWriters(t *testing.T) {
	const writers, records = 8, 60
	path := newPipe(t)
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			w, err := OpenShared(t.Context(), path, '\n', 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close(t.Context())
			for n := range records {
				length := (i*7919 + n*104729) % 60_000
				if n%2 == 0 {
					length %= 300
				}
				letter := string(rune('a' + i))
				if err := w.Write(t.Context(), fmt.Appendf(nil, "%s %d %s\n", letter, n, strings.Repeat(letter, length))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	next := map[string]int{}
	lines := bufio.NewReaderSize(f, 3001) // a size that fits nothing
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(fields) != 3 || strings.Trim(fields[2], fields[0]) != "" || fields[1] != fmt.Sprint(next[fields[0]]) {
			t.Fatalf("torn, or out of order: %.80q", line)
		}
		next[fields[0]]++
	}
	all.Wait()
	for i := range writers {
		if n := next[string(rune('a'+i))]; n != records {
			t.Errorf("writer %d: %d records", i, n)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&fs.ModeSticky != 0 {
		t.Errorf("left behind %v, %v", info.Mode(), err)
	}
}

// What a killed writer left is marked by the next one.
func TestSharedWriterKilled(t *testing.T) {
	path := newPipe(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerEnv+"="+path)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewReader(f)
	head := make([]byte, 100_000) // of the first record
	if _, err := io.ReadFull(in, head); err != nil {
		t.Fatal(err)
	}
	w, err := OpenShared(t.Context(), path, '\n', 0) // there must be a writer all the time
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	if err := cmd.Wait(); err == nil {
		t.Fatal("it was not killed")
	}
	written := make(chan error)
	go func() {
		err := w.Write(t.Context(), []byte("next\n"))
		written <- err
		w.Close(t.Context())
	}()
	torn, err := in.ReadString('\n')
	if err != nil || strings.TrimLeft(torn, "k") != TornMark+"\n" {
		t.Errorf("%v: …%.40q", err, torn[max(0, len(torn)-40):])
	}
	if line, err := in.ReadString('\n'); line != "next\n" || err != nil {
		t.Errorf("got %.40q, %v", line, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
		t.Errorf("then %q, %v", rest, err)
	}
}

// When the reader goes in the middle of a record, the next one gets it from
// its beginning, behind a mark that ends what was left of it in the pipe.
func TestSharedWriterReaderLeaves(t *testing.T) {
	path := newPipe(t)
	record := bytes.Repeat([]byte("r"), 200_000)
	var got []byte
	read := make(chan error)
	go func() {
		f, err := os.Open(path)
		if err == nil {
			_, err = io.ReadFull(f, make([]byte, 10_000))
		}
		var end *os.File // another writer's
		if err == nil {
			end, err = os.OpenFile(path, os.O_WRONLY, 0)
			f.Close()
		}
		if err == nil {
			err = flock(end, unix.LOCK_EX) // an exchange that the first writer does not see is none to it
			end.Close()
		}
		if err == nil {
			got, err = os.ReadFile(path)
		}
		read <- err
	}()
	w, err := OpenShared(t.Context(), path, '\n', 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), append([]byte("first\n"), append(record, '\n')...)); err != nil {
		t.Fatal(err)
	}
	w.Close(t.Context())
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	left, whole, ok := bytes.Cut(got, []byte(TornMark+"\n"))
	if !ok || len(bytes.Trim(left, "r")) > 0 || !bytes.Equal(bytes.TrimSuffix(whole, []byte{'\n'}), record) {
		t.Errorf("%d bytes, mark %t, %.20q … %.20q", len(got), ok, got, got[max(0, len(got)-20):])
	}
}

// What the last reader left in the pipe waits for the next one.
func TestSharedWriterCloseWaits(t *testing.T) {
	path := newPipe(t)
	r, err := open(path, os.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	w, err := OpenShared(t.Context(), path, '\n', 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), []byte("left\n")); err != nil {
		t.Fatal(err)
	}
	r.Close()
	closed := make(chan error)
	go func() { closed <- w.Close(t.Context()) }()
	left, err := os.ReadFile(path)
	if string(left) != "left\n" || err != nil {
		t.Errorf("the next reader gets %q, %v", left, err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}

	if r, err = open(path, os.O_RDONLY|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	if w, err = OpenShared(t.Context(), path, '\n', 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), []byte("lost\n")); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := w.Close(t.Context()); !errors.Is(err, ErrNoReader) {
		t.Errorf("got %v", err)
	}
}

// A reader that takes nothing does not hold up the end: neither the writer that
// waits for it, nor the one that waits for its turn.
func TestSharedWriterStopped(t *testing.T) {
	path := newPipe(t)
	r, err := open(path, os.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			w, err := OpenShared(ctx, path, '\n', 0)
			if err != nil {
				t.Error(err)
				return
			}
			if err := w.Write(ctx, make([]byte, 2<<20)); !errors.Is(err, stop) {
				t.Errorf("got %v", err)
			}
			if err := w.Close(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for !unread(r) {
		time.Sleep(time.Millisecond)
	}
	cancel(stop)
	all.Wait()
}

func TestSharedWriterWaits(t *testing.T) {
	path := newPipe(t)
	_, err := OpenShared(t.Context(), path, '\n', 20*time.Millisecond)
	if want := path + ": nobody reads it: waited 20ms"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	// And again when the reader has left.
	r, err := open(path, os.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	w, err := OpenShared(t.Context(), path, '\n', 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(t.Context())
	r.Close()
	if err := w.Write(t.Context(), []byte("x\n")); err == nil || !strings.HasSuffix(err.Error(), "nobody reads it: waited 20ms") {
		t.Errorf("got %v", err)
	}
}
