//go:build !linux

package relay

import "syscall"

// ownGroup lets a command be ended together with its children.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
