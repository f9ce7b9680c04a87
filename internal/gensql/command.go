package gensql

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/compressed"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
	"pipeworks/internal/stream"
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
		Usual: []string{
			"key", "update", "create", "primary-key", "ignore", "column", "rename", "set", "types", "param",
			"from", "to", "step", "sql", "input-format", "delimiter", "no-header", "dialect", "output", "rejects",
		},
		Verbs: []*cmdline.Command{
			insertCommand(), replaceCommand(), upsertCommand(), updateCommand(), deleteCommand(),
			queryCommand(), rangesCommand(), createCommand(),
		},
	}
}

const tableDescription = `TABLE is a name, or database.name. The columns are the fields of the first
record (with --create or --union-keys: of all sampled records). A field that
is none of them is an error. Fields of CSV and TSV are text, or what --types
says, or with --create what the sample shows them to be. A value that does not
fit its column's type is an error. In CSV an empty field is NULL and "" is the
empty text.`

func insertCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "insert",
		Summary:  "INSERT the records into a table",
		Operands: "TABLE [FILE...]",
		Examples: []cmdline.Example{
			{Comment: "load a CSV file, making the table", Line: "gensql insert cities --create cities.csv | sqlpipe"},
			{Comment: "the rows of one database into another", Line: "sqlpipe --db mysql://root@db1/shop -e 'SELECT * FROM orders' | gensql insert orders --dialect mysql | sqlpipe --db mysql://root@db2/shop"},
			{Comment: "another name, a type, the time of loading", Line: "gensql insert cities --rename name=city --types people=int --set loaded=CURRENT_TIMESTAMP cities.csv"},
		},
		Description: tableDescription + `

A field that is missing gets the table's default, or that of --default.
--ignore leaves rows alone whose key is in the table already.`,
		Flags: slices.Concat(createFlags(), []cli.Flag{
			&cli.BoolFlag{Name: "ignore", Usage: "leave a row alone whose key is there already"},
		}, tableFlags(), batchFlags(), commonFlags()),
		Action: tableAction(Insert),
	}
}

func replaceCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "replace",
		Summary:  "INSERT the records, each in place of the row that has its key",
		Operands: "TABLE [FILE...]",
		Examples: []cmdline.Example{
			{Comment: "the rows as the file has them, whatever they were", Line: "gensql replace cities cities.csv | sqlpipe"},
		},
		Description: tableDescription + `

A field that is missing gets the table's default, or that of --default: to keep
what the row has, use upsert.`,
		Flags:  slices.Concat(createFlags(), tableFlags(), batchFlags(), commonFlags()),
		Action: tableAction(Replace),
	}
}

func upsertCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "upsert",
		Summary:  "INSERT the records, or UPDATE the rows that have their key",
		Operands: "TABLE --key COLUMN [FILE...]",
		Examples: []cmdline.Example{
			{Comment: "write back what a crawl found", Line: "gensql upsert pages --key url --column url --column title crawled.jsonl | sqlpipe"},
			{Comment: "of the rows that are there, change one column", Line: "gensql upsert pages --key url --column url --column title --column seen --update title crawled.jsonl | sqlpipe"},
		},
		Description: tableDescription + `

The table must have a primary or unique key on the --key columns; --create
makes one. A field that a record lacks is left as it is in the table.`,
		Flags: slices.Concat([]cli.Flag{
			keyFlag(),
			&cli.StringSliceFlag{Name: "update", Usage: "change only this `COLUMN` of a row that is there; repeatable (default: all)"},
		}, createFlags(), tableFlags(), batchFlags(), commonFlags()),
		Action: tableAction(Upsert),
	}
}

func updateCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "update",
		Summary:  "UPDATE the rows that have the records' keys",
		Operands: "TABLE --key COLUMN [FILE...]",
		Examples: []cmdline.Example{
			{Comment: "new titles for pages that are there", Line: "gensql update pages --key url --column url --column title crawled.jsonl | sqlpipe"},
		},
		Description: tableDescription + `

There is a statement for each record. A field that it lacks is left as it is. A
record whose key is NULL or missing is an error.`,
		Flags:  slices.Concat([]cli.Flag{keyFlag()}, tableFlags(), outputFlags(), commonFlags()),
		Action: tableAction(Update),
	}
}

func deleteCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "delete",
		Summary:  "DELETE the rows that have the records' keys",
		Operands: "TABLE --key COLUMN [FILE...]",
		Examples: []cmdline.Example{
			{Comment: "forget some pages", Line: "gensql delete pages --key url gone.jsonl | sqlpipe"},
		},
		Description: `TABLE is a name, or database.name. Of the records only the --key fields matter.
A record whose key is NULL or missing is an error.`,
		Flags:  slices.Concat([]cli.Flag{keyFlag()}, tableFlags(), batchFlags(), commonFlags()),
		Action: tableAction(Delete),
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
		Flags:  slices.Concat(madeFlags(), tableFlags(), outputFlags(), commonFlags()),
		Action: tableAction(Create),
	}
}

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
		Flags: slices.Concat([]cli.Flag{
			&cli.StringSliceFlag{Name: "param", Usage: "parameter `NAME=TEXT`, or NAME:=JSON for a number, true, null or a list; repeatable"},
			&cli.BoolFlag{Name: "ascii", Usage: asciiUsage},
		}, outputFlags(), commonFlags()),
		Action: runQuery,
	}
}

func rangesCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "ranges",
		Summary:  "cut a range of numbers into statements",
		Operands: "TABLE --key COLUMN --from A --to B --step N",
		Examples: []cmdline.Example{
			{Comment: "a purge that holds no lock for long", Line: "gensql ranges log --key id --from 1 --to 1000000 --step 10000 --sql 'DELETE FROM log WHERE id >= :lo AND id < :hi'"},
		},
		Description: `A and B are both in the range. :lo is the first number of a step, :hi the first
behind it; :table and :key are the quoted names. The statement is by default
` + DefaultRangesSQL + `.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "key", Usage: "the `COLUMN` of the numbers"},
			&cli.StringFlag{Name: "from", Usage: "the first `NUMBER`"},
			&cli.StringFlag{Name: "to", Usage: "the last `NUMBER`"},
			&cli.StringFlag{Name: "step", Usage: "how many `NUMBERS` a statement is for"},
			&cli.StringFlag{Name: "sql", Usage: "the `STATEMENT`, with :lo and :hi"},
			dialectFlag(), cmdline.DBFlag(), transactionFlag(), cmdline.OutputFlag(), cmdline.SummaryFlag(), cmdline.ProgressFlag(),
		},
		Action: runRanges,
	}
}

func dialectFlag() cli.Flag {
	return &cli.StringFlag{Name: "dialect", Usage: "`DIALECT` of the statements: mysql, mariadb, sqlite (default: the database's)"}
}

const asciiUsage = "write characters beyond ASCII in hexadecimal"

// commonFlags are for verbs that read records.
func commonFlags() []cli.Flag {
	return slices.Concat(inputFlags(), []cli.Flag{
		dialectFlag(),
		cmdline.DBFlag(),
		cmdline.OutputFlag(),
		cmdline.SummaryFlag(),
		cmdline.ProgressFlag(),
	}, cmdline.RejectFlags())
}

// tableFlags say which columns there are and what they hold.
func tableFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "column", Aliases: []string{"columns"}, Usage: "take only this `FIELD`; repeatable (default: all)"},
		&cli.StringSliceFlag{Name: "rename", Usage: "`FIELD=COLUMN`: the field is another column; repeatable"},
		&cli.StringSliceFlag{Name: "set", Usage: "`COLUMN=EXPR`: its value is an SQL expression, in which :name is a field; repeatable"},
		&cli.StringSliceFlag{Name: "default", Usage: "`COLUMN=TEXT`: its value in records that have no such field; repeatable"},
		&cli.StringSliceFlag{Name: "types", Aliases: []string{"type"}, Usage: "`COLUMN=TYPE`: " + strings.Join(typeNames[Int:], ", ") + "; repeatable"},
		&cli.BoolFlag{Name: "union-keys", Usage: "the columns are the fields of all sampled records"},
		&cli.StringFlag{Name: "sample", Value: fmt.Sprint(DefaultSample), Usage: "learn the columns from the first `N` records, or all of them: all"},
		&cli.BoolFlag{Name: "ascii", Usage: asciiUsage},
	}
}

func keyFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "key", Usage: "`COLUMN` of the unique key; repeatable"}
}

// createFlags are for verbs that can make the table first.
func createFlags() []cli.Flag {
	return append([]cli.Flag{&cli.BoolFlag{Name: "create", Usage: "begin with CREATE TABLE IF NOT EXISTS"}}, madeFlags()...)
}

// madeFlags say how a table is made.
func madeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "primary-key", Usage: "`COLUMN` of the primary key of the new table; repeatable"},
		&cli.BoolFlag{Name: "auto-id", Usage: "number the rows of the new table in a column " + autoID},
		&cli.BoolFlag{Name: "not-null", Usage: "columns of the new table without NULL in the sample are NOT NULL"},
	}
}

// batchFlags are for verbs whose statements have several rows.
func batchFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.IntFlag{Name: "batch", Value: DefaultBatch, Usage: "at most `N` rows a statement"},
		&cli.StringFlag{Name: "max-packet", Value: "1MiB", Usage: "cut a statement of several rows at `SIZE`"},
	}, outputFlags()...)
}

func outputFlags() []cli.Flag { return []cli.Flag{transactionFlag(), headerFlag()} }

func transactionFlag() cli.Flag {
	return &cli.IntFlag{Name: "transaction", Usage: "put BEGIN and COMMIT around each `N` statements"}
}

func headerFlag() cli.Flag {
	return &cli.BoolFlag{Name: "header", Usage: "begin and end with a comment, and SET NAMES"}
}

func tableAction(verb Verb) func(context.Context, *cmdline.Invocation) error {
	return func(ctx context.Context, inv *cmdline.Invocation) error {
		operands := inv.Operands()
		if len(operands) == 0 {
			return cmdline.Usagef("no table named: %s TABLE", verb)
		}
		if isDataFile(operands[0]) {
			return cmdline.UsageHint(fmt.Errorf("%s is a file: which table?", operands[0]), fmt.Sprintf("%s TABLE %s", verb, operands[0]))
		}
		cfg, err := tableConfig(inv, verb)
		if err != nil {
			return err
		}
		cfg.Table = operands[0]
		return runConfig(ctx, inv, cfg, operands[1:])
	}
}

// isDataFile reports whether an operand names a file of records: forgetting
// what stands before that is the likeliest mistake.
func isDataFile(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".gz", ".zst":
		info, err := os.Stat(name)
		return err == nil && info.Mode().IsRegular()
	}
	return false
}

// tableConfig gives the flags of the verbs that are about a table their
// meaning. A flag that the verb does not have is not set.
func tableConfig(inv *cmdline.Invocation, verb Verb) (Config, error) {
	cfg := Config{
		Verb:       verb,
		Columns:    inv.StringSlice("column"),
		Key:        inv.StringSlice("key"),
		Ignore:     inv.Bool("ignore"),
		Update:     inv.StringSlice("update"),
		Create:     inv.Bool("create"),
		PrimaryKey: inv.StringSlice("primary-key"),
		AutoID:     inv.Bool("auto-id"),
		NotNull:    inv.Bool("not-null"),
		UnionKeys:  inv.Bool("union-keys"),
		Batch:      inv.Int("batch"),
	}
	if len(cfg.Columns) == 0 {
		cfg.Columns = nil
	}
	if len(cfg.Update) == 0 {
		cfg.Update = nil
	}
	needsKey := verb == Upsert || verb == Update || verb == Delete
	makes := cfg.Create || verb == Create
	switch {
	case needsKey && len(cfg.Key) == 0:
		return cfg, cmdline.Usagef("%s needs --key COLUMN: the column that tells which row a record is", verb)
	case !makes && (len(cfg.PrimaryKey) > 0 || cfg.AutoID || cfg.NotNull):
		return cfg, cmdline.Usagef("--primary-key, --auto-id and --not-null are for a table that --create makes")
	case cfg.AutoID && len(cfg.PrimaryKey) > 0:
		return cfg, cmdline.Usagef("--auto-id makes the primary key: there is no other --primary-key")
	case inv.IsSet("batch") && cfg.Batch < 1:
		return cfg, cmdline.Usagef("--batch %d: a statement has at least one row", cfg.Batch)
	}
	var err error
	if inv.String("max-packet") != "" {
		if cfg.MaxPacket, err = inv.Size("max-packet"); err != nil {
			return cfg, err
		}
	}
	switch sample := inv.String("sample"); sample {
	case "all":
		cfg.Sample = SampleAll
	default:
		if cfg.Sample, err = strconv.Atoi(sample); err != nil || cfg.Sample < 1 {
			return cfg, cmdline.Usagef("--sample %s: a number of records, or all", sample)
		}
	}
	return cfg, pairs(inv, &cfg)
}

// pairs reads the flags whose values are NAME=VALUE.
func pairs(inv *cmdline.Invocation, cfg *Config) error {
	each := func(flag string, take func(name, value string) error) error {
		for _, s := range inv.StringSlice(flag) {
			name, value, ok := strings.Cut(s, "=")
			if !ok || name == "" {
				return cmdline.Usagef("--%s %q: it is written NAME=VALUE", flag, s)
			}
			if err := take(name, value); err != nil {
				return cmdline.Usage(err)
			}
		}
		return nil
	}
	return errors.Join(
		each("rename", func(field, column string) error {
			cfg.Rename = append(cfg.Rename, Rename{field, column})
			return nil
		}),
		each("set", func(column, expr string) error {
			cfg.Set = append(cfg.Set, Set{column, expr})
			return nil
		}),
		each("default", func(column, text string) error {
			cfg.Default = append(cfg.Default, Param{column, record.String(text)})
			return nil
		}),
		each("types", func(column, name string) error {
			t, err := ParseType(name)
			if cfg.Types == nil {
				cfg.Types = map[string]Type{}
			}
			cfg.Types[column] = t
			return err
		}),
	)
}

func (v Verb) String() string {
	return [...]string{"insert", "replace", "upsert", "update", "delete", "create", "query"}[v]
}

func runRanges(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	if len(inv.Operands()) != 1 {
		return cmdline.Usagef("ranges takes one TABLE")
	}
	cfg := RangesConfig{Table: inv.Operands()[0], Key: inv.String("key"), SQL: inv.String("sql"), Transaction: inv.Int("transaction")}
	if cfg.Key == "" {
		return cmdline.Usagef("ranges needs --key COLUMN")
	}
	var err error
	if cfg.Dialect, err = dialect(inv); err != nil {
		return err
	}
	for flag, n := range map[string]**big.Int{"from": &cfg.From, "to": &cfg.To, "step": &cfg.Step} {
		var ok bool
		if *n, ok = new(big.Int).SetString(inv.String(flag), 10); !ok {
			return cmdline.Usagef("ranges needs --from, --to and --step, three whole numbers")
		}
	}
	if cfg.Step.Sign() <= 0 {
		return cmdline.Usagef("--step %s: at least 1", cfg.Step)
	}
	out, err := inv.Output(stream.Inputs{})
	if err != nil {
		return err
	}
	sum, err := Ranges(ctx, cfg, out)
	inv.Summarize(sum, start)
	return err
}

func runQuery(ctx context.Context, inv *cmdline.Invocation) error {
	operands := inv.Operands()
	if len(operands) == 0 {
		return cmdline.Usagef("no statement: query 'SELECT … :name'")
	}
	if isDataFile(operands[0]) {
		return cmdline.UsageHint(fmt.Errorf("%s is a file: which statement?", operands[0]), "query 'SQL' "+operands[0])
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
	if err = inputOptions(inv, &cfg); err != nil {
		return err
	}
	cfg.ASCII, cfg.Header = inv.Bool("ascii"), inv.Bool("header")
	if cfg.Transaction = inv.Int("transaction"); cfg.Transaction < 0 {
		return cmdline.Usagef("--transaction %d: at least 1", cfg.Transaction)
	}
	cfg.Meter = inv.Meter()
	cfg.Warn = func(message string) { inv.Notef("warning: %s", message) }
	inputs := inv.Inputs
	if cfg.Verb == Query {
		inputs = inv.OptionalInputs
	}
	in, err := inputs(files)
	if cfg.Verb == Query && errors.Is(err, fs.ErrNotExist) {
		err = cmdline.UsageHint(err, "the statement is one argument, in quotes: query 'SQL' FILE")
	}
	if err != nil {
		return err
	}
	in.Content = compressed.NewReader
	out, err := inv.Output(in)
	if err != nil {
		return err
	}
	if cfg.Rejects, err = inv.Rejects(in); err != nil {
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
	u, err := inv.DB()
	return u.Dialect, err
}
