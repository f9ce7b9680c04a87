package sqlpipe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/compressed"
	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
	"pipeworks/internal/stream"
)

// Command is the tool's command line.
func Command() *cmdline.Command {
	return &cmdline.Command{
		Name:     "sqlpipe",
		Summary:  "run a stream of SQL and stream the rows out",
		Operands: "[FILE...]",
		FlagHint: "server, user and database are in --db mysql://user@host/database; sqlpipe -h shows the flags",
		Usual: []string{
			"db", "jobs", "execute", "transaction", "commit-every", "resume", "read-only", "load", "dry-run",
			"format", "output", "rejects", "ask-password",
		},
		Examples: []cmdline.Example{
			{Comment: "what comes down the pipe runs as it comes", Line: "gensql insert cities --create cities.csv | sqlpipe"},
			{Comment: "a query's rows, a JSON object each", Line: "sqlpipe -e 'SELECT * FROM cities' | jq -r .name"},
			{Comment: "a dump into a server", Line: "sqlpipe --db mysql://root@localhost/shop dump.sql"},
			{Comment: "a file into a table that is there", Line: "sqlpipe --load cities cities.csv"},
			{Comment: "a long load, which after a crash goes on where it was", Line: "sqlpipe --commit-every 500 --resume cities cities.sql"},
		},
		Description: `Statements run in order on one connection, split as the mysql client splits
them (DELIMITER included), or for SQLite as the sqlite3 shell does. The first
error stops the stream: nothing after it has run. A last statement without a
semicolon runs only if a newline follows it, since a writer that died leaves
none; --eof run takes it as it is.

A password goes into $PIPEWORKS_DB (mysql://user:password@host/name), an option
file such as ~/.my.cnf, or where a flag says. In --db it is refused: every user
of the machine could read it.`,
		Flags: slices.Concat([]cli.Flag{
			cmdline.DBsFlag("run everything on each of several at once; the rows gain a field _db"),
			cmdline.JobsFlag(1),
			&cli.StringSliceFlag{Name: "execute", Aliases: []string{"e"}, Usage: "run `SQL` instead of the input; repeatable"},
			&cli.StringFlag{Name: "eof", Value: "newline", Usage: "`WHEN` a last statement without terminator runs: newline (its line has ended), run (always)"},
			&cli.BoolFlag{Name: "require-trailer", Usage: "fail unless the input ends in the comment that gensql --header writes"},
			&cli.StringFlag{Name: "allow-source", Usage: "let source and \\. in the input name files below `DIR`"},
			&cli.StringFlag{Name: "max-packet", Value: "64MiB", Usage: "longest statement taken, a `SIZE`"},
			&cli.BoolFlag{Name: "transaction", Usage: "all or nothing: one transaction, undone at the first error"},
			&cli.IntFlag{Name: "commit-every", Usage: "a transaction for each `N` statements"},
			&cli.StringFlag{Name: "resume", Usage: "with --commit-every: keep the progress under `NAME` in the database, and go on from there"},
			cmdline.RetriesFlag(0, "try again up to `N` times to connect, and what met a deadlock or a lock or, with --commit-every or --transaction, lost the connection"),
			cmdline.TimeoutFlag(0, "the `TIME` that a statement may take, its rows included"),
			&cli.Int64Flag{Name: "max-rows", Usage: "write no more than `N` rows of a result"},
			&cli.BoolFlag{Name: "read-only", Usage: "refuse what would change anything"},
			&cli.BoolFlag{Name: "warnings", Usage: "print the server's warnings on stderr, as the client does"},
			&cli.StringFlag{Name: "load", Usage: "fill `TABLE` with the records of the input, which is no SQL then"},
			cmdline.InputFormatFlag(),
			&cli.BoolFlag{Name: "no-pack", Usage: "send each statement in a packet of its own"},
			cmdline.DryRunFlag("print the statements instead of running them"),
			cmdline.NullFlag("with -n: end each statement with NUL, not newline"),
			&cli.BoolFlag{Name: "line", Usage: "with -n: put file:line: before each statement"},
			cmdline.OutputFlag(),
			cmdline.SummaryFlag(),
			cmdline.ProgressFlag(),
		}, cmdline.RowFlags(), cmdline.RejectFlags(), cmdline.ConnectionFlags()),
		Action: run,
	}
}

