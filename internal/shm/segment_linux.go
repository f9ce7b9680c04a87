package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Error is shared memory that cannot be used.
type Error struct {
	Path string
	Err  error
	hint string
}

func (e *Error) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Hint is what to do about it.
func (e *Error) Hint() string { return e.hint }

// Reasons.
var (
	ErrInUse   = errors.New("another process has it in use")
	ErrNobody  = errors.New("nobody is at the other end")
	ErrRemoved = errors.New("it was removed")
	ErrDied    = errors.New("the process at the other end died")
	ErrLeft    = errors.New("the reader has left") // of a stream

	errCorrupt = errors.New("what it holds is damaged")
	errAlien   = errors.New("it is not relay's")
)

// Config says what a segment is to be. Who comes first decides.
type Config struct {
	Path    string
	Size    int           // of a ring, in bytes; 0 is DefaultSize; rounded up to a power of two
	Mode    fs.FileMode   // who may take part; 0 is 0600. With more, other users' segments are trusted, too
	Stream  bool          // the records of a queue are one byte stream: there is one writer, and all must agree
	Timeout time.Duration // how long to wait for somebody at the other end; 0 is for ever

	mustExist bool
}

// DefaultSize is that of a ring. What a reader has passed on to a pipe of 1 MiB
// and nobody has taken from there yet is in the ring, too, and leaves room.
const DefaultSize = 4 << 20

const (
	magic   = 0x52_65_6c_61_79_53_68_6d // RelayShm
	version = 1
)

// Bytes of the file that are locked. No byte is read or written for it.
const (
	lockEnter  = iota // by who is entering or leaving
	lockReader        // by the reader, or the first end of a line
	lockWriter        // and those after it, by the writers; or the second end of a line
)

// intro is what every segment begins with.
type intro struct {
	magic      atomic.Uint64 // the last thing written to a new segment
	version    uint32
	rings      uint32
	size       uint64
	generation atomic.Uint64 // of who entered last: each has its own, none is given twice
	_          [32]byte
}

// segment is a file in shared memory, mapped.
type segment struct {
	path   string
	f      *os.File
	base   unsafe.Pointer
	length uintptr
	rings  [][]byte // each twice in a row
	size   uint64   // of a ring
}

// enter opens the segment, or makes it. The caller holds lockEnter then and
// gives it up when it has taken its place.
func enter(ctx context.Context, c Config, rings int) (*segment, error) {
	for {
		s, err := tryEnter(ctx, c, rings)
		if !errors.Is(err, ErrRemoved) {
			return s, err
		}
	}
}

func tryEnter(ctx context.Context, c Config, rings int) (*segment, error) {
	f, err := c.open()
	if err != nil {
		return nil, newError(c.Path, err)
	}
	s := &segment{path: c.Path, f: f}
	if err = s.lock(ctx, lockEnter); err == nil {
		if s.removed() {
			err = ErrRemoved
		} else {
			err = s.load(c, rings)
		}
	}
	if err != nil {
		s.close()
		return nil, newError(c.Path, err)
	}
	return s, nil
}

// newError is what is wrong, without the action and path that package os adds,
// and what can be done about it.
func newError(path string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return &Error{path, err, hint(err)}
}

func hint(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EFBIG), errors.Is(err, unix.ENOMEM):
		return "shared memory is full: ask for a smaller ring with ?size=BYTES, remove what is stale with relay rm, or make /dev/shm larger"
	case errors.Is(err, unix.EACCES):
		return "it belongs to another user, who can let others in with ?mode=0660"
	case errors.Is(err, errCorrupt):
		return "remove it with relay rm"
	case errors.Is(err, ErrInUse):
		return "shared memory has one receiver at a time"
	}
	return ""
}

