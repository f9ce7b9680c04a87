package coprocess

import "syscall"

// OwnGroup lets a command be ended together with its children, and ends it with
// a server that is killed.
func OwnGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
