// Package relay carries what goes through a pipe by any other way that
// processes talk.
package relay

import (
	"context"
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
)

// Command is the command line of the tool called name, with the transports
// that every relay has and those that this one adds.
func Command(name string, more ...transport.Transport) *cmdline.Command {
	t := append(append(transports{}, local...), more...)
	return &cmdline.Command{
		Name:    name,
		Summary: "the same pipe, carried by another way that processes talk",
		Examples: []cmdline.Example{
			{Comment: "one half of a pipe", Line: "seq 1000 | relay to unix:/tmp/numbers"},
			{Comment: "and the other, in another shell", Line: "relay from unix:/tmp/numbers | sort -n"},
		},
		Description: t.help(),
		Usual: []string{
			"framing", "stream", "key", "group", "follow", "max", "ack", "batch", "jobs", "coprocess", "tries", "to", "dead",
			"wait", "explain", "output", "timeout", "rejects",
		},
		Verbs: []*cmdline.Command{
			t.toCommand(), t.fromCommand(), t.workCommand(), t.serveCommand(), t.callCommand(), t.lsCommand(), t.rmCommand(), t.benchCommand(),
		},
	}
}

func (t transports) toCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "to",
		Summary:  "send the records of the input",
		Operands: "URL [FILE...]",
		Examples: []cmdline.Example{
			{Comment: "a line is a record", Line: "relay to tcp://localhost:9917 < access.log"},
			{Comment: "bytes as they come, of anything", Line: "tar c . | relay to --stream unix:/tmp/backup"},
		},
		Description: `The status is 0 once the other side has confirmed every record. A record that
is too long for the transport is an error before any of it is sent.`,
		Flags: append(append([]cli.Flag{
			cmdline.FramingFlag(),
			cmdline.NullFlag("records end in NUL: --framing null"),
			streamFlag(),
			&cli.IntFlag{Name: "batch", Usage: "put up to `N` records in one message (default 1 for a broker, else as many as there are)"},
			&cli.StringFlag{Name: "key", Usage: "what has the same value in `FIELD` stays in order on a broker that has partitions: the name of a JSON field, or the number of one between tabs"},
			&cli.StringFlag{Name: "dedupe", Usage: "let the broker drop a message whose `FIELD` it has seen"},
			cmdline.MaxRecordFlag(),
			cmdline.TimeoutFlag(30*time.Second, "give up when the other side is away for so long, a `TIME`; 0 is never"),
			cmdline.SummaryFlag(),
			cmdline.ProgressFlag(),
		}, cmdline.PasswordFlags()...), cmdline.RejectFlags()...),
		Action: t.runTo,
	}
}

func (t transports) fromCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "from",
		Summary:  "write the records that arrive",
		Operands: "URL",
		Examples: []cmdline.Example{
			{Comment: "until the senders have come to their end", Line: "relay from tcp://:9917 > all.log"},
			{Comment: "the first ten", Line: "relay from --max 10 unix:/tmp/events"},
		},
		Description: `A record is acknowledged once the reader of standard output has taken it out of
the pipe and stays: what it has not comes again, to this or another receiver.
Only "relay work" knows whether a record was also processed.`,
		Flags: append([]cli.Flag{
			cmdline.FramingFlag(),
			cmdline.NullFlag("records end in NUL: --framing null"),
			streamFlag(),
			groupFlag(),
			&cli.BoolFlag{Name: "follow", Usage: "go on when all senders have come to their end"},
			&cli.IntFlag{Name: "max", Usage: "end after `N` records"},
			&cli.DurationFlag{Name: "idle", Usage: "end when nothing has come for so long, a `TIME`"},
			&cli.StringFlag{Name: "ack", Value: "taken", Usage: "`WHEN` a record is acknowledged: taken (by the reader of the pipe), written"},
			cmdline.OutputFlag(),
			cmdline.MaxRecordFlag(),
			cmdline.TimeoutFlag(0, "give up when nobody sends, or a broker is away, for so long, a `TIME`; 0 is never"),
			cmdline.SummaryFlag(),
			cmdline.ProgressFlag(),
		}, cmdline.PasswordFlags()...),
		Action: t.runFrom,
	}
}