// open does not open with O_CREAT what is there: in /dev/shm the system refuses
// that for files of others.
func (c Config) open() (*os.File, error) {
	for {
		f, err := os.OpenFile(c.Path, os.O_RDWR|syscall.O_NOFOLLOW, 0)
		if c.mustExist || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = os.OpenFile(c.Path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// load maps the segment, and makes it what it is to be if it is new.
func (s *segment) load(c Config, rings int) error {
	size, isNew, err := s.inspect(c, rings)
	if err != nil {
		return err
	}
	if isNew {
		if err := errors.Join(s.f.Chmod(c.mode()), s.allocate(int64(os.Getpagesize()+rings*size))); err != nil {
			_ = os.Remove(s.path)
			return err
		}
	}
	if err := s.mmap(os.Getpagesize(), size, rings); err != nil {
		return err
	}
	if isNew {
		first := s.intro()
		first.version, first.rings, first.size = version, uint32(rings), uint64(size)
		first.magic.Store(magic)
	}
	return nil
}

// inspect returns the size of the segment's rings, and whether they have to be
// made first.
func (s *segment) inspect(c Config, rings int) (size int, isNew bool, err error) {
	info, err := s.f.Stat()
	if err != nil {
		return 0, false, err
	}
	if !info.Mode().IsRegular() {
		return 0, false, errAlien
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() && c.mode()&0o022 == 0 {
		return 0, false, unix.EACCES // who could fill it with anything, or truncate it
	}
	first, _ := readIntro(s.f)
	switch {
	case first == nil && info.Size() > 0 && !empty(s.f):
		err = errAlien
	case first == nil: // or nobody has finished it
		size, isNew = c.size(), true
	case first.version != version:
		err = fmt.Errorf("it was made by another version of relay (%d, this is %d)", first.version, version)
	case int(first.rings) != rings || info.Size() != int64(os.Getpagesize())+int64(rings)*int64(first.size) || first.size&(first.size-1) != 0:
		err = errCorrupt
	default:
		size = int(first.size)
	}
	return size, isNew, err
}

// empty reports whether a file begins with zeros.
func empty(f *os.File) bool {
	var start [8]byte
	_, err := f.ReadAt(start[:], 0)
	return err != nil || start == [8]byte{}
}

func (c Config) mode() fs.FileMode {
	if c.Mode == 0 {
		return 0o600
	}
	return c.Mode
}

func (c Config) size() int {
	if c.Size == 0 {
		return DefaultSize
	}
	return roundUp(max(c.Size, os.Getpagesize()))
}

func roundUp(n int) int {
	size := 1
	for size < n && size > 0 {
		size <<= 1
	}
	return size
}

// allocate makes the file so long that all of its memory is there.
func (s *segment) allocate(n int64) error {
	for {
		if err := unix.Fallocate(int(s.f.Fd()), 0, 0, n); err != unix.EINTR {
			return err
		}
	}
}

// mmap maps the first page, and each ring twice.
func (s *segment) mmap(page, size, rings int) (err error) {
	s.size, s.length = uint64(size), uintptr(page+2*rings*size)
	if s.base, err = unix.MmapPtr(-1, 0, nil, s.length, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil {
		return err
	}
	at := func(offset int64, place, n int) {
		_, mapErr := unix.MmapPtr(int(s.f.Fd()), offset, unsafe.Add(s.base, place), uintptr(n),
			unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED|unix.MAP_POPULATE)
		err = errors.Join(err, mapErr)
	}
	at(0, 0, page)
	for i := range rings {
		place := page + 2*i*size
		at(int64(page+i*size), place, size)
		at(int64(page+i*size), place+size, size)
		s.rings = append(s.rings, unsafe.Slice((*byte)(unsafe.Add(s.base, place)), 2*size))
	}
	return err
}

func (s *segment) intro() *intro { return (*intro)(s.base) }

// lock waits for the lock of a byte. It is held for an instant only, or dropped
// by the kernel.
func (s *segment) lock(ctx context.Context, which int64) error {
	for {
		err := s.tryLock(which)
		if !errors.Is(err, ErrInUse) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

// tryLock takes the lock of a byte. ErrInUse: somebody has it.
func (s *segment) tryLock(which int64) error {
	err := s.fcntl(unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: which, Len: 1})
	if err == unix.EAGAIN || err == unix.EACCES {
		return ErrInUse
	}
	return err
}

// unlock gives up the lock of a byte.
func (s *segment) unlock(which int64) {
	_ = s.fcntl(unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK, Start: which, Len: 1})
}

// locked reports whether somebody else has the lock of a byte.
func (s *segment) locked(which int64) bool { return locked(s.f, which) }

func locked(f *os.File, which int64) bool {
	query := unix.Flock_t{Type: unix.F_WRLCK, Start: which, Len: 1}
	for {
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &query)
		if err != unix.EINTR {
			return err == nil && query.Type != unix.F_UNLCK
		}
	}
}

func (s *segment) fcntl(cmd int, lock *unix.Flock_t) error {
	for {
		if err := unix.FcntlFlock(s.f.Fd(), cmd, lock); err != unix.EINTR {
			return err
		}
	}
}

// removed reports whether the segment's file is not the one at its path.
func (s *segment) removed() bool {
	there, err := os.Stat(s.path)
	if err != nil {
		return true
	}
	own, err := s.f.Stat()
	return err != nil || !os.SameFile(there, own)
}

// close unmaps the segment and gives up all locks.
func (s *segment) close() {
	if s.base != nil {
		_ = unix.MunmapPtr(s.base, s.length)
		s.base = nil
	}
	s.f.Close()
}

// Remove removes a segment, in use or not. Who has it in use goes on with it.
func Remove(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return newError(path, err)
	}
	defer f.Close()
	if first, _ := readIntro(f); first == nil {
		return newError(path, errAlien)
	}
	if err := os.Remove(path); err != nil {
		return newError(path, err)
	}
	return nil
}

// readIntro reads the first page of a segment; nil if it is none.
func readIntro(f *os.File) (*intro, []byte) {
	page := make([]byte, os.Getpagesize())
	if n, err := f.ReadAt(page, 0); n < len(page) && err != nil {
		return nil, nil
	}
	first := (*intro)(unsafe.Pointer(&page[0]))
	if first.magic.Load() != magic {
		return nil, nil
	}
	return first, page
}

// Find is the paths of segments whose names begin so.
func Find(prefix string) []string {
	paths, _ := filepath.Glob(escape(prefix) + "*")
	return paths
}

// escape is a path as filepath.Match has it.
func escape(path string) string {
	var out []byte
	for i := range len(path) {
		if c := path[i]; c == '*' || c == '?' || c == '[' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, path[i])
	}
	return string(out)
}
