package fifomerge

import (
	"context"
	"errors"
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
		Verbs: []*cmdline.Command{mergeCommand(), writeCommand(), serveCommand(), callCommand()},
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
