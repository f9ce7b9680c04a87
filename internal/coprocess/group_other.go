//go:build !linux

package coprocess

import "syscall"

// OwnGroup lets a command be ended together with its children.
func OwnGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