func streamFlag() cli.Flag {
	return &cli.BoolFlag{Name: "stream", Usage: "carry bytes as they come, from one sender to one receiver, who also uses it"}
}

func groupFlag() cli.Flag {
	return &cli.StringFlag{Name: "group", Usage: "share the records with the other receivers of `GROUP`"}
}

// options is what the flags say of every transport.
func options(ctx context.Context, inv *cmdline.Invocation) (o transport.Options, err error) {
	o = transport.Options{
		Stream:  inv.Bool("stream"),
		Group:   inv.String("group"),
		Follow:  inv.Bool("follow"),
		Dedupe:  inv.String("dedupe") != "",
		Timeout: inv.Duration("timeout"),
		Warn:    inv.Notef,
	}
	if o.Framing, err = inv.Framing(); err != nil {
		return o, err
	}
	if o.MaxRecord, err = inv.Size("max-record"); err != nil {
		return o, err
	}
	o.Password, err = password(ctx, inv)
	return o, err
}

// password is where the flags say that it comes from; nil: there is none.
func password(ctx context.Context, inv *cmdline.Invocation) (func(context.Context) (string, error), error) {
	source, err := inv.Password(ctx, "RELAY_PASSWORD")
	if source == nil {
		return nil, err
	}
	return func(context.Context) (string, error) {
		secret, err := source()
		return string(secret), err
	}, err
}

func (t transports) runTo(ctx context.Context, inv *cmdline.Invocation) (err error) {
	start := time.Now()
	u, tr, err := t.operand(inv)
	if err != nil {
		return err
	}
	o, err := options(ctx, inv)
	if err != nil {
		return err
	}
	cfg := ToConfig{
		Framing: o.Framing, MaxRecord: o.MaxRecord, Stream: o.Stream,
		Batch: inv.Int("batch"), Key: inv.String("key"), Dedupe: inv.String("dedupe"),
		Meter: inv.Meter(),
	}
	switch {
	case inv.IsSet("batch") && cfg.Batch < 1:
		return cmdline.Usagef("--batch %d: at least 1", cfg.Batch)
	case cfg.Stream && (cfg.Batch > 0 || cfg.Key != "" || cfg.Dedupe != "" || inv.IsSet("framing") || inv.Bool("null")):
		return cmdline.Usagef("--stream carries bytes: it goes with no flag that speaks of records")
	case cfg.Batch == 0 && !tr.Blocks || cfg.Key != "" || cfg.Dedupe != "":
		cfg.Batch = max(cfg.Batch, 1)
	}
	in, err := inv.Inputs(inv.Operands()[1:])
	if err != nil {
		return err
	}
	if cfg.Rejects, err = inv.Rejects(in); err != nil {
		return err
	}
	s, err := tr.Sender(ctx, u, o)
	if err != nil {
		return err
	}
	sum, err := To(ctx, cfg, in, s)
	inv.Summarize(sum, start)
	return err
}

func (t transports) runFrom(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	u, tr, err := t.operand(inv)
	if err != nil {
		return err
	}
	if len(inv.Operands()) > 1 {
		return cmdline.Usagef("one URL, not %d", len(inv.Operands()))
	}
	o, err := options(ctx, inv)
	if err != nil {
		return err
	}
	cfg := FromConfig{Framing: o.Framing, Stream: o.Stream, Endless: tr.Endless, Max: inv.Int("max"), Idle: inv.Duration("idle"), Meter: inv.Meter()}
	switch ack := inv.String("ack"); {
	case ack == "written":
		cfg.AckWritten = true
	case ack != "taken":
		return cmdline.Usagef("--ack %s: it is taken or written", ack)
	case inv.IsSet("max") && cfg.Max < 1:
		return cmdline.Usagef("--max %d: at least 1", cfg.Max)
	case cfg.Stream && (cfg.Max > 0 || o.Group != "" || o.Follow || inv.IsSet("framing") || inv.Bool("null")):
		return cmdline.Usagef("--stream carries bytes: it goes with no flag that speaks of records")
	}
	out, err := inv.Output(stream.Inputs{})
	if err != nil {
		return err
	}
	r, err := tr.Receiver(ctx, u, o)
	if err != nil {
		return err
	}
	sum, err := From(ctx, cfg, r, out)
	inv.Summarize(sum, start)
	return errors.Join(err, r.Close())
}
