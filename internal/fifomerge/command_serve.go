package fifomerge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/framing"
	"pipeworks/internal/record"
	"pipeworks/internal/stream"
)

func serveCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "serve",
		Summary:  "answer SQL from a database through named pipes",
		Operands: "DIR [-- COMMAND...]",
		FlagHint: "flags of a COMMAND stand behind --; fifomerge serve -h shows those of serve",
		Examples: []cmdline.Example{
			{Comment: "a database behind a directory", Line: "fifomerge serve /tmp/shop --db mysql://me@localhost/shop"},
			{Comment: "ask it", Line: "fifomerge call /tmp/shop 'SELECT COUNT(*) FROM orders'"},
			{Comment: "one that many may ask, and that only reads", Line: "fifomerge serve /tmp/shop --db mysql://me@localhost/shop --read-only --timeout 30s --max-rows 100000"},
			{Comment: "a calculator", Line: "fifomerge serve /tmp/calc -- bc -l"},
			{Comment: "ask it without any client", Line: "echo 'SELECT COUNT(*) FROM orders;' > /tmp/shop/query; cat /tmp/shop/reply"},
		},
		Description: `The directory is made if it is missing (mode 0700); only its owner can ask. The
connections to the database stay open. Each question has one to itself: what it
leaves open, such as a transaction, is gone after it. A question whose
client is gone is stopped on the server. With "call --session NAME" a connection
is kept for the next call of that name.

Without a client, one asks at a time: DIR/query takes the question, DIR/reply
gives the answer, an error too. The flags for the format are for these.

With a COMMAND that answers each line with a line, such as jq --unbuffered or
bc, questions are lines for it. It is started again when it has ended, and when
it has not answered within the --timeout (10s). It runs as often as there are
questions at once.`,
		Flags: slices.Concat([]cli.Flag{
			cmdline.DBFlag(),
			&cli.IntFlag{Name: "connections", Value: 4, Usage: "keep up to `N` idle connections open; there are as many as there are questions at once"},
			&cli.StringFlag{Name: "max-packet", Value: "64MiB", Usage: "longest question taken, a `SIZE`"},
			&cli.BoolFlag{Name: "read-only", Usage: "take no statement that could write"},
			questionTimeoutFlag(),
			&cli.Int64Flag{Name: "max-rows", Usage: "end an answer with an error after `N` rows"},
			&cli.DurationFlag{Name: "idle", Value: time.Minute, Usage: "end a session by name that nobody has used for `TIME`"},
			waitFlag("`TIME` to wait for somebody to read DIR/reply, or for a session that is in use"),
			cmdline.SummaryFlag(),
		}, cmdline.RowFlags(), cmdline.ConnectionFlags()),
		Action: runServe,
	}
}

func sessionFlag() cli.Flag {
	return &cli.StringFlag{Name: "session", Usage: "use the connection that is kept under `NAME`, with its transaction, variables and temporary tables"}
}

func questionTimeoutFlag() cli.Flag {
	return cmdline.TimeoutFlag(0, "stop a question, its answer included, after `TIME`")
}

func waitFlag(usage string) cli.Flag {
	return &cli.DurationFlag{Name: "wait", Value: 10 * time.Second, Usage: usage + "; 0 is for ever"}
}

func callCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "call",
		Summary:  "ask the database behind a directory of named pipes",
		Operands: "DIR [SQL]",
		Examples: []cmdline.Example{
			{Comment: "one question", Line: "fifomerge call /tmp/shop 'SELECT COUNT(*) FROM orders'"},
			{Comment: "a script, its rows as CSV", Line: "fifomerge call -f csv /tmp/shop < report.sql"},
			{Comment: "a transaction of several calls", Line: "fifomerge call --session new /tmp/shop 'BEGIN' && fifomerge call --session new /tmp/shop 'COMMIT'"},
			{Comment: "a question a line, for as long as somebody asks", Line: "fifomerge call --each /tmp/shop < questions.sql"},
		},
		Description: `Sends the argument, or standard input, and writes the rows of the answer. It
exits as sqlpipe would: 1, with the same message, if the database refuses.

With --each an answer is its rows, each that begins with a dot with one more dot
in front, and then a line that begins with a dot and a space: ". 0", or ". 1", a
tab and the message. If any question failed the status is 3.`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "each", Usage: "every line is a question, and every answer ends in a line of its own"},
			cmdline.NullFlag("with --each: questions end in NUL instead of newline"),
			&cli.BoolFlag{Name: "retry", Usage: "if the server goes away before it has answered, wait for the next one and ask again"},
			sessionFlag(),
			questionTimeoutFlag(),
			waitFlag("`TIME` to wait for a server"),
			cmdline.OutputFlag(),
			cmdline.SummaryFlag(),
		}, cmdline.RowFlags()...),
		Action: runCall,
	}
}

func attachCommand() *cmdline.Command {
	flags := cmdline.RowFlags()
	flags[0] = &cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "`FORMAT` of the answers: jsonl, csv, tsv, table (default tsv without column names)"}
	return &cmdline.Command{
		Name:     "attach",
		Summary:  "let a shell ask without a process for each question",
		Operands: "DIR",
		Examples: []cmdline.Example{
			{Comment: "ask thousands of times a second", Line: `eval "$(fifomerge attach /tmp/shop)" && fifoq 'SELECT COUNT(*) FROM orders' && echo "$REPLY orders"`},
		},
		Description: `Prints what bash, zsh, dash or another POSIX shell evaluates. Then the function
fifoq asks a question with the shell's builtins alone. It leaves the rows, or
the message of an error, in $REPLY, and returns the status: 0, or 1.

The session is on the descriptors 8 and 9 of the shell, ends with it, and is for
one question at a time.`,
		Flags:  append([]cli.Flag{sessionFlag(), questionTimeoutFlag(), waitFlag("`TIME` to wait for a server")}, flags...),
		Action: runAttach,
	}
}

func statusCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "status",
		Summary:  "show what a server does, as a line of JSON",
		Operands: "DIR",
		Examples: []cmdline.Example{
			{Comment: "how long the slowest hundredth takes", Line: "fifomerge status /tmp/shop | jq .p99_ms"},
		},
		Description: `The fields: seconds since the server started, clients now and in total,
questions (in) and how many of them failed, and of the last minute or two the
rate, questions a second, and the latency, from a question to the end of its
answer, in milliseconds: p50_ms, p90_ms, p99_ms, max_ms.`,
		Flags:  []cli.Flag{waitFlag("`TIME` to wait for a server"), cmdline.OutputFlag()},
		Action: runStatus,
	}
}

func runStatus(ctx context.Context, inv *cmdline.Invocation) error {
	if len(inv.Operands()) != 1 {
		return cmdline.Usagef("which DIR?")
	}
	out, err := inv.Output(stream.Inputs{})
	if err != nil {
		return err
	}
	return Status(ctx, CallConfig{Dir: inv.Operands()[0], Wait: inv.Duration("wait")}, out)
}

func runAttach(ctx context.Context, inv *cmdline.Invocation) error {
	if len(inv.Operands()) != 1 {
		return cmdline.Usagef("which DIR?")
	}
	out, err := inv.Output(stream.Inputs{})
	if err != nil {
		return err
	}
	cfg := CallConfig{Dir: inv.Operands()[0], Wait: inv.Duration("wait"), Session: inv.String("session"), Timeout: inv.Duration("timeout")}
	if cfg.Format.Format, cfg.Format.Rows, err = inv.Rows(); err != nil {
		return err
	}
	if !inv.IsSet("format") {
		cfg.Format.Format, cfg.Format.Rows.NoHeader = record.TSV, true
	}
	if err = Attach(ctx, cfg, out); err != nil {
		_, _ = out.Write([]byte("false\n")) // what is evaluated fails as well
	}
	return err
}

func runServe(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	if len(inv.Operands()) == 0 {
		return cmdline.Usagef("which DIR?")
	}
	cfg := ServeConfig{
		Dir:         inv.Operands()[0],
		Command:     inv.Operands()[1:],
		Stderr:      inv.Stderr(),
		Connections: inv.Int("connections"),
		Guard:       Guard{ReadOnly: inv.Bool("read-only"), Timeout: inv.Duration("timeout"), MaxRows: inv.Int64("max-rows")},
		Wait:        inv.Duration("wait"),
		Idle:        inv.Duration("idle"),
		Warn:        func(message string) { inv.Notef("%s", message) },
	}
	var err error
	if len(cfg.Command) == 0 {
		if cfg.DB, err = inv.Connection(ctx); err != nil {
			return err
		}
		if cfg.DB.File == ":memory:" {
			return cmdline.Usagef("sqlite::memory: is another database to each connection: serve a file")
		}
		inv.NoteDefaultDB(cfg.DB, nil)
	} else if inv.IsSet("db") || cfg.Guard.ReadOnly || cfg.Guard.MaxRows > 0 {
		return cmdline.Usagef("--db, --read-only and --max-rows are for a database, not for a command")
	}
	if cfg.MaxRequest, err = inv.Size("max-packet"); err != nil {
		return err
	}
	if cfg.Guard.MaxRows < 0 || cfg.Guard.Timeout < 0 {
		return cmdline.Usagef("--max-rows and --timeout are not negative")
	}
	if cfg.Connections < 1 {
		return cmdline.Usagef("--connections %d: at least 1", cfg.Connections)
	}
	if cfg.Format.Format, cfg.Format.Rows, err = inv.Rows(); err != nil {
		return err
	}
	sum, err := Serve(ctx, cfg, func() { inv.Verbosef("ready: fifomerge call %s 'SQL'", cfg.Dir) })
	inv.Summarize(sum, start)
	return err
}

func runCall(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	operands := inv.Operands()
	switch {
	case len(operands) == 0 || len(operands) > 2:
		return cmdline.UsageHint(errors.New("call takes DIR and, unless it comes from standard input, one SQL text"), "in quotes: fifomerge call DIR 'SQL'")
	case len(operands) == 1 && strings.Contains(operands[0], " "):
		if _, err := os.Stat(operands[0]); err != nil {
			return cmdline.UsageHint(fmt.Errorf("no directory %q", operands[0]), "which DIR? fifomerge call DIR 'SQL'")
		}
	}
	cfg := CallConfig{
		Dir:     operands[0],
		Wait:    inv.Duration("wait"),
		Each:    inv.Bool("each"),
		Retry:   inv.Bool("retry"),
		Session: inv.String("session"),
		Timeout: inv.Duration("timeout"),
	}
	var err error
	if cfg.Framing, err = inv.Framing(); err != nil {
		return err
	}
	if cfg.Each && len(operands) == 2 {
		return cmdline.Usagef("--each takes its questions from standard input")
	}
	if cfg.Framing == framing.Null && !cfg.Each {
		return cmdline.Usagef("--null goes with --each: without it the whole input is one question")
	}
	in := stream.Inputs{}
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
	sum, err := Call(ctx, cfg, in, out)
	inv.Summarize(sum, start)
	return err
}
