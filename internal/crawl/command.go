package crawl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
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
		Usual: []string{
			"url-field", "select", "each", "links", "text", "depth", "scope", "jobs", "per-host", "delay",
			"cache", "resume", "format", "output", "errors-ok", "dry-run",
		},
		Description: `
Reads a URL a line, or records (jsonl, csv, tsv) with the URL in --url-field,
and writes one record for each as soon as it is there, in no set order unless
--ordered is given. The input's record rides along in the field input. FILE is
a list; for a single page there is echo URL | crawl. A URL may lack its scheme
if it begins with a host: example.com/x is http://example.com/x. One that came
before is not fetched again: its record has dup_of, the seq of the first.

Output fields: seq, url, final_url, status, content_type, charset, bytes, title,
the extracted ones, parse, fetched_at, elapsed_ms, depth, parent, redirects
[{status, url}], etag, last_modified, sha256, from_cache, dup_of, error {kind,
message, retryable}, input. What is not known is null. Kinds of error: url,
robots, dns, connect, address, tls, timeout, protocol, redirect, http, busy,
body, parse. The fields of --dry-run are url, allowed, reason, input.

--select takes name=CSS (the text of the first match, white space folded),
name=CSS@attr (an attribute), name=CSS@abs:attr (a link, made absolute),
name=CSS@html (what is inside), name=CSS@outer (with the element itself), and
name[]=... (an array of all matches). With --each a page has a record for each
match, numbered in the field item (null: the page has none); there name=@attr
is of that match. --regex name=RE takes the first match in the page's text, or
its first group; name[]=RE all. A page that takes longer than --parse-timeout
to read, or too much memory, has parse "truncated", the error parse, and only
what was found without its tree: title, links, simple selectors.

With --depth a page's links are followed, each once: the record of one has its
url, depth, parent (the page with the link), and seq and input of the input
that it began with. 32 directories, four of one name and 1000 queries of one
page are a trap and left. --sitemap adds what the sitemaps list that robots.txt
names.

What you give to be shown to servers, such as a header or a password, is shown
to those alone that it is for, not to others that they redirect to. Link-local
addresses are never connected to.

robots.txt is obeyed. 429, 5xx and network failures are tried again, no sooner
than Retry-After says. A TIME is 250ms, 10s, 1m30s or a number of seconds.

Exit status: 0 all pages fetched, 1 stopped by an error, 2 usage, 3 some pages
could not be had (their records say why).`,
		Examples: []cmdline.Example{
			{Comment: "titles of some pages", Line: "crawl urls.txt | jq -r .title"},
			{Comment: "price and all links of the products in a table", Line: `crawl -i csv --url-field page --select 'price=.price' --select 'links[]=a@abs:href' products.csv`},
			{Comment: "a table with a row for each product card of a page", Line: "crawl -f csv --fields name --fields to --each .card --select name=h2 --select to=a@abs:href shops.txt"},
			{Comment: "pages that a database has not seen yet", Line: "gensql query 'SELECT id, url FROM pages WHERE title IS NULL' | sqlpipe | crawl"},
			{Comment: "every page of some sites, and which page has a broken link", Line: "crawl --depth 20 --errors-ok sites.txt | jq -r 'select(.error) | [.url, .error.message, .parent] | @tsv'"},
		},
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "url-field", Value: DefaultURLField, Usage: "the `FIELD` of input records that holds the URL"},
			&cli.StringSliceFlag{Name: "select", Usage: "add a field, `NAME=CSS[@PART]`; repeatable"},
			&cli.StringFlag{Name: "each", Usage: "a record for each element that `CSS` matches; --select looks inside it"},
			&cli.StringSliceFlag{Name: "regex", Usage: "add a field, `NAME=RE`, found in the text; repeatable"},
			&cli.BoolFlag{Name: "links", Usage: "add a field links: the URLs that the page links to"},
			&cli.BoolFlag{Name: "meta", Usage: "add a field meta: description, canonical, og:*, JSON-LD and so on"},
			&cli.BoolFlag{Name: "text", Usage: "add a field text: the page as one reads it"},
			&cli.BoolFlag{Name: "body", Usage: "add a field body: the page as it is, base64 if it is no text"},
			&cli.StringFlag{Name: "save", Usage: "keep each page in a file below `DIR`, named by its SHA-256; add a field saved"},
			&cli.DurationFlag{Name: "parse-timeout", Value: extract.DefaultTimeout, Usage: "`TIME` that reading a page may take"},
			&cli.StringSliceFlag{Name: "fields", Usage: "write only the field `NAME`, and others so named; repeatable"},
			&cli.BoolFlag{Name: "ordered", Usage: "write the records in the order of the input"},
			cmdline.DryRunFlag("fetch nothing but robots.txt and tell what it allows"),
			&cli.IntFlag{Name: "depth", Usage: "follow links, up to `N` from the input's page"},
			&cli.StringFlag{Name: "scope", Value: ScopeHost.String(), Usage: "follow links within the input's `SCOPE`: host, domain, prefix, any"},
			&cli.StringSliceFlag{Name: "include", Usage: "follow only URLs that match the `REGEX`; repeatable, one must match"},
			&cli.StringSliceFlag{Name: "exclude", Usage: "follow no URL that matches the `REGEX`; repeatable"},
			&cli.IntFlag{Name: "max-pages", Usage: "follow at most `N` links in all"},
			&cli.IntFlag{Name: "max-per-host", Usage: "follow at most `N` links to one host"},
			&cli.BoolFlag{Name: "sitemap", Usage: "fetch the pages in the sitemaps of the input's sites, too"},
			&cli.StringFlag{Name: "cache", Usage: "keep answers in the directory `DIR`; what is there is asked for only if it has changed"},
			&cli.BoolFlag{Name: "if-changed", Usage: "write no record for a page that is as it was in the --cache"},
			&cli.StringFlag{Name: "warc", Usage: "archive what is asked and answered in the new `FILE`, name.warc.gz"},
			&cli.BoolFlag{Name: "resume", Usage: "go on where the run that wrote the --output was stopped"},
			&cli.StringFlag{Name: "state", Usage: "note what is done in `FILE`, and go on where the run that did so was stopped"},
			cmdline.JobsFlag(DefaultJobs),
			&cli.IntFlag{Name: "per-host", Value: DefaultPerHost, Usage: "at most `N` requests at once at one host"},
			&cli.DurationFlag{Name: "delay", Usage: "`TIME` between two requests to one host (default " + DefaultDelay.String() + ", none on this machine)"},
			cmdline.TimeoutFlag(DefaultTimeout, "`TIME` for a request, to the last byte of its answer"),
			cmdline.RetriesFlag(2, "try `N` times more after a failure that may pass"),
			&cli.DurationFlag{Name: "idle-timeout", Value: DefaultIdleTimeout, Usage: "`TIME` for the first byte of an answer, and from one to the next"},
			&cli.StringFlag{Name: "max-body", Value: "10MiB", Usage: "longest page taken, a `SIZE`, decompressed"},
			&cli.StringFlag{Name: "user-agent", Usage: "`TEXT` of the User-Agent header; its first word is the name looked up in robots.txt (default " + DefaultUserAgent + "/VERSION)"},
			&cli.StringFlag{Name: "contact", Usage: "add an address, a `URL` or e-mail, to the User-Agent"},
			&cli.BoolFlag{Name: "ignore-robots", Usage: "fetch what robots.txt forbids"},
			&cli.BoolFlag{Name: "respect-meta", Usage: "obey noindex and nofollow in pages and their headers, too"},
			&cli.StringSliceFlag{Name: "header", Usage: "send the header `LINE`, \"Name: value\", to the origin of the input's URL; @FILE has such lines; repeatable"},
			&cli.StringFlag{Name: "cookie-jar", Usage: "send the cookies in `FILE`, in Netscape's format"},
			&cli.StringFlag{Name: "netrc", Usage: "send the logins in `FILE`, such as ~/.netrc, to their machines"},
			&cli.StringFlag{Name: "proxy", Usage: "connect by the proxy at `URL` (default: what $HTTP_PROXY, $HTTPS_PROXY and $NO_PROXY say)"},
			&cli.BoolFlag{Name: "public-only", Usage: "connect to public addresses alone ($CRAWL_PUBLIC_ONLY=1 does the same)"},
			&cli.BoolFlag{Name: "allow-private-redirects", Usage: "let a public page redirect to an address that is not public"},
			&cli.BoolFlag{Name: "errors-ok", Usage: "exit 0 even if pages could not be had"},
			cmdline.InputFormatFlag(),
			cmdline.FormatFlag(),
			cmdline.OutputFlag(),
			cmdline.NullAsFlag(),
			cmdline.MaxRecordFlag(),
			cmdline.ProgressFlag(),
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
	if errors.Is(err, fs.ErrNotExist) {
		err = cmdline.UsageHint(err, "a FILE is a list of URLs; a single one comes on standard input: echo URL | crawl")
	}
	if err != nil {
		return err
	}
	in.Content = compressed.NewReader
	in.Meter = nil // the list is read long before its pages
	inv.Meter().SetTotal(0)
	output := inv.Output
	if inv.Bool("resume") {
		output = inv.ResumedOutput
	}
	out, err := output(in)
	if err != nil {
		return err
	}
	if cfg.Format, err = inv.OutputFormat(); err != nil {
		return err
	}
	cfg.Meter = inv.Meter()
	if cfg.Progress, err = earlier(inv, &cfg); err != nil {
		return cmdline.Usage(err)
	}
	defer cfg.Progress.Close()
	cfg.Rows = record.WriterOptions{NullAs: inv.NullAs(), FlushEach: out.Terminal()}
	if cfg.Rejects, err = inv.Rejects(in); err != nil {
		return err
	}
	if cfg.IgnoreRobots {
		inv.Notef("robots.txt is ignored")
	}
	if path := inv.String("warc"); path != "" {
		if cfg.Archive, err = CreateArchive(path, cfg.UserAgent); err != nil {
			return cmdline.Usage(err)
		}
	}
	sum, err := Run(ctx, cfg, in, out)
	err = errors.Join(err, cfg.Archive.Close())
	inv.Summarize(sum, start)
	return err
}

