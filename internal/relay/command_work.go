package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/reject"
	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
)

func (t transports) workCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "work",
		Summary:  "feed the records that arrive to a command",
		Operands: "URL -- COMMAND [ARG...]",
		FlagHint: "COMMAND and its flags stand behind --; relay work -h shows those here",
		Examples: []cmdline.Example{
			{Comment: "a record is done when its results are", Line: "relay work unix:/tmp/urls -- crawl --errors-ok --select heading=h1 > pages.jsonl"},
			{Comment: "one filter for all records, and a place for those that it cannot take", Line: "relay work --coprocess --dead file:/tmp/dead.jsonl unix:/tmp/events -- jq -c --unbuffered .id"},
		},
		Description: `Each run of COMMAND gets up to --batch records on its standard input. What it
writes is passed on once it has ended with status 0, and the records are
acknowledged once that is safe: a record may be processed twice, but never lost.

Other statuses: 65, the record is bad and is rejected; 75, try again, first
after --backoff; any other, what --on-fail says. Records that fail together are
tried one by one, to find the one to blame.

A rejected record goes to --dead or --rejects as a JSON object with the reason,
and makes the status 3; without either the run stops, and the record comes
again. $RELAY_TRY is the number of the try.`,
		Flags: append(append([]cli.Flag{
			cmdline.FramingFlag(),
			cmdline.NullFlag("records end in NUL: --framing null"),
			groupFlag(),
			&cli.BoolFlag{Name: "follow", Usage: "go on when all senders have come to their end"},
			&cli.IntFlag{Name: "batch", Value: 100, Usage: "give a run of COMMAND up to `N` records"},
			cmdline.JobsFlag(1),
			&cli.BoolFlag{Name: "coprocess", Usage: "keep COMMAND, which answers each line with a line"},
			&cli.IntFlag{Name: "tries", Value: 5, Usage: "try a record up to `N` times"},
			&cli.DurationFlag{Name: "backoff", Value: time.Second, Usage: "wait for a `TIME` before the second try, twice as long before each after it"},
			&cli.StringFlag{Name: "on-fail", Value: "retry", Usage: "`WHAT` to do when COMMAND fails: retry, reject, stop"},
			&cli.StringFlag{Name: "to", Usage: "send the results to `URL`"},
			&cli.StringFlag{Name: "dead", Usage: "send what is rejected to `URL`"},
			&cli.IntFlag{Name: "max", Usage: "end after `N` records"},
			&cli.DurationFlag{Name: "idle", Usage: "end when nothing has come for so long, a `TIME`"},
			cmdline.OutputFlag(),
			cmdline.MaxRecordFlag(),
			cmdline.TimeoutFlag(0, "let a run of COMMAND take so long, a `TIME`; with --coprocess a line (default 10s)"),
			cmdline.SummaryFlag(),
			cmdline.ProgressFlag(),
		}, cmdline.PasswordFlags()...), cmdline.RejectFlags()...),
		Action: t.runWork,
	}
}

func (t transports) runWork(ctx context.Context, inv *cmdline.Invocation) (err error) {
	start := time.Now()
	u, tr, err := t.operand(inv)
	if err != nil {
		return err
	}
	o, err := options(ctx, inv)
	if err != nil {
		return err
	}
	o.Timeout = 0 // it is for COMMAND
	cfg := WorkConfig{
		Command: inv.Operands()[1:], Source: u.String(), Framing: o.Framing,
		Batch: inv.Int("batch"), Jobs: inv.Int("jobs"), Coprocess: inv.Bool("coprocess"),
		Timeout: inv.Duration("timeout"), Tries: inv.Int("tries"), Backoff: inv.Duration("backoff"),
		Max: inv.Int("max"), Idle: inv.Duration("idle"),
		Stderr: inv.Stderr(), Meter: inv.Meter(), Warn: inv.Notef,
	}
	if cfg.OnFail, err = ParseOnFail(inv.String("on-fail")); err != nil {
		return cmdline.Usagef("--on-fail %w", err)
	}
	if len(cfg.Command) == 0 {
		return cmdline.Usagef("which COMMAND? It stands behind --")
	}
	for _, name := range []string{"batch", "jobs", "tries", "max"} {
		if inv.IsSet(name) && inv.Int(name) < 1 {
			return cmdline.Usagef("--%s %d: at least 1", name, inv.Int(name))
		}
	}
	if cfg.Coprocess && inv.IsSet("framing") || inv.Bool("null") && cfg.Coprocess {
		return cmdline.Usagef("--coprocess is for records that are lines")
	}
	if inv.String("to") != "" && inv.String("output") != "" {
		return cmdline.Usagef("--to and --output: one of them")
	}
	out, err := inv.Output(stream.Inputs{})
	if err != nil {
		return err
	}
	if cfg.Rejects, err = inv.Rejects(stream.Inputs{}); err != nil {
		return err
	}
	if cfg.To, err = t.second(ctx, inv, "to", o); err != nil {
		return err
	}
	if cfg.To != nil {
		defer func() {
			cause := err
			if _, rejected := errors.AsType[*reject.RejectedError](err); rejected {
				cause = nil // it came to its end
			}
			err = errors.Join(err, cfg.To.Close(ctx, cause))
		}()
	}
	dead, err := t.second(ctx, inv, "dead", o)
	if err != nil {
		return err
	}
	if dead != nil {
		if cfg.Rejects.Out != nil {
			return errors.Join(cmdline.Usagef("--dead and --rejects: one of them"), dead.Close(ctx, nil))
		}
		cfg.Rejects.Out = &letters{ctx: context.WithoutCancel(ctx), to: dead}
		defer func() { err = errors.Join(err, dead.Close(ctx, nil)) }()
	}
	r, err := tr.Receiver(ctx, u, o)
	if err != nil {
		return err
	}
	sum, err := Work(ctx, cfg, r, out)
	inv.Summarize(sum, start)
	return errors.Join(err, r.Close())
}

// second opens the sender that a flag names beside the operand, nil if it names
// none.
func (t transports) second(ctx context.Context, inv *cmdline.Invocation, flag string, o transport.Options) (transport.Sender, error) {
	text := inv.String(flag)
	if text == "" {
		return nil, nil
	}
	u, tr, err := t.parse(text)
	if _, unknown := errors.AsType[*unknownError](err); unknown {
		return nil, cmdline.UsageHint(fmt.Errorf("--%s %s: it is not among the ways to talk of this program", flag, u), "a second URL is of the same broker, or of this machine: "+strings.Join(t.schemes(), ", "))
	}
	if err != nil {
		return nil, err
	}
	o.Group, o.Timeout = "", 30*time.Second
	return tr.Sender(ctx, u, o)
}

// letters sends each line that is written to it as a record.
type letters struct {
	ctx context.Context
	to  transport.Sender
}

// Write implements io.Writer.
func (l *letters) Write(line []byte) (int, error) {
	body := line[:len(line)-1]
	message := transport.Message{Body: body}
	err := l.to.Send(l.ctx, []transport.Message{message})
	if err == nil {
		err = l.to.Flush(l.ctx)
	}
	if err != nil {
		return 0, err
	}
	return len(line), nil
}
