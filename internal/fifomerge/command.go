package fifomerge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/fifo"
	"pipeworks/internal/framing"
	"pipeworks/internal/reject"
	"pipeworks/internal/spool"
	"pipeworks/internal/stream"
)

// Command is the tool's command line.
func Command() *cmdline.Command {
	return &cmdline.Command{
		Name:    "fifomerge",
		Summary: "named pipes: many writers in one stream, a database to ask",
		Examples: []cmdline.Example{
			{Comment: "two writers, one stream of whole lines", Line: "fifomerge merge a.fifo b.fifo > all.log"},
			{Comment: "a database that answers through pipes in a directory", Line: "fifomerge serve /tmp/shop --db mysql://me@localhost/shop"},
			{Comment: "ask it", Line: "fifomerge call /tmp/shop 'SELECT COUNT(*) FROM orders'"},
		},
		Usual: []string{
			"watch", "once", "tag", "ordered-by", "spool", "jobs", "output", "rejects",
			"db", "read-only", "timeout", "each", "session", "format", "wait",
		},
		Verbs: []*cmdline.Command{mergeCommand(), slotCommand(), writeCommand(), runCommand(), serveCommand(), callCommand(), attachCommand(), statusCommand()},
	}
}

func mergeCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "merge",
		Summary:  "merge the records that arrive in named pipes, each one whole",
		Operands: "PIPE...",
		Examples: []cmdline.Example{
			{Comment: "whatever is written to the pipes, until it is stopped", Line: "fifomerge merge a.fifo b.fifo > all.log"},
			{Comment: "until both writers are done", Line: "fifomerge merge --once a.fifo b.fifo | sqlpipe"},
			{Comment: "whatever pipes there are in a directory", Line: "fifomerge merge --watch /tmp/logs > all.log"},
			{Comment: "logs that are each in the order of their time", Line: "fifomerge merge --ordered-by time a.fifo b.fifo > all.jsonl"},
			{Comment: "a reader that may be away, a machine that may fail", Line: "fifomerge merge --spool /tmp/kept -o all.fifo a.fifo b.fifo"},
		},
		Description: `A pipe that is missing is made, and removed at the end. Writers come and go; any
number of them can write to one pipe, through "fifomerge write" if a line may be
longer than 4096 bytes or comes in pieces. A record is a line, of any length;
each writer's stay in order. What a writer leaves unfinished is no record: it
is dropped with a message, or goes to --rejects, and makes the status 3.

A PIPE with * ? or [ in its name stands for all pipes that have or get such a
name. In the DIR of --watch it is all of them, and "fifomerge slot DIR" makes
one for a single writer.

The output may be a named pipe, too: while nobody reads it the merge waits. With
--spool the writers do not: what has come is on disk, also if the merge is
killed, until a reader has taken it, and no record comes twice.
SIGTERM ends it when what is in the pipes has been taken.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "watch", Usage: "merge all pipes in `DIR`, new ones as they appear; it is made if missing"},
			&cli.BoolFlag{Name: "once", Usage: "end when every pipe has had a writer and none is left"},
			&cli.DurationFlag{Name: "linger", Usage: "with --once, which it implies: no writer for so long, a `TIME`"},
			&cli.BoolFlag{Name: "follow", Usage: "go on until stopped: the default"},
			&cli.StringFlag{Name: "mode", Value: "0600", Usage: "permissions of the pipes that are made, `OCTAL`"},
			&cli.BoolFlag{Name: "mkfifo", Usage: "make the FILE of --output a named pipe if it is missing"},
			&cli.StringFlag{Name: "ordered-by", Usage: "merge pipes that are each sorted by `FIELD` into one output that is: the name of a JSON field, or the number of one between tabs"},
			&cli.StringFlag{Name: "spool", Usage: "keep records in `DIR` on disk until the reader of --output has taken them"},
			&cli.StringFlag{Name: "sync", Value: "batch", Usage: "with --spool: `WHEN` the disk is synced: always, batch, none"},
			cmdline.FramingFlag(),
		}, recordFlags("the name of its pipe")...),
		Action: runMerge,
	}
}

// recordFlags are about the records that several sources give, which --tag puts
// in front of each.
func recordFlags(source string) []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "tag", Usage: "put " + source + " in front of each record, and a tab; into a JSON object as \"_source\""},
		cmdline.NullFlag("records end in NUL instead of newline"),
		cmdline.MaxRecordFlag(),
		cmdline.OutputFlag(),
		cmdline.SummaryFlag(),
		cmdline.ProgressFlag(),
	}, cmdline.RejectFlags()...)
}

// records is what the recordFlags say, but for those about rejects, which come
// when there is an output.
func records(inv *cmdline.Invocation) (r Records, err error) {
	r = Records{Tag: inv.Bool("tag"), Meter: inv.Meter(), Warn: func(message string) { inv.Notef("%s", message) }}
	if r.Framing, err = inv.Framing(); err == nil {
		r.MaxRecord, err = inv.Size("max-record")
	}
	return r, err
}

// rejects are the records that are not whole: one writer's mistake is not the
// others'.
func rejects(inv *cmdline.Invocation) (*reject.Sink, error) {
	sink, err := inv.Rejects(stream.Inputs{})
	if err == nil {
		sink.Force = true
	}
	return sink, err
}

func runMerge(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	cfg := MergeConfig{
		Watch:  inv.String("watch"),
		Once:   inv.Bool("once") || inv.IsSet("linger"),
		Linger: inv.Duration("linger"),
	}
	var err error
	if cfg.Records, err = records(inv); err != nil {
		return err
	}
	if err := mergeInputs(inv, &cfg); err != nil {
		return err
	}
	if cfg.Linger < 0 {
		return cmdline.Usagef("--linger %v is negative", cfg.Linger)
	}
	if cfg.Once && inv.Bool("follow") {
		return cmdline.Usagef("--follow goes on, --once and --linger end: only one of them")
	}
	mode, err := strconv.ParseUint(inv.String("mode"), 8, 9)
	if err != nil || mode&0o600 != 0o600 {
		return cmdline.Usagef("--mode %s: permissions are written 0600, 0660, and the owner's are among them", inv.String("mode"))
	}
	cfg.Mode = fs.FileMode(mode)
	if cfg.Tag && cfg.Framing == framing.Length {
		return cmdline.Usagef("--tag is for records that end in newline or NUL")
	}
	cfg.OrderedBy = inv.String("ordered-by")
	if cfg.OrderedBy != "" && (cfg.Framing == framing.Length || cfg.Watch != "" || cfg.Globs != nil || inv.Bool("follow") || inv.IsSet("linger") || inv.IsSet("spool")) {
		return cmdline.Usagef("--ordered-by merges lines of the pipes that are named, up to the end of each")
	}
	if err := mergeSpool(inv, &cfg); err != nil {
		return err
	}
	out, closeOut, err := mergeOutput(ctx, inv, cfg)
	if err != nil {
		return err
	}
	if cfg.Rejects, err = rejects(inv); err != nil {
		return closeOut(err)
	}
	sum, err := Merge(ctx, cfg, out)
	inv.Summarize(sum, start)
	return closeOut(err)
}

// mergeInputs tells the operands that are patterns from those that are pipes.
func mergeInputs(inv *cmdline.Invocation, cfg *MergeConfig) error {
	for _, path := range inv.Operands() {
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			return cmdline.UsageHint(fmt.Errorf("%s is a directory", path), "merge --watch "+path+" merges the pipes in it")
		}
		if _, err := os.Lstat(path); err == nil || !strings.ContainsAny(path, "*?[") {
			cfg.Pipes = append(cfg.Pipes, path)
			continue
		}
		if dir, base := filepath.Split(path); strings.ContainsAny(dir, "*?[") {
			return cmdline.Usagef("%s: a pattern is for names in one directory, such as 'logs/*'", path)
		} else if _, err := filepath.Match(base, ""); err != nil {
			return cmdline.Usagef("%s: %v", path, err)
		}
		cfg.Globs = append(cfg.Globs, path)
	}
	if len(inv.Operands()) == 0 && cfg.Watch == "" {
		return cmdline.Usagef("which PIPE?")
	}
	for i, path := range cfg.Pipes {
		for _, other := range cfg.Pipes[:i] {
			if sameFile(path, other) {
				return cmdline.Usagef("%s is named twice", path)
			}
		}
	}
	return nil
}

// mergeSpool is what --spool and --sync say.
func mergeSpool(inv *cmdline.Invocation, cfg *MergeConfig) (err error) {
	dir, out := inv.String("spool"), inv.String("output")
	switch {
	case dir == "" && inv.IsSet("sync"):
		return cmdline.Usagef("--sync is for --spool")
	case dir == "":
		return nil
	case out == "" || out == "-":
		return cmdline.UsageHint(errors.New("--spool delivers to a named pipe: which --output?"), "it is made if it is missing; cat reads it")
	case cfg.Framing == framing.Length:
		return cmdline.Usagef("--spool keeps records that end in newline or NUL")
	}
	cfg.Spool = &SpoolConfig{Dir: dir, Output: out}
	cfg.Spool.Sync, err = spool.ParseSync(inv.String("sync"))
	return cmdline.Usage(err)
}

// mergeOutput is the output, and what closes it after the error of the merge:
// if that is a named pipe, one whose reader may come and go.
func mergeOutput(ctx context.Context, inv *cmdline.Invocation, cfg MergeConfig) (io.Writer, func(error) error, error) {
	path := inv.String("output")
	named := path != "" && path != "-"
	if inv.Bool("mkfifo") && !named {
		return nil, nil, cmdline.Usagef("--mkfifo: which --output?")
	}
	for _, pipe := range cfg.Pipes {
		if named && sameFile(pipe, path) {
			return nil, nil, cmdline.Usagef("the output %s is also the input %s", path, pipe)
		}
	}
	if cfg.Spool != nil {
		_, err := fifo.Make(path, cfg.Mode) // it stays: what is spooled is for its next reader
		return nil, func(err error) error { return err }, err
	}
	made := false
	if inv.Bool("mkfifo") {
		var err error
		if made, err = fifo.Make(path, cfg.Mode); err != nil {
			return nil, nil, err
		}
	} else if !named || fifo.Check(path) != nil {
		out, err := inv.Output(stream.Inputs{})
		return out, func(err error) error { return err }, err
	}
	w := fifo.NewWriter(ctx, path)
	return w, func(err error) error {
		if _, rejected := errors.AsType[*reject.RejectedError](err); rejected || err == nil {
			err = errors.Join(err, w.Finish())
		} else {
			err = errors.Join(err, w.Close())
		}
		if made {
			err = errors.Join(err, os.Remove(path))
		}
		return err
	}, nil
}

// sameFile reports whether two paths name one file, be it there or not.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(infoA, infoB)
	}
	return filepath.Clean(a) == filepath.Clean(b)
}