// extraction gives the flags their meaning that say what is taken from pages.
func extraction(inv *cmdline.Invocation) (cfg extract.Config, err error) {
	cfg = extract.Config{
		Links:   inv.Bool("links"),
		Meta:    inv.Bool("meta"),
		Text:    inv.Bool("text"),
		Body:    inv.Bool("body"),
		Timeout: inv.Duration("parse-timeout"),
	}
	if cfg.Timeout <= 0 {
		return cfg, cmdline.Usagef("--parse-timeout %v: more than 0", cfg.Timeout)
	}
	for _, text := range inv.StringSlice("select") {
		s, err := extract.ParseSelector(text)
		if err != nil {
			return cfg, cmdline.UsageHint(fmt.Errorf("--select %w", err), selectHint)
		}
		cfg.Select = append(cfg.Select, s)
	}
	for _, text := range inv.StringSlice("regex") {
		r, err := extract.ParseRegex(text)
		if err != nil {
			return cfg, cmdline.Usagef("--regex %w", err)
		}
		cfg.Regex = append(cfg.Regex, r)
	}
	if inv.IsSet("each") {
		if cfg.Each, err = extract.ParseEach(inv.String("each")); err != nil {
			return cfg, cmdline.UsageHint(fmt.Errorf("--each %w", err), "such as --each tr or --each '.card > a'")
		}
	}
	return cfg, nil
}

