package crawl

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/compressed"
	"pipeworks/internal/extract"
	"pipeworks/internal/record"
)

// Command is the crawl tool.
func Command() *cmdline.Command {
	return &cmdline.Command{
		Name:     "crawl",
		Summary:  "fetch URLs and extract fields: one JSON record each",
		Operands: "[FILE...]",
		Description: `
Reads a URL a line, or records (jsonl, csv, tsv) with the URL in --url-field,
and writes one record for each as soon as it is there, in no set order unless
--ordered is given. The input's record rides along in the field input. FILE is
a list; for a single page there is echo URL | crawl. A URL may lack its scheme
if it begins with a host: example.com/x is http://example.com/x. One that came
before is not fetched again: its record has dup_of, the seq of the first.

Output fields: seq, url, final_url, status, content_type, charset, bytes, title,
the selected ones, fetched_at, elapsed_ms, depth, parent, redirects [{status,
url}], etag, last_modified, sha256, from_cache, dup_of, error {kind, message,
retryable}, input. What is not known is null. Kinds of error: url, robots, dns,
connect, tls, timeout, protocol, redirect, http, busy, body, parse. The fields
of --dry-run are url, allowed, reason, input.

--select takes name=CSS (the text of the first match, white space folded),
name=CSS@attr (an attribute), name=CSS@abs:attr (a link, made absolute), and
name[]=... (an array of all matches).

robots.txt is obeyed. 429, 5xx and network failures are tried again, no sooner
than Retry-After says. A TIME is 250ms, 10s, 1m30s or a number of seconds.

Exit status: 0 all pages fetched, 1 stopped by an error, 2 usage, 3 some pages
could not be had (their records say why).`,
		Examples: []cmdline.Example{
			{Comment: "titles of some pages", Line: "crawl urls.txt | jq -r .title"},
			{Comment: "price and all links of the products in a table", Line: `crawl -i csv --url-field page --select 'price=.price' --select 'links[]=a@abs:href' products.csv`},
			{Comment: "pages that a database has not seen yet", Line: "gensql query 'SELECT id, url FROM pages WHERE title IS NULL' | sqlpipe | crawl"},
		},
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "url-field", Value: DefaultURLField, Usage: "the `FIELD` of input records that holds the URL"},
			&cli.StringSliceFlag{Name: "select", Usage: "add a field, `NAME=CSS[@ATTR]`; repeatable"},
			&cli.StringSliceFlag{Name: "fields", Usage: "write only the field `NAME`, and others so named; repeatable"},
			&cli.BoolFlag{Name: "ordered", Usage: "write the records in the order of the input"},
			cmdline.DryRunFlag("fetch nothing but robots.txt and tell what it allows"),
			cmdline.JobsFlag(DefaultJobs),
			&cli.IntFlag{Name: "per-host", Value: DefaultPerHost, Usage: "at most `N` requests at once at one host"},
			&cli.DurationFlag{Name: "delay", Usage: "`TIME` between two requests to one host (default " + DefaultDelay.String() + ", none on this machine)"},
			cmdline.TimeoutFlag(DefaultTimeout, "`TIME` for a request, to the last byte of its answer"),
			cmdline.RetriesFlag(2, "try `N` times more after a failure that may pass"),
			&cli.StringFlag{Name: "max-body", Value: "10MiB", Usage: "longest page taken, a `SIZE`"},
			&cli.StringFlag{Name: "user-agent", Value: DefaultUserAgent, Usage: "`TEXT` of the User-Agent header; its first word is the name looked up in robots.txt"},
			&cli.BoolFlag{Name: "ignore-robots", Usage: "fetch what robots.txt forbids"},
			&cli.BoolFlag{Name: "errors-ok", Usage: "exit 0 even if pages could not be had"},
			cmdline.InputFormatFlag(),
			cmdline.FormatFlag(),
			cmdline.OutputFlag(),
			cmdline.NullAsFlag(),
			cmdline.MaxRecordFlag(),
			cmdline.SummaryFlag(),
		}, cmdline.RejectFlags()...),
		Action: action,
	}
}

func action(ctx context.Context, inv *cmdline.Invocation) error {
	start := time.Now()
	cfg, err := config(inv)
	if err != nil {
		return err
	}
	in, err := inv.Inputs(inv.Operands())
	if errors.Is(err, fs.ErrNotExist) && strings.Contains(strings.Join(inv.Operands(), ""), "://") {
		err = cmdline.UsageHint(err, "a URL comes on standard input: echo URL | crawl")
	}
	if err != nil {
		return err
	}
	in.Content = compressed.NewReader
	out, err := inv.Output(in)
	if err != nil {
		return err
	}
	if cfg.Format, err = inv.OutputFormat(); err != nil {
		return err
	}
	cfg.Rows = record.WriterOptions{NullAs: inv.NullAs(), FlushEach: out.Terminal()}
	if cfg.Rejects, err = inv.Rejects(in); err != nil {
		return err
	}
	if cfg.IgnoreRobots {
		inv.Notef("robots.txt is ignored")
	}
	sum, err := Run(ctx, cfg, in, out)
	inv.Summarize(sum, start)
	return err
}

// config gives the flags their meaning.
func config(inv *cmdline.Invocation) (cfg Config, err error) {
	for _, name := range []string{"jobs", "per-host"} {
		if inv.Int(name) < 1 {
			return cfg, cmdline.Usagef("--%s %d: at least 1", name, inv.Int(name))
		}
	}
	if inv.Int("retries") < 0 {
		return cfg, cmdline.Usagef("--retries %d: at least 0", inv.Int("retries"))
	}
	if inv.Duration("delay") < 0 {
		return cfg, cmdline.Usagef("--delay %v: not below 0", inv.Duration("delay"))
	}
	if inv.Duration("timeout") <= 0 {
		return cfg, cmdline.Usagef("--timeout %v: more than 0", inv.Duration("timeout"))
	}
	cfg = Config{
		URLField:     inv.String("url-field"),
		Jobs:         inv.Int("jobs"),
		PerHost:      inv.Int("per-host"),
		Timeout:      inv.Duration("timeout"),
		Retries:      inv.Int("retries"),
		UserAgent:    inv.String("user-agent"),
		IgnoreRobots: inv.Bool("ignore-robots"),
		Fields:       inv.StringSlice("fields"),
		Ordered:      inv.Bool("ordered"),
		DryRun:       inv.Bool("dry-run"),
		ErrorsOK:     inv.Bool("errors-ok"),
	}
	if inv.IsSet("delay") {
		delay := inv.Duration("delay")
		cfg.Delay = &delay
	}
	if cfg.MaxBody, err = inv.Size("max-body"); err != nil {
		return cfg, err
	}
	if cfg.Input.MaxRecord, err = inv.Size("max-record"); err != nil {
		return cfg, err
	}
	if cfg.Input.Format, err = inv.InputFormat(); err != nil {
		return cfg, err
	}
	cfg.Input.NullAs = inv.NullAs()
	for _, text := range inv.StringSlice("select") {
		s, err := extract.ParseSelector(text)
		if err != nil {
			return cfg, cmdline.Usage(err)
		}
		cfg.Select = append(cfg.Select, s)
	}
	return cfg, cmdline.Usage(cfg.check())
}
