// Package torn has the test that fifomerge is for: many writers, one stream,
// and every record of it whole, there, there once, and in its writer's order,
// whoever is killed meanwhile.
//
// TORN_RECORDS and TORN_KILLS make it longer, TORN_SEED repeats a run:
// test/torn-lines.
package torn

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/fifo"
	"pipeworks/internal/fifomerge"
)

// This program is also fifomerge, and a writer.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "fifomerge":
			os.Args = os.Args[1:]
			os.Exit(cmdline.Main(fifomerge.Command()))
		case "write":
			if err := write(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, "write:", err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// text is what the records are parts of.
var text = func() []byte {
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, maxLength+1000)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyz 0123456789"[random.IntN(37)]
	}
	return text
}()

const minLength, maxLength = 10, 200_000

// payload is the text of a record: mostly short, some of them as long as can be.
func payload(random *rand.Rand) []byte {
	length := int(minLength * math.Pow(maxLength/minLength, math.Pow(random.Float64(), 2)))
	begin := random.IntN(len(text) - length)
	return text[begin : begin+length]
}

// write writes records as careless programs do: in blocks that no line fits.
// With an END it is killed in the middle of one more record.
func write(args []string) error {
	id, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(uint64(id), seed()))
	out := bufio.NewWriterSize(os.Stdout, []int{4096, 1000, 65536, 8192}[id%4])
	for seq := range n {
		p := payload(random)
		fmt.Fprintf(out, "%d %d %08x %s\n", id, seq, crc32.ChecksumIEEE(p), p)
	}
	if len(args) > 2 {
		fmt.Fprintf(out, "%d %d torn", id, n)
		if err := out.Flush(); err != nil {
			return err
		}
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return out.Flush()
}

// checker takes the merged stream.
type checker struct {
	mu    sync.Mutex
	next  []int // sequence number of each writer
	want  int   // records of each
	line  []byte
	left  int // records to come
	wrong []string
}

func newChecker(writers, records int) *checker {
	return &checker{next: make([]int, writers), want: records, left: writers * records}
}

func (c *checker) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for rest := p; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			c.line = append(c.line, rest...)
			break
		}
		c.check(append(c.line, rest[:i]...))
		c.line = c.line[:0]
		rest = rest[i+1:]
	}
	return len(p), nil
}

func (c *checker) check(line []byte) {
	fields := bytes.SplitN(line, []byte(" "), 4)
	if len(fields) < 4 {
		c.complain(line, "torn")
		return
	}
	id, err1 := strconv.Atoi(string(fields[0]))
	seq, err2 := strconv.Atoi(string(fields[1]))
	sum, err3 := strconv.ParseUint(string(fields[2]), 16, 32)
	switch {
	case errors.Join(err1, err2, err3) != nil, id < 0 || id >= len(c.next), uint32(sum) != crc32.ChecksumIEEE(fields[3]):
		c.complain(line, "torn")
	case seq != c.next[id]:
		c.complain(line, fmt.Sprintf("out of order, lost or doubled: not %d", c.next[id]))
		c.next[id] = seq + 1
	default:
		c.next[id]++
		c.left--
	}
}

func (c *checker) complain(line []byte, what string) {
	if len(c.wrong) < 20 {
		c.wrong = append(c.wrong, fmt.Sprintf("%s: %d bytes, %.40q … %.40q", what, len(line), line, line[max(0, len(line)-40):]))
	}
}

func (c *checker) complete() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left == 0 || len(c.wrong) > 0
}

func (c *checker) report(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, complaint := range c.wrong {
		t.Error(complaint)
	}
	if len(c.line) > 0 {
		t.Errorf("the end is torn: %.40q", c.line)
	}
	if c.left != 0 {
		t.Errorf("%d records are missing; of each writer came, of %d: %d", c.left, c.want, c.next)
	}
}

// setting is one test's directory and processes.
type setting struct {
	*testing.T
	dir     string
	writers int
	records int // of each writer
	checker *checker

	mu     sync.Mutex // of what follows
	random *rand.Rand
}

