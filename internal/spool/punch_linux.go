package spool

import (
	"os"
	"syscall"
)

// punch gives back the disk space of a file's first bytes, where the file
// system can. See fallocate(2).
func punch(f *os.File, size int64) {
	const keepSize, punchHole = 1, 2
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { _ = syscall.Fallocate(int(fd), punchHole|keepSize, 0, size) })
}