func run(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	debug.SetGCPercent(300) // rows are short-lived; a heap this small would be collected all the time
	in, err := inputs(inv)
	if err != nil {
		return err
	}
	in.Content = compressed.NewReader
	out, err := inv.Output(in)
	if err != nil {
		return err
	}
	cfg, err := config(ctx, inv, in)
	if err != nil {
		return err
	}
	if inv.IsSet("load") {
		return load(ctx, inv, cfg, in, start)
	}
	var sum Summary
	if inv.Bool("dry-run") {
		listing := Listing{Terminator: '\n', Lines: inv.Bool("line")}
		if inv.Bool("null") {
			listing.Terminator = 0
		}
		sum, err = List(ctx, cfg, listing, in, out)
	} else {
		inv.NoteDefaultDB(cfg.DB, nil)
		sum, err = Run(ctx, cfg, in, out)
		inv.NoteDefaultDB(cfg.DB, err)
	}
	inv.Summarize(sum, start)
	return err
}

// inputs are the operands, or what -e says.
func inputs(inv *cmdline.Invocation) (stream.Inputs, error) {
	statements := inv.StringSlice("execute")
	if len(statements) == 0 {
		in, err := inv.Inputs(inv.Operands())
		if errors.Is(err, fs.ErrNotExist) && strings.Contains(strings.Join(inv.Operands(), ""), " ") {
			err = cmdline.UsageHint(err, "sqlpipe -e 'SQL' runs an argument")
		}
		return in, err
	}
	if len(inv.Operands()) > 0 {
		return stream.Inputs{}, cmdline.UsageHint(fmt.Errorf("both -e and a file: %s", inv.Operands()[0]), "the statement is one argument, in quotes: sqlpipe -e 'SQL'")
	}
	in := stream.Inputs{}
	for _, s := range statements {
		in.Arguments = append(in.Arguments, s+"\n") // which ends a line: no terminator is needed
	}
	return in, nil
}

func config(ctx context.Context, inv *cmdline.Invocation, in stream.Inputs) (cfg Config, err error) {
	var dbs []dburl.URL
	if inv.Bool("dry-run") {
		dbs, err = inv.DBs()
	} else {
		dbs, err = inv.Connections(ctx)
	}
	if err != nil {
		return cfg, err
	}
	cfg.DB, cfg.Also = dbs[0], dbs[1:]
	if cfg.Format, cfg.Rows, err = inv.Rows(); err != nil {
		return cfg, err
	}
	if cfg.Scan.MaxStatement, err = inv.Size("max-packet"); err != nil {
		return cfg, err
	}
	cfg.Scan.NeedTrailer = inv.Bool("require-trailer")
	if dir := inv.String("allow-source"); dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return cfg, cmdline.Usagef("--allow-source %s: no such directory", dir)
		}
		cfg.Scan.Include = Include(dir)
	}
	if inv.Bool("line") && !inv.Bool("dry-run") {
		return cfg, cmdline.Usagef("--line goes with -n: messages name the line of a statement by themselves")
	}
	switch eof := inv.String("eof"); eof {
	case "newline":
	case "run":
		cfg.Scan.EOFRun = true
	default:
		return cfg, cmdline.Usagef("--eof %s: it is newline or run", eof)
	}
	cfg.NoPack = inv.Bool("no-pack")
	if err := transactions(inv, &cfg); err != nil {
		return cfg, err
	}
	if err := parallel(inv, &cfg); err != nil {
		return cfg, err
	}
	if err := limits(inv, &cfg); err != nil {
		return cfg, err
	}
	if cfg.Rejects, err = inv.Rejects(in); err != nil {
		return cfg, err
	}
	cfg.Meter = inv.Meter()
	cfg.Warn = func(message string) { inv.Notef("warning: %s", message) }
	if inv.Bool("verbose") {
		cfg.Note = func(message string) { inv.Notef("%s", message) }
	}
	return cfg, nil
}

