package relay

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
	"pipeworks/internal/transport/rpc"
)

func (t transports) serveCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "serve",
		Summary:  "let others call a command",
		Operands: "URL -- COMMAND [ARGUMENT...]",
		FlagHint: "COMMAND and its flags stand behind --; relay serve -h shows those here",
		Examples: []cmdline.Example{
			{Comment: "a filter becomes a remote procedure", Line: "relay serve unix:/tmp/upper -- tr a-z A-Z"},
			{Comment: "a database behind a port of this machine", Line: "relay serve tcp://localhost:9907 -- sqlpipe --db mysql://root@localhost/shop"},
		},
		Description: `Runs COMMAND, which no shell sees, for each call: the request is its standard
input, its standard output is the answer, its messages and its exit status are
the caller's. $RELAY_PEER is who calls. A caller that goes away ends it.

With --coprocess COMMAND answers each line with a line, as sed -u does, and is
kept for the next calls: a line costs microseconds then, a process milliseconds.`,
		Flags: append([]cli.Flag{
			&cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Value: 16, Usage: "answer `N` calls at once; others wait, and are told so"},
			&cli.BoolFlag{Name: "coprocess", Usage: "keep COMMAND, which answers each line with a line"},
			cmdline.TimeoutFlag(0, "end a call that takes longer than `TIME`; with --coprocess, one whose line does (10s)"),
			cmdline.MaxRecordFlag(),
			cmdline.SummaryFlag(),
		}, cmdline.PasswordFlags()...),
		Action: t.runServe,
	}
}

func (t transports) callCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "call",
		Summary:  "call a command that is served elsewhere",
		Operands: "URL",
		Examples: []cmdline.Example{
			{Comment: "as if the command were here", Line: "echo hello | relay call unix:/tmp/upper"},
			{Comment: "what takes how long", Line: "echo hello | relay call --explain unix:/tmp/upper"},
		},
		Description: `Sends standard input, and writes the answer and the messages of the command.
The status is that of the command: 128 and the number of a signal if that has
ended it, 1 if the server has or is gone.`,
		Flags: append([]cli.Flag{
			cmdline.TimeoutFlag(0, "end the call, and the command, when it takes longer than `TIME`"),
			&cli.DurationFlag{Name: "wait", Value: 10 * time.Second, Usage: "`TIME` to wait for a server; 0 is for ever"},
			&cli.BoolFlag{Name: "explain", Usage: "show on stderr the ten steps of the call, and how long each took"},
			cmdline.OutputFlag(),
		}, cmdline.PasswordFlags()...),
		Action: t.runCall,
	}
}

func (t transports) runServe(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	u, tr, err := t.operand(inv)
	if err != nil {
		return err
	}
	cfg := ServeConfig{
		Command:   inv.Operands()[1:],
		Jobs:      inv.Int("jobs"),
		Coprocess: inv.Bool("coprocess"),
		Timeout:   inv.Duration("timeout"),
		Stderr:    inv.Stderr(),
		Warn:      inv.Notef,
		Done: func(peer string, e rpc.Exit) {
			inv.Verbosef("%s: status %d after %v", peer, e.Status, e.Times.Run.Round(time.Millisecond))
		},
	}
	switch {
	case len(cfg.Command) == 0:
		return cmdline.Usagef("which COMMAND?")
	case cfg.Jobs < 1:
		return cmdline.Usagef("--jobs %d: at least 1", cfg.Jobs)
	case cfg.Timeout < 0:
		return cmdline.Usagef("--timeout %v is negative", cfg.Timeout)
	case tr.Listen == nil:
		return cmdline.Usagef("%s: calls cannot be answered there", u)
	}
	if cfg.MaxRecord, err = inv.Size("max-record"); err != nil {
		return err
	}
	o := transport.Options{Warn: inv.Notef}
	if o.Password, err = password(ctx, inv); err != nil {
		return err
	}
	l, err := tr.Listen(ctx, u, o)
	if err != nil {
		return err
	}
	sum, err := Serve(ctx, cfg, l, func() { inv.Verbosef("ready: relay call %s", l.Addr()) })
	inv.Summarize(sum, start)
	return err
}

func (t transports) runCall(ctx context.Context, inv *cmdline.Invocation) error {
	u, tr, err := t.operand(inv)
	if err != nil {
		return err
	}
	switch {
	case len(inv.Operands()) > 1:
		return cmdline.Usagef("one URL, not %d: the command is the server's", len(inv.Operands()))
	case inv.Duration("timeout") < 0, inv.Duration("wait") < 0:
		return cmdline.Usagef("--timeout and --wait are not negative")
	case tr.Dial == nil:
		return cmdline.Usagef("%s: nobody can be called there", u)
	}
	o := transport.Options{Timeout: inv.Duration("wait"), Warn: inv.Notef}
	if o.Password, err = password(ctx, inv); err != nil {
		return err
	}
	in, err := inv.Inputs(nil)
	if err != nil {
		return err
	}
	out, err := inv.Output(in)
	if err != nil {
		return err
	}
	cfg := CallConfig{
		Name:    u.String(),
		Dial:    func(ctx context.Context) (transport.Conn, error) { return tr.Dial(ctx, u, o) },
		Timeout: inv.Duration("timeout"),
		Note:    inv.Notef,
	}
	if inv.Bool("explain") {
		cfg.Explain = inv.Stderr()
	}
	stdin := stream.NewInput(ctx, stream.Stdin, in.Stdin)
	defer stdin.Close()
	return Call(ctx, cfg, stdin, out, inv.Stderr())
}
