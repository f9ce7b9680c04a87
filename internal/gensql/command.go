package gensql

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// Command is the tool's command line.
func Command() *cmdline.Command {
	return &cmdline.Command{
		Name:    "gensql",
		Summary: "turn records into SQL statements",
		Examples: []cmdline.Example{
			{Comment: "a CSV file becomes a table", Line: "gensql insert cities --create cities.csv | sqlpipe"},
			{Comment: "one statement a record, values quoted", Line: "gensql query 'DELETE FROM pages WHERE url = :url' gone.jsonl | sqlpipe"},
		},
		Description: `Records are JSON Lines, CSV or TSV; statements are for MySQL, MariaDB or SQLite.
Values are quoted so that none can become SQL, whatever the server's sql_mode.`,
		Verbs: []*cmdline.Command{insertCommand(), upsertCommand(), queryCommand(), createCommand()},
	}
}

func insertCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "insert",
		Summary:  "INSERT the records into a table",
		Operands: "TABLE [FILE...]",
		Examples: []cmdline.Example{
			{Comment: "load a CSV file, making the table", Line: "gensql insert cities --create cities.csv | sqlpipe"},
			{Comment: "the rows of one database into another", Line: "sqlpipe --db mysql://root@db1/shop -e 'SELECT * FROM orders' | gensql insert orders --dialect mysql | sqlpipe --db mysql://root@db2/shop"},
		},
		Description: tableDescription,
		Flags:       append(tableFlags(), createFlag(), batchFlag(), maxPacketFlag()),
		Action: func(ctx context.Context, inv *cmdline.Invocation) error {
			return runTable(ctx, inv, Insert)
		},
	}
}

func upsertCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "upsert",
		Summary:  "INSERT the records, or UPDATE the rows that have their key",
		Operands: "TABLE --key COLUMN [FILE...]",
		Examples: []cmdline.Example{
			{Comment: "write back what a crawl found", Line: "gensql upsert pages --key url --column url --column title crawled.jsonl | sqlpipe"},
		},
		Description: tableDescription + `

The table must have a primary or unique key on the --key columns; --create
makes one. A field that a record lacks is left as it is in the table.`,
		Flags: append(tableFlags(), keyFlag("`COLUMN` of the unique key; repeatable"), createFlag(), batchFlag(), maxPacketFlag()),
		Action: func(ctx context.Context, inv *cmdline.Invocation) error {
			if len(inv.StringSlice("key")) == 0 {
				return cmdline.Usagef("upsert needs --key COLUMN: the column that tells which row a record is")
			}
			return runTable(ctx, inv, Upsert)
		},
	}
}

func createCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "create",
		Summary:  "CREATE the table that the records would fit",
		Operands: "TABLE [FILE...]",
		Examples: []cmdline.Example{
			{Comment: "see the table, then change it by hand", Line: "gensql create cities cities.csv"},
		},
		Description: `Column types are the narrowest that hold every sampled value exactly: numbers
with leading zeros stay text, and so does a column where only some values are
numbers.`,
		Flags: append(tableFlags(), keyFlag("`COLUMN` of the primary key; repeatable")),
		Action: func(ctx context.Context, inv *cmdline.Invocation) error {
			return runTable(ctx, inv, Create)
		},
	}
}

const tableDescription = `TABLE is a name, or database.name. The columns are the fields of the first
record (with --create: of all sampled records). A field that is none of them
is an error; a field that is missing gets the table's default. Fields of CSV
and TSV are text, or with --create what the sample shows them to be; in CSV an
empty field is NULL and "" is the empty text.`

func queryCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "query",
		Summary:  "fill the :name parameters of a statement, once for each record",
		Operands: "SQL [FILE...]",
		Examples: []cmdline.Example{
			{Comment: "a statement of its own, no record needed", Line: "gensql query 'SELECT url FROM pages WHERE title = :title' --param \"title=It's\" | sqlpipe"},
			{Comment: "one statement for each record", Line: "gensql query 'UPDATE pages SET seen = CURRENT_TIMESTAMP WHERE url = :url' seen.jsonl | sqlpipe"},
		},
		Description: `:name is the value of the record's field, or of --param, as a literal: write no
quotes around it. A JSON array is a list: IN (:ids). :name!id is a quoted
identifier. In quotes and comments :name is text. When --param gives every
parameter, there is one statement and standard input is not read.`,
		Flags: append(commonFlags(),
			&cli.StringSliceFlag{Name: "param", Usage: "parameter `NAME=TEXT`, or NAME:=JSON for a number, true, null or a list; repeatable"},
		),
		Action: runQuery,
	}
}

func commonFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "dialect", Usage: "`DIALECT` of the statements: mysql, mariadb, sqlite (default: the database's)"},
		cmdline.DBFlag(),
		cmdline.InputFormatFlag(),
		cmdline.NullAsFlag(),
		cmdline.MaxRecordFlag(),
		cmdline.OutputFlag(),
		cmdline.SummaryFlag(),
	}, cmdline.RejectFlags()...)
}

func tableFlags() []cli.Flag {
	return append(commonFlags(),
		&cli.StringSliceFlag{Name: "column", Aliases: []string{"columns"}, Usage: "take only this `FIELD`; repeatable (default: all)"},
		&cli.IntFlag{Name: "sample", Value: DefaultSample, Usage: "infer the columns from the first `N` records"})
}

func createFlag() cli.Flag {
	return &cli.BoolFlag{Name: "create", Usage: "begin with CREATE TABLE IF NOT EXISTS"}
}

func keyFlag(usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: "key", Usage: usage}
}

func batchFlag() cli.Flag {
	return &cli.IntFlag{Name: "batch", Value: DefaultBatch, Usage: "at most `N` rows a statement"}
}

func maxPacketFlag() cli.Flag {
	return &cli.StringFlag{Name: "max-packet", Value: "1MiB", Usage: "cut a statement of several rows at `SIZE`"}
}

func runTable(ctx context.Context, inv *cmdline.Invocation, verb Verb) error {
	operands := inv.Operands()
	if len(operands) == 0 {
		return cmdline.Usagef("no table named: %s TABLE", verb)
	}
	cfg := Config{
		Verb:    verb,
		Table:   operands[0],
		Key:     inv.StringSlice("key"),
		Create:  inv.Bool("create"),
		Columns: inv.StringSlice("column"),
		Batch:   inv.Int("batch"),
		Sample:  inv.Int("sample"),
	}
	if len(cfg.Columns) == 0 {
		cfg.Columns = nil
	}
	if verb != Create {
		var err error
		if cfg.MaxPacket, err = inv.Size("max-packet"); err != nil {
			return err
		}
		if cfg.Batch < 1 {
			return cmdline.Usagef("--batch %d: a statement has at least one row", cfg.Batch)
		}
	}
	if cfg.Sample < 1 {
		return cmdline.Usagef("--sample %d: at least one record must be seen", cfg.Sample)
	}
	return runConfig(ctx, inv, cfg, operands[1:])
}

func (v Verb) String() string { return [...]string{"insert", "upsert", "create", "query"}[v] }

func runQuery(ctx context.Context, inv *cmdline.Invocation) error {
	operands := inv.Operands()
	if len(operands) == 0 {
		return cmdline.Usagef("no statement: query 'SELECT … :name'")
	}
	cfg := Config{Verb: Query, SQL: operands[0]}
	for _, p := range inv.StringSlice("param") {
		param, err := parseParam(p)
		if err != nil {
			return cmdline.Usage(err)
		}
		cfg.Params = append(cfg.Params, param)
	}
	return runConfig(ctx, inv, cfg, operands[1:])
}

// parseParam reads name=text or name:=json.
func parseParam(s string) (Param, error) {
	name, text, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return Param{}, fmt.Errorf("--param %q: a parameter is written name=value", s)
	}
	name, isJSON := strings.CutSuffix(name, ":")
	if !isJSON {
		return Param{name, record.String(text)}, nil
	}
	v, err := record.ParseJSON([]byte(text))
	if err != nil {
		return Param{}, fmt.Errorf("--param %q: %w", s, err)
	}
	return Param{name, v}, nil
}

func runConfig(ctx context.Context, inv *cmdline.Invocation, cfg Config, files []string) error {
	start := time.Now()
	var err error
	if cfg.Dialect, err = dialect(inv); err != nil {
		return err
	}
	if cfg.Input.Format, err = inv.InputFormat(); err != nil {
		return err
	}
	if cfg.Input.MaxRecord, err = inv.Size("max-record"); err != nil {
		return err
	}
	cfg.Input.NullAs = inv.NullAs()
	cfg.Rejects = inv.Rejects()
	cfg.Warn = func(message string) { inv.Notef("warning: %s", message) }
	in, err := inv.Inputs(files)
	if err != nil {
		return err
	}
	out, err := inv.Output(in)
	if err != nil {
		return err
	}
	sum, err := Run(ctx, cfg, in, out)
	inv.Summarize(sum, start)
	return err
}

// dialect is what --dialect says, else that of the database.
func dialect(inv *cmdline.Invocation) (sqltext.Dialect, error) {
	if inv.IsSet("dialect") {
		d, err := sqltext.ParseDialect(inv.String("dialect"))
		return d, cmdline.Usage(err)
	}
	u, err := dburl.Resolve(inv.String("db"), os.Getenv)
	return u.Dialect, err
}
