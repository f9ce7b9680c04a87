package coprocess

import (
	"context"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// ExitStatus is how a process has ended, as a shell has it.
func ExitStatus(exit *exec.ExitError) int {
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// Grace is how long a group of processes that is told to end has time to do so.
const Grace = 2 * time.Second

// EndWith tells the command, which runs and leads a group of processes, to end
// when ctx does, and all of its group. What is left of it after a while, or when
// the command has ended, is killed, and the pipes from it are closed: somebody
// outside of the group may have them, too. The function that it returns is to be
// called when the command was waited for.
func EndWith(ctx context.Context, cmd *exec.Cmd, pipes ...io.Closer) (ended func()) {
	waited, killed := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		group := -cmd.Process.Pid
		_ = syscall.Kill(group, syscall.SIGTERM)
		select {
		case <-waited:
		case <-time.After(Grace):
		}
		_ = syscall.Kill(group, syscall.SIGKILL)
		for _, p := range pipes {
			_ = p.Close()
		}
	})
	return func() {
		close(waited)
		if !stop() {
			<-killed
		}
	}
}
