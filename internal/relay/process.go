package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"pipeworks/internal/coprocess"
	"pipeworks/internal/transport/rpc"
)

// process is a command, and where its streams come from and go to.
type process struct {
	args   []string
	env    []string // beside that of relay
	in     io.Reader
	out    io.Writer
	stderr io.Writer
}

// run runs it to its end. When ctx ends, so does it, with all that it has
// started. Its input has no end before in has.
func (p process) run(ctx context.Context) (e rpc.Exit) {
	args := p.args
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.SysProcAttr = coprocess.OwnGroup()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return failedStart(args[0], err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return failedStart(args[0], err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return failedStart(args[0], err)
	}
	if err := cmd.Start(); err != nil {
		return failedStart(args[0], err)
	}
	begun := time.Now()
	ended := coprocess.EndWith(ctx, cmd, stdout, stderr)
	go func() {
		if _, err := io.Copy(stdin, p.in); err == nil || errors.Is(err, syscall.EPIPE) { // it is whole, or not wanted
			_ = stdin.Close()
		}
	}()
	var answer sync.WaitGroup
	answer.Go(func() { pass(p.out, stdout) })
	answer.Go(func() { pass(p.stderr, stderr) })
	answer.Wait()
	err = cmd.Wait()
	ended()
	e.Times.Run = time.Since(begun)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		e.Status = coprocess.ExitStatus(exit)
		if !exit.Exited() {
			e.Error = fmt.Sprintf("%s: %v", args[0], err)
		}
	} else if err != nil {
		e.Status, e.Error = 1, err.Error()
	}
	return e
}

// pass passes on what a command writes. When nobody takes it, the command's
// next write tells it so.
func pass(to io.Writer, from io.ReadCloser) {
	if _, err := io.Copy(to, from); err != nil {
		from.Close()
	}
}

// failedStart is what a shell has for a command that cannot be run.
func failedStart(name string, err error) rpc.Exit {
	e := rpc.Exit{Status: 126, Error: fmt.Sprintf("%s: %v", name, err)}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		e.Status = 127
	}
	return e
}
