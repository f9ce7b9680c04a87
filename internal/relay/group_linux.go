package relay

import "syscall"

// ownGroup lets a command be ended together with its children, and ends it with
// a server that is killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
