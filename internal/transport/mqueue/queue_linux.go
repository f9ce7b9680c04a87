package mqueue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"pipeworks/internal/transport"
)

// Error is a queue that cannot be used.
type Error struct {
	URL  string
	Err  error
	hint string
}

func (e *Error) Error() string { return e.URL + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Hint is what to do about it.
func (e *Error) Hint() string { return e.hint }

// attr is struct mq_attr.
type attr struct {
	flags, maxmsg, msgsize, curmsgs int
	_                               [4]int
}

// queue is an open queue.
type queue struct {
	u       transport.URL
	f       *os.File
	conn    syscall.RawConn
	msgsize int
}

// Bytes of the queue's inode that are locked. The kernel drops a lock with the
// process.
const (
	lockReceiver = iota // by the receiver alone
	lockSenders         // by all senders together, or by who removes the queue
	locks
)

// open opens the queue, and makes it if asked.
func open(u transport.URL, flags int) (*queue, error) {
	if u.Host != "" || u.Name() == "" || strings.Contains(u.Name(), "/") {
		return nil, fmt.Errorf("%s: it is written mqueue:/NAME, with no other slash", u)
	}
	var want attr
	var err, err2 error
	want.maxmsg, err = u.Int("messages", 0, 1)
	want.msgsize, err2 = u.Int("msgsize", 0, headSize+1)
	mode, err3 := permissions(u)
	if err = errors.Join(err, err2, err3); err != nil {
		return nil, err
	}
	name, err := unix.BytePtrFromString(u.Name())
	if err != nil {
		return nil, err
	}
	var attrs *attr
	if want.maxmsg != 0 || want.msgsize != 0 {
		attrs = &want
		want.maxmsg, want.msgsize = orDefault(want.maxmsg, "msg_default", 10), orDefault(want.msgsize, "msgsize_default", 8192)
	}
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)),
		uintptr(flags|unix.O_NONBLOCK|unix.O_CLOEXEC), uintptr(mode), uintptr(unsafe.Pointer(attrs)), 0, 0)
	if errno != 0 {
		return nil, &Error{u.String(), errno, hint(errno)}
	}
	q := &queue{u: u, f: os.NewFile(fd, u.String())}
	if q.conn, err = q.f.SyscallConn(); err == nil {
		var is attr
		is, err = q.attributes()
		q.msgsize = is.msgsize
	}
	if err == nil && q.msgsize <= headSize {
		err = fmt.Errorf("its messages have %d bytes: too few for any", q.msgsize)
	}
	if err != nil {
		q.f.Close()
		return nil, &Error{u.String(), err, ""}
	}
	return q, nil
}

func hint(err error) string {
	switch {
	case errors.Is(err, unix.EINVAL):
		return fmt.Sprintf("the system's limits are messages=%d and msgsize=%d: sysctl fs.mqueue.msg_max, fs.mqueue.msgsize_max",
			orDefault(0, "msg_max", 10), orDefault(0, "msgsize_max", 8192))
	case errors.Is(err, unix.EMFILE):
		return "the bytes of all of a user's queues are limited: ask for less with ?messages= and ?msgsize=, or raise ulimit -q"
	case errors.Is(err, unix.ENOSPC):
		return "the number of queues is limited: remove what is stale with relay rm, or raise sysctl fs.mqueue.queues_max"
	case errors.Is(err, unix.EACCES):
		return "it belongs to another user, who can let others in with ?mode=0660"
	}
	return ""
}

func permissions(u transport.URL) (uint64, error) {
	text := u.Option("mode")
	if text == "" {
		return 0o600, nil
	}
	mode, err := strconv.ParseUint(text, 8, 9)
	if err != nil {
		return 0, fmt.Errorf("%s: option mode=%s: permissions are written 0600, 0660", u, text)
	}
	return mode, nil
}

// orDefault is n, or if it is 0 what the system says.
func orDefault(n int, sysctl string, otherwise int) int {
	if n != 0 {
		return n
	}
	text, err := os.ReadFile("/proc/sys/fs/mqueue/" + sysctl)
	if n, convErr := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && convErr == nil {
		return n
	}
	return otherwise
}

// control calls fn with the descriptor.
func (q *queue) control(fn func(fd uintptr) error) (err error) {
	return errors.Join(q.conn.Control(func(fd uintptr) { err = fn(fd) }), err)
}

// lock takes a lock, or changes it. errInUse: somebody else has it.
func (q *queue) lock(kind int16, which int64) error {
	return q.control(func(fd uintptr) error {
		err := unix.FcntlFlock(fd, unix.F_OFD_SETLK, &unix.Flock_t{Type: kind, Start: which, Len: 1})
		if err == unix.EAGAIN || err == unix.EACCES {
			return errInUse
		}
		return err
	})
}

