package cmdline

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"pipeworks/internal/stream"
)

// asTool makes the test binary behave as the sample tool, so that signals and
// broken pipes meet a real process.
const asTool = "CMDLINE_TEST_ACTION"

func TestMain(m *testing.M) {
	if name := os.Getenv(asTool); name != "" {
		os.Exit(Main(sample(actions[name])))
	}
	os.Exit(m.Run())
}

var actions = map[string]func(context.Context, *Invocation) error{
	"copy": copyInput,
	"yes": func(_ context.Context, inv *Invocation) error {
		out, err := inv.Output(stream.Inputs{})
		if err != nil {
			return err
		}
		for err == nil {
			_, err = io.WriteString(out, "y\n")
		}
		fmt.Fprintln(inv.Stderr(), "cleaned up")
		return fmt.Errorf("say yes: %w", err)
	},
	// Says when it has begun and when it was told to stop.
	"wait": func(ctx context.Context, inv *Invocation) error {
		fmt.Fprintln(inv.Stderr(), "begun")
		<-ctx.Done()
		fmt.Fprintln(inv.Stderr(), "stopping")
		return fmt.Errorf("wait: %w", context.Cause(ctx))
	},
	// Does not end when it is told to.
	"stubborn": func(ctx context.Context, inv *Invocation) error {
		fmt.Fprintln(inv.Stderr(), "begun")
		<-ctx.Done()
		fmt.Fprintln(inv.Stderr(), "stopping")
		select {}
	},
	// Comes to its end although it is told to stop.
	"finish": func(ctx context.Context, inv *Invocation) error {
		fmt.Fprintln(inv.Stderr(), "begun")
		<-ctx.Done()
		return nil
	},
}

// process is the sample tool in a process of its own.
type process struct {
	*exec.Cmd
	stderr *bufio.Reader
}

// start starts the tool; ignoring are the signals that its parent ignores.
func start(t *testing.T, action string, ignoring string, setUp ...func(*exec.Cmd)) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(exe)}
	if ignoring != "" {
		p.Cmd = exec.Command("sh", "-c", "trap '' "+ignoring+`; exec "$0"`, exe)
	}
	p.Env = append(os.Environ(), asTool+"="+action, "GORACE=atexit_sleep_ms=0")
	for _, f := range setUp {
		f(p.Cmd)
	}
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stderr = bufio.NewReader(stderr)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			p.Process.Kill()
			p.Wait()
		}
	})
	return p
}

// expect reads one line of the tool's messages.
func (p *process) expect(t *testing.T, want string) {
	t.Helper()
	line, err := p.stderr.ReadString('\n')
	if line != want+"\n" {
		t.Fatalf("the tool said %q, %v; want %q", line, err, want)
	}
}

func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// end waits for the tool, which must say nothing more, and returns how it
// ended.
func (p *process) end(t *testing.T) syscall.WaitStatus {
	t.Helper()
	if rest, err := io.ReadAll(p.stderr); len(rest) > 0 || err != nil {
		t.Errorf("the tool said at its end: %q, %v", rest, err)
	}
	err := p.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.ProcessState.Sys().(syscall.WaitStatus)
}

func (p *process) expectExit(t *testing.T, want int) {
	t.Helper()
	if status := p.end(t); !status.Exited() || status.ExitStatus() != want {
		t.Errorf("the tool ended with %v, want status %d", p.ProcessState, want)
	}
}

func TestSignals(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		t.Run(sig.String(), func(t *testing.T) {
			p := start(t, "wait", "")
			p.expect(t, "begun")
			p.signal(t, sig)
			p.expect(t, "stopping")
			p.expectExit(t, want)
		})
	}
}

// What comes to its end is no failure, whoever wanted it to stop.
func TestSignalTooLate(t *testing.T) {
	p := start(t, "finish", "")
	p.expect(t, "begun")
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}

func TestSecondSignalKills(t *testing.T) {
	for _, second := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(second.String(), func(t *testing.T) {
			p := start(t, "stubborn", "")
			p.expect(t, "begun")
			p.signal(t, syscall.SIGINT)
			p.expect(t, "stopping")
			p.signal(t, second)
			if status := p.end(t); !status.Signaled() || status.Signal() != second {
				t.Errorf("the tool ended with %v", p.ProcessState)
			}
		})
	}
}

// nohup, and a shell script that starts a job in the background, have signals
// ignored; they stay so.
func TestIgnoredSignals(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "INT HUP": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "wait", name)
			p.expect(t, "begun")
			p.signal(t, sig)
			p.signal(t, syscall.SIGTERM)
			p.expect(t, "stopping")
			p.expectExit(t, 143)
		})
	}
}

// A read of standard input does not keep a tool from stopping.
func TestSignalWhileReading(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var stdout io.Reader
	p := start(t, "copy", "", func(c *exec.Cmd) {
		c.Stdin = r
		if stdout, err = c.StdoutPipe(); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := io.WriteString(w, "some input\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if line != "some input\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	p.signal(t, syscall.SIGINT)
	p.expectExit(t, 130)
}

// When the reader of stdout goes the tool cleans up and is silent.
func TestClosedStdout(t *testing.T) {
	var stdout io.ReadCloser
	p := start(t, "yes", "", func(c *exec.Cmd) {
		var err error
		if stdout, err = c.StdoutPipe(); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := io.ReadFull(stdout, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	stdout.Close()
	p.expect(t, "cleaned up")
	p.expectExit(t, 141)
}

func TestFullStdout(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	p := start(t, "copy", "", func(c *exec.Cmd) {
		c.Stdin = strings.NewReader("input")
		c.Stdout = full
	})
	p.expect(t, "sample: write stdout: no space left on device")
	p.expectExit(t, 1)
}
