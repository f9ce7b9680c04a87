package fifomerge

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/stream"
)

func slotCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "slot",
		Summary:  "print the path of a new named pipe in a merged directory",
		Operands: "DIR",
		Examples: []cmdline.Example{
			{Comment: "a plain redirection, safe at any length of its lines", Line: "some-writer > \"$(fifomerge slot /tmp/logs)\""},
		},
		Description: `"fifomerge merge --watch DIR" reads the pipe until its writer is done, and
removes it.`,
		Flags: []cli.Flag{
			waitFlag("`TIME` to wait for the merge"),
			cmdline.OutputFlag(),
		},
		Action: runSlot,
	}
}

func writeCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "write",
		Summary:  "write records to a pipe that others write to, each one whole",
		Operands: "PIPE [FILE...]",
		Examples: []cmdline.Example{
			{Comment: "many of these can share one pipe", Line: "some-writer | fifomerge write all.fifo"},
		},
		Description: `Waits for the pipe and for its reader. Records of any length stay whole, if
every writer of the pipe uses this: they take turns by a lock on it. Should one
be killed in the middle of a long record, fifomerge merge drops that record.`,
		Flags: []cli.Flag{
			waitFlag("`TIME` to wait for the pipe and a reader"),
			cmdline.NullFlag("records end in NUL instead of newline"),
			cmdline.MaxRecordFlag(),
			cmdline.SummaryFlag(),
		},
		Action: runWrite,
	}
}

func runCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "run",
		Summary:  "run commands and merge their outputs, a whole record at a time",
		Operands: "COMMAND...",
		FlagHint: "a COMMAND with flags is one argument, in quotes: fifomerge run 'ls -l'",
		Examples: []cmdline.Example{
			{Comment: "three hosts at once, each line with its command", Line: "fifomerge run --tag 'ssh web1 uptime' 'ssh web2 uptime' 'ssh web3 uptime'"},
			{Comment: "two at a time", Line: "fifomerge run -j 2 './import a' './import b' './import c' > all.log"},
		},
		Description: `Each COMMAND is a line for sh, with nothing on its standard input. The status is
that of the command that ended worst. When fifomerge is stopped, or nobody reads
its output any more, all of them are.`,
		Flags:  append([]cli.Flag{cmdline.JobsFlag(0)}, recordFlags("its command")...),
		Action: runRun,
	}
}

func runSlot(ctx context.Context, inv *cmdline.Invocation) error {
	if len(inv.Operands()) != 1 {
		return cmdline.Usagef("which DIR?")
	}
	out, err := inv.Output(stream.Inputs{})
	if err != nil {
		return err
	}
	path, err := Slot(ctx, inv.Operands()[0], inv.Duration("wait"))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, path)
	return err
}

func runWrite(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	if len(inv.Operands()) == 0 {
		return cmdline.Usagef("which PIPE?")
	}
	cfg := WriteConfig{Pipe: inv.Operands()[0], Wait: inv.Duration("wait")}
	var err error
	if cfg.Framing, err = inv.Framing(); err != nil {
		return err
	}
	if cfg.MaxRecord, err = inv.Size("max-record"); err != nil {
		return err
	}
	in, err := inv.Inputs(inv.Operands()[1:])
	if err != nil {
		return err
	}
	sum, err := Write(ctx, cfg, in)
	inv.Summarize(sum, start)
	return err
}

func runRun(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	cfg := RunConfig{
		Commands: inv.Operands(),
		Jobs:     inv.Int("jobs"),
		Stderr:   inv.Stderr(),
	}
	if len(cfg.Commands) == 0 {
		return cmdline.Usagef("which COMMAND?")
	}
	if cfg.Jobs < 0 || cfg.Jobs == 0 && inv.IsSet("jobs") {
		return cmdline.Usagef("--jobs %d: at least 1", cfg.Jobs)
	}
	var err error
	if cfg.Records, err = records(inv); err != nil {
		return err
	}
	out, err := inv.Output(stream.Inputs{})
	if err != nil {
		return err
	}
	if cfg.Rejects, err = rejects(inv); err != nil {
		return err
	}
	sum, err := Run(ctx, cfg, out)
	inv.Summarize(sum, start)
	return err
}
