package stream

import (
	"os"

	"golang.org/x/sys/unix"
)

// WidenPipe asks for room for so many bytes in a pipe, so that its two ends wait
// for each other less often. What is no pipe, or a no, changes nothing.
func WidenPipe(f *os.File, bytes int) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		if size, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0); err == nil && size < bytes {
			_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, bytes)
		}
	})
}