const selectHint = "name=CSS is an element's text, name=CSS@href an attribute, name[]=CSS all of them"

// config gives the flags their meaning.
func config(inv *cmdline.Invocation) (cfg Config, err error) {
	if err := checkNumbers(inv); err != nil {
		return cfg, err
	}
	cfg = Config{
		URLField:     inv.String("url-field"),
		SaveDir:      inv.String("save"),
		Fields:       inv.StringSlice("fields"),
		Ordered:      inv.Bool("ordered"),
		DryRun:       inv.Bool("dry-run"),
		Cache:        inv.String("cache"),
		IfChanged:    inv.Bool("if-changed"),
		Jobs:         inv.Int("jobs"),
		PerHost:      inv.Int("per-host"),
		Timeout:      inv.Duration("timeout"),
		IdleTimeout:  inv.Duration("idle-timeout"),
		Retries:      inv.Int("retries"),
		UserAgent:    userAgent(inv),
		IgnoreRobots: inv.Bool("ignore-robots"),
		RespectMeta:  inv.Bool("respect-meta"),
		ErrorsOK:     inv.Bool("errors-ok"),

		PublicOnly:            inv.Bool("public-only") || os.Getenv("CRAWL_PUBLIC_ONLY") == "1",
		AllowPrivateRedirects: inv.Bool("allow-private-redirects"),
	}
	if cfg.Follow, err = follow(inv); err != nil {
		return cfg, cmdline.Usage(err)
	}
	if cfg.Credentials, err = credentials(inv); err != nil {
		return cfg, cmdline.Usage(err)
	}
	if cfg.Proxy, err = proxy(inv); err != nil {
		return cfg, err
	}
	if cfg.PublicOnly && proxied(cfg.Proxy) {
		return cfg, cmdline.UsageHint(errors.New("--public-only does not go with a proxy, which does the connecting"), "unset HTTP_PROXY and HTTPS_PROXY")
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
	if cfg.Extract, err = extraction(inv); err != nil {
		return cfg, err
	}
	return cfg, cmdline.Usage(cfg.check())
}

// checkNumbers reports numbers and times that mean nothing.
func checkNumbers(inv *cmdline.Invocation) error {
	for _, name := range []string{"jobs", "per-host"} {
		if inv.Int(name) < 1 {
			return cmdline.Usagef("--%s %d: at least 1", name, inv.Int(name))
		}
	}
	for _, name := range []string{"retries", "depth", "max-pages", "max-per-host"} {
		if inv.Int(name) < 0 {
			return cmdline.Usagef("--%s %d: at least 0", name, inv.Int(name))
		}
	}
	if inv.Duration("delay") < 0 {
		return cmdline.Usagef("--delay %v: not below 0", inv.Duration("delay"))
	}
	for _, name := range []string{"timeout", "idle-timeout"} {
		if inv.Duration(name) <= 0 {
			return cmdline.Usagef("--%s %v: more than 0", name, inv.Duration(name))
		}
	}
	return nil
}

// userAgent is what the crawler says it is.
func userAgent(inv *cmdline.Invocation) string {
	agent := inv.String("user-agent")
	if agent == "" {
		agent = DefaultUserAgent + "/" + cmdline.Version()
	}
	if contact := inv.String("contact"); contact != "" {
		agent += " (+" + contact + ")"
	}
	return agent
}

// earlier is the progress of earlier runs, if this one is to go on.
func earlier(inv *cmdline.Invocation, cfg *Config) (*Progress, error) {
	state, resume := inv.String("state"), inv.Bool("resume")
	switch {
	case state == "" && !resume:
		return nil, nil
	case state != "" && resume:
		return nil, errors.New("--state and --resume: one is enough")
	case cfg.DryRun:
		return nil, errors.New("a dry run does nothing that could be resumed")
	case cfg.Follow.active() && cfg.Cache == "":
		return nil, cmdline.UsageHint(errors.New("a run that follows links goes on by what it has in a cache"), "--cache DIR, from the first run on")
	case state != "":
		return OpenState(state)
	}
	path := inv.String("output")
	if path == "" || path == "-" {
		return nil, errors.New("--resume goes on with the file that --output names; in a pipe there is --state")
	}
	if cfg.Format != record.JSONL {
		return nil, errors.New("--resume reads its output again, which has to be jsonl")
	}
	for _, name := range cfg.resumeFields() {
		if len(cfg.Fields) > 0 && !slices.Contains(cfg.Fields, name) {
			return nil, fmt.Errorf("--resume knows what was done by the field %s, which --fields leaves out", name)
		}
	}
	return ReadOutput(path, cfg.Extract.Each != nil)
}

// follow is what the flags say about links.
func follow(inv *cmdline.Invocation) (f Follow, err error) {
	f = Follow{
		Depth:      inv.Int("depth"),
		MaxPages:   inv.Int("max-pages"),
		MaxPerHost: inv.Int("max-per-host"),
		Sitemap:    inv.Bool("sitemap"),
	}
	if f.Scope, err = ParseScope(inv.String("scope")); err != nil {
		return f, err
	}
	for name, list := range map[string]*[]*regexp.Regexp{"include": &f.Include, "exclude": &f.Exclude} {
		for _, text := range inv.StringSlice(name) {
			re, err := regexp.Compile(text)
			if err != nil {
				return f, cmdline.UsageHint(fmt.Errorf("--%s: %w", name, err), "a REGEX finds its text anywhere in the URL: /news/, \\.html$")
			}
			*list = append(*list, re)
		}
		if inv.IsSet(name) && !f.active() {
			return f, fmt.Errorf("--%s is about links: --depth says how far they are followed", name)
		}
	}
	return f, nil
}

// credentials are those of the flags.
func credentials(inv *cmdline.Invocation) (c Credentials, err error) {
	for _, line := range inv.StringSlice("header") {
		if err := c.AddHeader(line); err != nil {
			return c, fmt.Errorf("--header: %w", err)
		}
	}
	if path := inv.String("cookie-jar"); path != "" {
		if err := c.ReadCookies(path); err != nil {
			return c, fmt.Errorf("--cookie-jar: %w", err)
		}
	}
	if path := inv.String("netrc"); path != "" {
		if err := c.ReadNetrc(path); err != nil {
			return c, fmt.Errorf("--netrc: %w", err)
		}
	}
	return c, nil
}

// proxy is the one of the flag, nil if it is not given.
func proxy(inv *cmdline.Invocation) (*url.URL, error) {
	text := inv.String("proxy")
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return nil, cmdline.Usagef("--proxy is not a URL such as http://localhost:3128")
	case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme):
		return nil, cmdline.Usagef("--proxy: scheme %s is not one of http, https, socks5, socks5h", u.Scheme)
	case u.User != nil:
		return nil, cmdline.UsageHint(errors.New("--proxy has a password, which every user of this machine could read"), "put it into $HTTPS_PROXY or $HTTP_PROXY")
	}
	return u, nil
}

// proxied reports whether requests to the public internet go by a proxy.
func proxied(given *url.URL) bool {
	for _, scheme := range []string{"http", "https"} {
		u, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: scheme, Host: "example.com"}})
		if given != nil || u != nil || err != nil {
			return true
		}
	}
	return false
}
