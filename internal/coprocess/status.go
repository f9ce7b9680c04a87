package coprocess

import (
	"os/exec"
	"syscall"
)

// ExitStatus is how a process has ended, as a shell has it.
func ExitStatus(exit *exec.ExitError) int {
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}
