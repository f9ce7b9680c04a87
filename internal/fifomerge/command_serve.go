package fifomerge

import (
	"context"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/stream"
)

func serveCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "serve",
		Summary:  "answer SQL from a database through named pipes",
		Operands: "DIR",
		Examples: []cmdline.Example{
			{Comment: "a database behind a directory", Line: "fifomerge serve /tmp/shop --db mysql://me@localhost/shop"},
			{Comment: "ask it", Line: "fifomerge call /tmp/shop 'SELECT COUNT(*) FROM orders'"},
			{Comment: "ask it without any client", Line: "echo 'SELECT COUNT(*) FROM orders;' > /tmp/shop/query; cat /tmp/shop/reply"},
		},
		Description: `The directory is made if it is missing (mode 0700); only its owner can ask. The
connections to the database stay open. Each question has one to itself: what it
leaves open, such as a transaction, is gone after it. A question whose
client is gone is stopped on the server.

Without a client, one asks at a time: DIR/query takes the question, DIR/reply
gives the answer, an error too. The flags for the format are for these.`,
		Flags: append([]cli.Flag{
			cmdline.DBFlag(),
			&cli.IntFlag{Name: "connections", Value: 4, Usage: "keep up to `N` idle connections open; there are as many as there are questions at once"},
			&cli.StringFlag{Name: "max-packet", Value: "64MiB", Usage: "longest question taken, a `SIZE`"},
			cmdline.TimeoutFlag(10*time.Second, "`TIME` to wait for somebody to read DIR/reply"),
			cmdline.SummaryFlag(),
		}, cmdline.RowFlags()...),
		Action: runServe,
	}
}

func callCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "call",
		Summary:  "ask the database behind a directory of named pipes",
		Operands: "DIR [SQL]",
		Examples: []cmdline.Example{
			{Comment: "one question", Line: "fifomerge call /tmp/shop 'SELECT COUNT(*) FROM orders'"},
			{Comment: "a script, its rows as CSV", Line: "fifomerge call -f csv /tmp/shop < report.sql"},
		},
		Description: `Sends the argument, or standard input, and writes the rows of the answer. It
exits as sqlpipe would: 1, with the same message, if the database refuses.`,
		Flags: append([]cli.Flag{
			cmdline.TimeoutFlag(10*time.Second, "`TIME` to wait for a server; an answer may take any time"),
			cmdline.OutputFlag(),
		}, cmdline.RowFlags()...),
		Action: runCall,
	}
}

func runServe(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	if len(inv.Operands()) != 1 {
		return cmdline.Usagef("which DIR?")
	}
	cfg := ServeConfig{
		Dir:         inv.Operands()[0],
		Connections: inv.Int("connections"),
		ReplyWait:   inv.Duration("timeout"),
		Warn:        func(message string) { inv.Notef("%s", message) },
	}
	var err error
	if cfg.DB, err = inv.DB(); err != nil {
		return err
	}
	if cfg.MaxRequest, err = inv.Size("max-packet"); err != nil {
		return err
	}
	if cfg.Connections < 1 {
		return cmdline.Usagef("--connections %d: at least 1", cfg.Connections)
	}
	if cfg.Format.Format, cfg.Format.Rows, err = inv.Rows(); err != nil {
		return err
	}
	inv.NoteDefaultDB(cfg.DB, nil)
	sum, err := Serve(ctx, cfg, func() { inv.Verbosef("ready: fifomerge call %s 'SQL'", cfg.Dir) })
	inv.Summarize(sum, start)
	return err
}

func runCall(ctx context.Context, inv *cmdline.Invocation) error {
	operands := inv.Operands()
	if len(operands) == 0 || len(operands) > 2 {
		return cmdline.Usagef("call takes DIR and, unless it comes from standard input, one SQL text")
	}
	cfg := CallConfig{Dir: operands[0], Timeout: inv.Duration("timeout")}
	in := stream.Inputs{}
	var err error
	if len(operands) == 2 {
		in.Stdin = strings.NewReader(operands[1])
	} else if in, err = inv.Inputs(nil); err != nil {
		return err
	}
	out, err := inv.Output(in)
	if err != nil {
		return err
	}
	if cfg.Format.Format, cfg.Format.Rows, err = inv.Rows(); err != nil {
		return err
	}
	return Call(ctx, cfg, in, out)
}