// transactions is what the flags say that are about more than one statement.
func transactions(inv *cmdline.Invocation, cfg *Config) error {
	cfg.Transaction = inv.Bool("transaction")
	cfg.CommitEvery = inv.Int("commit-every")
	cfg.Resume = inv.String("resume")
	cfg.Retries = inv.Int("retries")
	goesOn := inv.IsSet("rejects") || inv.IsSet("max-rejects") || inv.Bool("force")
	switch {
	case inv.IsSet("commit-every") && cfg.CommitEvery < 1:
		return cmdline.Usagef("--commit-every %d: at least 1", cfg.CommitEvery)
	case cfg.Transaction && cfg.CommitEvery > 0:
		return cmdline.Usagef("both --transaction and --commit-every")
	case inv.IsSet("resume") && cfg.Resume == "":
		return cmdline.Usagef("--resume needs a name")
	case cfg.Resume != "" && cfg.CommitEvery == 0:
		return cmdline.UsageHint(errors.New("--resume without --commit-every"), "progress is kept with each commit")
	case cfg.Resume != "" && goesOn, cfg.Transaction && goesOn:
		return cmdline.Usagef("--transaction and --resume stop at the first error: no --rejects, --max-rejects or --force")
	case cfg.Resume != "" && cfg.DB.Dialect == sqltext.MySQL && cfg.DB.Database == "":
		return cmdline.UsageHint(errors.New("--resume keeps its progress in a database, and the URL names none"), "mysql://user@host/NAME")
	case cfg.Resume != "" && cfg.DB.File == ":memory:":
		return cmdline.Usagef("--resume with a database in memory, which ends with the run")
	}
	return nil
}

// limits is what the flags say that hold statements back.
func limits(inv *cmdline.Invocation, cfg *Config) error {
	cfg.Connect.Timeout = inv.Duration("timeout")
	cfg.MaxRows = inv.Int64("max-rows")
	cfg.ReadOnly = inv.Bool("read-only")
	if inv.Bool("warnings") {
		cfg.Warnings = func(message string) { _, _ = fmt.Fprintln(inv.Stderr(), message) }
	}
	switch {
	case cfg.Connect.Timeout < 0 || inv.IsSet("timeout") && cfg.Connect.Timeout == 0:
		return cmdline.Usagef("--timeout %v: more than 0", cfg.Connect.Timeout)
	case inv.IsSet("max-rows") && cfg.MaxRows < 1:
		return cmdline.Usagef("--max-rows %d: at least 1", cfg.MaxRows)
	}
	return nil
}

// notWithLoad are the flags that are about statements or rows.
var notWithLoad = []string{
	"execute", "dry-run", "jobs", "transaction", "commit-every", "resume", "retries", "rejects", "max-rejects", "force", "read-only", "max-rows",
	"require-trailer", "allow-source",
}

// load runs --load.
func load(ctx context.Context, inv *cmdline.Invocation, cfg Config, in stream.Inputs, start time.Time) (err error) {
	for _, name := range notWithLoad {
		if inv.IsSet(name) {
			return cmdline.Usagef("both --load and --%s", name)
		}
	}
	if len(cfg.Also) > 0 {
		return cmdline.Usagef("both --load and several --db")
	}
	table, err := sqltext.ParseTable(inv.String("load"))
	if err != nil {
		return cmdline.Usagef("--load %s: %w", inv.String("load"), err)
	}
	if cfg.Input.Format, err = inv.InputFormat(); err != nil {
		return err
	}
	cfg.Input.NullAs = inv.NullAs()
	cfg.Input.Warn = cfg.Warn
	inv.NoteDefaultDB(cfg.DB, nil)
	sum, err := Load(ctx, cfg, table, in)
	inv.NoteDefaultDB(cfg.DB, err)
	inv.Summarize(sum, start)
	return err
}

// parallel is what the flags say that make more than one session.
func parallel(inv *cmdline.Invocation, cfg *Config) error {
	cfg.Jobs = inv.Int("jobs")
	if cfg.Jobs < 1 {
		return cmdline.Usagef("--jobs %d: at least 1", cfg.Jobs)
	}
	if cfg.Jobs == 1 && len(cfg.Also) == 0 {
		return nil
	}
	if !inv.IsSet("format") {
		cfg.Format = record.JSONL
	}
	switch {
	case cfg.Jobs > 1 && len(cfg.Also) > 0:
		return cmdline.Usagef("both --jobs and several --db")
	case cfg.Jobs > 1 && cfg.chunked():
		return cmdline.Usagef("--jobs keeps no order: no --transaction or --commit-every")
	case cfg.DB.File == ":memory:":
		return cmdline.Usagef("a database in memory is another one for each connection")
	case cfg.Format == record.Table || cfg.Format != record.JSONL && !cfg.Rows.NoHeader:
		return cmdline.UsageHint(fmt.Errorf("--format %s: rows of several connections mix, and have no common header", cfg.Format), "-f jsonl, or --no-header with csv and tsv")
	}
	for _, db := range cfg.Also {
		if db.Dialect != cfg.DB.Dialect {
			return cmdline.Usagef("one --db is MySQL and another SQLite: they read SQL otherwise")
		}
	}
	return nil
}