var errInUse = errors.New("another process has it in use")

// locked reports whether somebody else has one of the locks from first on.
func (q *queue) locked(first, n int64) bool {
	query := unix.Flock_t{Type: unix.F_WRLCK, Start: first, Len: n}
	err := q.control(func(fd uintptr) error { return unix.FcntlFlock(fd, unix.F_OFD_GETLK, &query) })
	return err == nil && query.Type != unix.F_UNLCK
}

// removed reports whether the queue has no name any more.
func (q *queue) removed() bool {
	var stat unix.Stat_t
	err := q.control(func(fd uintptr) error { return unix.Fstat(int(fd), &stat) })
	return err != nil || stat.Nlink == 0
}

// messages is how many are in the queue.
func (q *queue) messages() (int, error) {
	is, err := q.attributes()
	return is.curmsgs, err
}

func (q *queue) attributes() (is attr, err error) {
	err = q.control(func(fd uintptr) error {
		if _, _, errno := unix.Syscall(unix.SYS_MQ_GETSETATTR, fd, 0, uintptr(unsafe.Pointer(&is))); errno != 0 {
			return errno
		}
		return nil
	})
	return is, err
}

// beat is how long to wait before a look around.
const beat = 100 * time.Millisecond

// send puts a message into the queue. It returns os.ErrDeadlineExceeded after
// a beat without room.
func (q *queue) send(p []byte, priority int) error {
	_ = q.f.SetWriteDeadline(time.Now().Add(beat))
	var errno syscall.Errno
	err := q.conn.Write(func(fd uintptr) bool {
		errno = unix.EINTR
		for errno == unix.EINTR {
			_, _, errno = unix.Syscall6(unix.SYS_MQ_TIMEDSEND, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), uintptr(priority), 0, 0)
		}
		return errno != unix.EAGAIN
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}

// receive takes a message out of the queue. It returns
// os.ErrDeadlineExceeded after a beat of nothing; if wait is false, at once.
func (q *queue) receive(p []byte, wait bool) (n int, priority uint32, err error) {
	deadline := time.Now().Add(beat)
	if !wait {
		deadline = time.Time{}
	}
	_ = q.f.SetReadDeadline(deadline)
	var errno syscall.Errno
	err = q.conn.Read(func(fd uintptr) bool {
		errno = unix.EINTR
		for errno == unix.EINTR {
			var got uintptr
			got, _, errno = unix.Syscall6(unix.SYS_MQ_TIMEDRECEIVE, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), uintptr(unsafe.Pointer(&priority)), 0, 0)
			n = int(got)
		}
		return errno != unix.EAGAIN || !wait
	})
	switch {
	case err == nil && errno == unix.EAGAIN:
		err = os.ErrDeadlineExceeded
	case err == nil && errno != 0:
		err = errno
	}
	return n, priority, err
}

// unlink removes the queue's name.
func unlink(u transport.URL) error {
	name, err := unix.BytePtrFromString(u.Name())
	if err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0); errno != 0 {
		return &Error{u.String(), errno, hint(errno)}
	}
	return nil
}

func remove(_ context.Context, u transport.URL, _ transport.Options) error { return unlink(u) }

// list is the queue of a name. All of them only a mounted mqueue file system
// would tell.
func list(_ context.Context, u transport.URL, _ transport.Options) ([]transport.Resource, error) {
	if u.Name() == "" {
		return listAll(), nil
	}
	q, err := open(u, unix.O_RDONLY)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer q.f.Close()
	is, err := q.attributes()
	if err != nil {
		return nil, wrap(q, err)
	}
	var text [128]byte
	var n int
	err = q.control(func(fd uintptr) (err error) {
		n, err = unix.Pread(int(fd), text[:], 0) // QSIZE:129 NOTIFY:2 SIGNO:0 NOTIFY_PID:8260
		return err
	})
	var bytes int64
	if _, scanErr := fmt.Sscanf(string(text[:n]), "QSIZE:%d", &bytes); err == nil && scanErr != nil {
		err = scanErr
	}
	return []transport.Resource{{
		URL: u.String(), Bytes: bytes, Stale: !q.locked(0, locks),
		Note: fmt.Sprintf("%d of %d messages of up to %d bytes", is.curmsgs, is.maxmsg, is.msgsize),
	}}, err
}

// listAll is the queues that /dev/mqueue shows, if it is mounted, and that may
// be looked at.
func listAll() (all []transport.Resource) {
	entries, err := os.ReadDir("/dev/mqueue")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		one, _ := list(context.Background(), transport.URL{Scheme: "mqueue", Path: "/" + e.Name()}, transport.Options{})
		all = append(all, one...)
	}
	return all
}