// below is a random number.
func (s *setting) below(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

func newSetting(t *testing.T, writers, records int) *setting {
	return &setting{
		T: t, dir: t.TempDir(), writers: writers, records: records, checker: newChecker(writers, records),
		random: rand.New(rand.NewPCG(seed(), uint64(writers))),
	}
}

func seed() uint64 { return uint64(number("TORN_SEED", 1)) }

func number(variable string, otherwise int) int {
	n, err := strconv.Atoi(os.Getenv(variable))
	if err != nil {
		return otherwise
	}
	return n
}

// each runs a test with few writers and, if it is to be long, with many.
func each(t *testing.T, test func(s *setting)) {
	t.Helper()
	many := []int{8, 64}
	if os.Getenv("TORN_RECORDS") == "" {
		many = many[:1]
	}
	for _, writers := range many {
		t.Run(fmt.Sprint(writers, " writers"), func(t *testing.T) {
			test(newSetting(t, writers, max(1, number("TORN_RECORDS", 2000)/writers)))
		})
	}
}

func (s *setting) path(name string) string { return filepath.Join(s.dir, name) }

// pipes are the paths of n named pipes.
func (s *setting) pipes(n int) []string {
	paths := make([]string, n)
	for i := range paths {
		paths[i] = s.path(fmt.Sprint("p", i))
		if _, err := fifo.Make(paths[i], 0o600); err != nil {
			s.Fatal(err)
		}
	}
	return paths
}

// shell begins a command line. $0 is this program.
func (s *setting) shell(line string, args ...string) *exec.Cmd {
	s.Helper()
	cmd := exec.Command("sh", append([]string{"-c", line, os.Args[0]}, args...)...)
	cmd.Dir = s.dir
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	return cmd
}

// writeAll begins the writers; the last of args is where one writes.
func (s *setting) writeAll(line string, to func(id int) string, end ...string) (wait func()) {
	var writers []*exec.Cmd
	for id := range s.writers {
		writers = append(writers, s.shell(line, append([]string{to(id), strconv.Itoa(id), strconv.Itoa(s.records)}, end...)...))
	}
	return func() {
		for _, w := range writers {
			if err := w.Wait(); err != nil && len(end) == 0 {
				s.Error(err)
			}
		}
	}
}

// merge begins a merge, and reads its output in blocks of some size.
func (s *setting) merge(args ...string) (wait func() error) {
	cmd := exec.Command(os.Args[0], append([]string{"fifomerge", "merge", "--quiet"}, args...)...)
	cmd.Dir = s.dir
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.Fatal(err)
	}
	read := make(chan error)
	go func() {
		_, err := io.CopyBuffer(s.checker, struct{ io.Reader }{out}, make([]byte, s.blockSize()))
		read <- err
	}()
	return func() error { return errors.Join(<-read, cmd.Wait()) }
}

func (s *setting) blockSize() int {
	return []int{4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4093, 100_003}[s.below(7)]
}

// A pipe for each writer.
func TestPipes(t *testing.T) {
	each(t, func(s *setting) {
		paths := s.pipes(s.writers)
		merged := s.merge(append([]string{"--once"}, paths...)...)
		s.writeAll(`exec "$0" write "$2" "$3" > "$1"`, func(id int) string { return paths[id] })()
		if err := merged(); err != nil {
			s.Error(err)
		}
		s.checker.report(s.T)
	})
}

// A slot for each writer, which is a plain redirection.
func TestSlots(t *testing.T) {
	each(t, func(s *setting) {
		merged := s.merge("--linger", "1s", "--watch", s.path("slots"))
		s.writeAll(`exec "$0" write "$2" "$3" > "$("$0" fifomerge slot "$1")"`, func(int) string { return s.path("slots") })()
		if err := merged(); err != nil {
			s.Error(err)
		}
		s.checker.report(s.T)
	})
}

// One pipe for all.
func TestShared(t *testing.T) {
	each(t, func(s *setting) {
		path := s.pipes(1)[0]
		keeper, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			s.Fatal(err)
		}
		merged := s.merge("--once", path)
		s.writeAll(`"$0" write "$2" "$3" | "$0" fifomerge write --wait 60s "$1"`, func(int) string { return path })()
		keeper.Close()
		if err := merged(); err != nil {
			s.Error(err)
		}
		s.checker.report(s.T)
	})
}

// Writers that are killed in the middle of a record.
func TestWritersKilled(t *testing.T) {
	each(t, func(s *setting) {
		paths := s.pipes(s.writers)
		merged := s.merge(append([]string{"--once", "--rejects", s.path("rejects")}, paths...)...)
		s.writeAll(`exec "$0" write "$2" "$3" "$4" > "$1"`, func(id int) string { return paths[id] }, "END")()
		if exit, ok := errors.AsType[*exec.ExitError](merged()); !ok || exit.ExitCode() != 3 {
			s.Errorf("%v, want status 3", exit)
		}
		s.checker.report(s.T)
		rejects, err := os.ReadFile(s.path("rejects"))
		if n := bytes.Count(rejects, []byte(` torn"}`)); n != s.writers || err != nil {
			s.Errorf("%d of %d rejects, %v", n, s.writers, err)
		}
	})
}

