package fifomerge

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/fifo"
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
		Verbs: []*cmdline.Command{mergeCommand(), writeCommand(), serveCommand(), callCommand(), attachCommand()},
	}
}

func mergeCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "merge",
		Summary:  "merge the records that arrive in named pipes, each of them whole",
		Operands: "PIPE...",
		Examples: []cmdline.Example{
			{Comment: "whatever is written to the pipes, until it is stopped", Line: "fifomerge merge a.fifo b.fifo > all.log"},
			{Comment: "until both writers are done", Line: "fifomerge merge --once a.fifo b.fifo | sqlpipe"},
		},
		Description: `A pipe that is missing is made, and removed at the end. Writers come and go; any
number of them can write to one pipe, through "fifomerge write" if a line may be
longer than 4096 bytes or comes in pieces. A record is a line, of any length;
each writer's stay in order. What a writer leaves unfinished is no record: it
is dropped with a message, or goes to --rejects, and makes the status 3.

The output may be a named pipe, too: while nobody reads it the merge waits.
SIGTERM ends it when what is in the pipes has been taken.`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "once", Usage: "end when every pipe has had a writer and none is left"},
			&cli.StringFlag{Name: "mode", Value: "0600", Usage: "permissions of the pipes that are made, `OCTAL`"},
			cmdline.NullFlag("records end in NUL instead of newline"),
			cmdline.MaxRecordFlag(),
			cmdline.OutputFlag(),
			cmdline.SummaryFlag(),
		}, cmdline.RejectFlags()...),
		Action: runMerge,
	}
}

func writeCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "write",
		Summary:  "write records to a named pipe that others write to, none of them torn",
		Operands: "PIPE [FILE...]",
		Examples: []cmdline.Example{
			{Comment: "many of these can share one pipe", Line: "some-writer | fifomerge write all.fifo"},
		},
		Description: `Waits for the pipe and for its reader. Records of any length stay whole, if
every writer of the pipe uses this: they take turns by a lock on it. Should one
be killed in the middle of a long record, fifomerge merge drops that record.`,
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "wait", Value: 10 * time.Second, Usage: "`TIME` to wait for the pipe and a reader; 0 is for ever"},
			cmdline.NullFlag("records end in NUL instead of newline"),
			cmdline.MaxRecordFlag(),
			cmdline.SummaryFlag(),
		},
		Action: runWrite,
	}
}

func runMerge(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	cfg := MergeConfig{Pipes: inv.Operands(), Once: inv.Bool("once"), Terminator: terminator(inv)}
	if len(cfg.Pipes) == 0 {
		return cmdline.Usagef("which PIPE?")
	}
	for i, path := range cfg.Pipes {
		for _, other := range cfg.Pipes[:i] {
			if sameFile(path, other) {
				return cmdline.Usagef("%s is named twice", path)
			}
		}
	}
	mode, err := strconv.ParseUint(inv.String("mode"), 8, 9)
	if err != nil || mode&0o600 != 0o600 {
		return cmdline.Usagef("--mode %s: permissions are written 0600, 0660, and the owner's are among them", inv.String("mode"))
	}
	cfg.Mode = fs.FileMode(mode)
	if cfg.MaxRecord, err = inv.Size("max-record"); err != nil {
		return err
	}
	cfg.Warn = func(message string) { inv.Notef("%s", message) }
	out, err := mergeOutput(ctx, inv, cfg.Pipes)
	if err != nil {
		return err
	}
	if cfg.Rejects, err = inv.Rejects(stream.Inputs{}); err != nil {
		return err
	}
	cfg.Rejects.Force = true // one writer's mistake is not the others'
	sum, err := Merge(ctx, cfg, out)
	inv.Summarize(sum, start)
	if w, ok := out.(*fifo.Writer); ok {
		err = errors.Join(err, w.Close())
	}
	return err
}

// mergeOutput is the output: if that is a named pipe, one whose reader may come
// and go.
func mergeOutput(ctx context.Context, inv *cmdline.Invocation, pipes []string) (io.Writer, error) {
	path := inv.String("output")
	if path == "" || path == "-" {
		return inv.Output(stream.Inputs{})
	}
	for _, pipe := range pipes {
		if sameFile(pipe, path) {
			return nil, cmdline.Usagef("the output %s is also the input %s", path, pipe)
		}
	}
	if fifo.Check(path) != nil {
		return inv.Output(stream.Inputs{})
	}
	return fifo.NewWriter(ctx, path), nil
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

func terminator(inv *cmdline.Invocation) byte {
	if inv.Bool("null") {
		return 0
	}
	return '\n'
}

func runWrite(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	if len(inv.Operands()) == 0 {
		return cmdline.Usagef("which PIPE?")
	}
	cfg := WriteConfig{Pipe: inv.Operands()[0], Wait: inv.Duration("wait"), Terminator: terminator(inv)}
	var err error
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
