package fifo

import (
	"os"

	"golang.org/x/sys/unix"
)

// splice moves what is in a pipe to an offset of a file.
func splice(fd int, f *os.File, offset int64, size int) (n int, err error) {
	err = control(f, func(to int) error {
		moved, err := unix.Splice(fd, nil, to, &offset, size, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		n = int(max(moved, 0))
		return err
	})
	return n, err
}

// markedSize is the size of a pipe that was marked: not what any has by itself.
const markedSize = 128 << 10

// Mark marks the pipe, and reports whether it was marked before: then somebody
// has had it open ever since. A pipe that nobody has open is a new one next
// time. Where the system refuses to mark one it is always new.
func (r *Reader) Mark() (before bool) {
	_ = r.conn.Control(func(fd uintptr) {
		size, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0)
		before = err == nil && size == markedSize
		if !before {
			_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, markedSize)
		}
	})
	return before
}
