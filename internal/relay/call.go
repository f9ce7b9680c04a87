package relay

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/rpc"
)

// CallConfig says how to call.
type CallConfig struct {
	Name    string // of the server, for messages
	Dial    func(ctx context.Context) (transport.Conn, error)
	Timeout time.Duration // for the answer; 0: as long as it takes
	Explain io.Writer     // gets the steps of the call; nil: nobody wants them

	Note func(format string, args ...any) // about a wait; nil: nobody is told
}

// statusError is a command that failed, which has said on its standard error
// what there is to say.
type statusError struct{ status int }

func (e *statusError) Error() string   { return "" }
func (e *statusError) ExitStatus() int { return e.status }

// Call sends in to a server and writes the answer to out, and the messages of
// the command that answers to stderr. The error has the status of the command.
func Call(ctx context.Context, cfg CallConfig, in io.Reader, out, stderr io.Writer) error {
	start := time.Now()
	conn, err := cfg.Dial(ctx)
	if err != nil {
		return err
	}
	connect := time.Since(start)
	e, trace, err := rpc.Call(ctx, conn, rpc.Request{
		Stdin: in, Stdout: out, Stderr: stderr, Timeout: cfg.Timeout,
		Waiting: func(before int) {
			if cfg.Note != nil {
				cfg.Note("%s: %d calls are answered first", cfg.Name, before)
			}
		},
	})
	if cfg.Explain != nil {
		explain(cfg.Explain, cfg.Name, connect, trace, e, time.Since(start))
	}
	switch {
	case err != nil:
		return fmt.Errorf("call %s: %w", cfg.Name, err)
	case e.Status != 0:
		return &statusError{e.Status}
	}
	return nil
}

// explain prints the steps of a call, and how long each took. Where the request
// and the answer are streams, steps go on at the same time.
func explain(w io.Writer, name string, connect time.Duration, t rpc.Trace, e rpc.Exit, total time.Duration) {
	steps := []struct {
		name string
		took time.Duration
		what string
	}{
		{"connect", connect, "to " + name},
		{"handshake", t.Handshake, "what is wanted, and the server's welcome, there and back"},
		{"marshal", t.Marshal, "the head of the request; its bytes go as they are"},
		{"send", t.Send, "the request into the line"},
		{"server receives", e.Times.Receive, "until the whole request was there"},
		{"dispatch", e.Times.Dispatch, "a free place, and a process"},
		{"run", e.Times.Run, "the command, from its start to its end"},
		{"marshal answer", e.Times.Marshal, "its exit status; its bytes go as they are"},
		{"send back", e.Times.Send, "the answer into the line"},
		{"receive", t.Receive, "writing the answer to standard output"},
	}
	var text strings.Builder
	fmt.Fprintf(&text, "step                     ms\n")
	for i, s := range steps {
		fmt.Fprintf(&text, "%2d %-16s %9.3f  %s\n", i+1, s.name, float64(s.took)/1e6, s.what)
	}
	fmt.Fprintf(&text, "   %-16s %9.3f  steps of a stream go on at the same time\n", "in all", float64(total)/1e6)
	_, _ = io.WriteString(w, text.String()) // it goes where messages go
}