// Readers that come and go, which the merge does not see the end of.
func TestReaders(t *testing.T) {
	each(t, func(s *setting) {
		paths := append(s.pipes(s.writers), s.path("out"))
		if _, err := fifo.Make(s.path("out"), 0o600); err != nil {
			s.Fatal(err)
		}
		merged := s.merge(append([]string{"--once", "-o", s.path("out")}, paths[:s.writers]...)...)
		written := s.writeAll(`exec "$0" write "$2" "$3" > "$1"`, func(id int) string { return paths[id] })
		var attached sync.Mutex
		attached.Lock()
		s.readers(&attached)
		written()
		if err := merged(); err != nil {
			s.Error(err)
		}
		s.checker.report(s.T)
	})
}

// readers read the pipe out, one after another, until all has come and the
// writer is gone. Each has attached locked while it is there.
func (s *setting) readers(attached *sync.Mutex) {
	defer attached.Unlock()
	for !s.checker.complete() {
		f, err := os.Open(s.path("out"))
		if err != nil {
			s.Fatal(err)
		}
		attached.Unlock()
		buf := make([]byte, s.blockSize())
		limit := s.below(4 << 20)
		for read := 0; read < limit || s.checker.complete(); {
			n, err := f.Read(buf)
			read += n
			s.checker.Write(buf[:n])
			if err != nil {
				break
			}
		}
		attached.Lock()
		f.Close()
	}
}

// With a spool fifomerge itself can be killed at any instant. But for one: what
// a reader has left in the pipe is on disk a moment after it has gone, so none
// is killed in that moment.
func TestKilled(t *testing.T) {
	each(t, func(s *setting) {
		paths := s.pipes(s.writers)
		for _, path := range paths { // their end is not that of the merge
			keeper, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				s.Fatal(err)
			}
			defer keeper.Close()
		}
		start := func() *exec.Cmd {
			return s.shell(`exec "$0" fifomerge merge --spool spool -o out "$@"`, paths...)
		}
		var attached sync.Mutex
		attached.Lock()
		merge := start()
		for fifo.Check(s.path("out")) != nil {
			time.Sleep(time.Millisecond)
		}
		written := s.writeAll(`exec "$0" write "$2" "$3" > "$1"`, func(id int) string { return paths[id] })
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.readers(&attached)
		}()
		for range number("TORN_KILLS", 3) {
			time.Sleep(time.Duration(s.below(100)) * time.Millisecond)
			attached.Lock()
			merge.Process.Kill()
			merge.Wait()
			attached.Unlock()
			merge = start()
		}
		written()
		for !s.checker.complete() {
			time.Sleep(10 * time.Millisecond)
		}
		if err := merge.Process.Signal(syscall.SIGTERM); err != nil {
			s.Error(err)
		}
		merge.Wait()
		<-done
		s.checker.report(s.T)
	})
}

// A disk that is full holds the writers up, says so, and loses nothing.
func TestDiskFull(t *testing.T) {
	s := newSetting(t, 4, 150)
	disk := s.path("disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", disk).Run(); err != nil {
		t.Skip("no disk of its own: mount: ", err)
	}
	defer func() {
		if err := exec.Command("umount", disk).Run(); err != nil {
			t.Error(err)
		}
	}()
	paths := s.pipes(s.writers)
	merge := exec.Command(os.Args[0], append([]string{"fifomerge", "merge", "--once", "--spool", disk, "-o", s.path("out")}, paths...)...)
	var said bytes.Buffer
	merge.Stderr = &said
	if err := merge.Start(); err != nil {
		t.Fatal(err)
	}
	written := s.writeAll(`exec "$0" write "$2" "$3" > "$1"`, func(id int) string { return paths[id] })
	free := func() bool {
		out, err := exec.Command("df", "--output=avail", disk).Output()
		return err != nil || string(bytes.Fields(out)[1]) != "0"
	}
	for free() {
		time.Sleep(10 * time.Millisecond)
	}
	var attached sync.Mutex
	attached.Lock()
	s.readers(&attached)
	s.checker.report(t)
	written()
	if err := merge.Wait(); err != nil {
		t.Error(err)
	}
	if want := "fifomerge: the disk of the spool " + disk + " is full: writers wait until records are delivered\n"; said.String() != want {
		t.Errorf("it says %q", &said)
	}
}
