// Package crawl fetches web pages and extracts fields from them: URLs in, one
// record out for each, as a filter in a pipeline.
//
// # Input
//
// The input is a URL a line, or records (JSON Lines, CSV, TSV) with the URL in
// one of their fields. A URL may lack its scheme if it begins with what can
// only be a host: "example.com/x" is http://example.com/x, as curl has it.
//
// # Output
//
// Every input yields one record, a page or an error, as soon as it is there
// and in no set order, or in that of the input. Its fields are:
//
//	seq            the input's number, from 1
//	url            the input's URL, as it came; that of a link that was followed
//	final_url      the URL of the last request, behind all redirects
//	status         of the HTTP answer
//	content_type   as the server says it
//	charset        the encoding that the text of a page was read in
//	bytes          of the body, decoded
//	title          of an HTML page or a feed, white space folded
//	…              what Extract asks for
//	parse          "truncated": the page took too much; of what is asked for it
//	               has what could be found without its tree
//	fetched_at     when the last request was sent: RFC 3339, UTC
//	elapsed_ms     time that the requests took, redirects and retries too
//	depth          links between the input's page and this one: 0
//	parent         the page with the link
//	redirects      those on the way to final_url: an array of {"status", "url"}
//	etag           as the server says it
//	last_modified  as the server says it
//	sha256         of the body, in hexadecimal
//	from_cache     whether the body came from the cache
//	dup_of         the seq of an earlier input with the same URL, which alone
//	               was fetched
//	error          null, or {"kind", "message", "retryable"}
//	input          the input's record, a JSON Lines one byte for byte
//
// What is not known is null. There is no input where the input is nothing but
// a URL. An HTTP status of 400 or above is an error; the page that came with
// it is read like any other.
//
// The kinds of error are: url, robots, dns, connect, tls, timeout, protocol,
// redirect, http, busy, body, parse.
//
// # Manners
//
// A host, that is a name or an IP address, has at most PerHost requests at
// once, no two of them within its delay, counting those for robots.txt, for
// redirects and for retries. Each origin's robots.txt is fetched first and
// obeyed (RFC 9309): one that is not there (4xx) allows everything, one that
// cannot be had (5xx, 429, no answer) forbids everything, and is asked for
// again a minute later. Others hold for a day. A longer Crawl-delay is
// honoured up to a minute.
//
// What may succeed later is tried again: network failures, 429 and 5xx, after
// a time that doubles with each try and is jittered. Retry-After is honoured
// up to two minutes; if a host asks for more, what is wanted from it ends with
// an error of the kind busy, without a request. A host that answers 429 or 503
// is asked less often from then on. One that gives no answer five times in a
// row is left alone for a while, and after eight times for ten minutes, in which
// what is wanted from it ends as busy. Others go on meanwhile.
//
// Credentials in a URL go to its origin only.
package crawl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"pipeworks/internal/extract"
	"pipeworks/internal/progress"
	"pipeworks/internal/record"
	"pipeworks/internal/reject"
	"pipeworks/internal/robots"
	"pipeworks/internal/stream"
)

// Defaults of Config.
const (
	DefaultURLField  = "url"
	DefaultUserAgent = "pipeworks-crawl"
	DefaultJobs      = 16
	DefaultPerHost   = 2
	DefaultDelay     = 250 * time.Millisecond
	DefaultTimeout   = time.Minute
	DefaultMaxBody   = 10 << 20

	DefaultIdleTimeout = 20 * time.Second
)

// Config says what to fetch and how. The zero value works.
type Config struct {
	URLField string         // the field of input records that has the URL; "" is DefaultURLField
	Extract  extract.Config // what is taken from pages: further fields
	SaveDir  string         // where the bodies are kept, in files called by their SHA-256; "": nowhere
	Fields   []string       // those to write, in this order; nil: all
	Ordered  bool           // records in the order of the input, not as they come
	DryRun   bool           // fetch nothing but robots.txt; records say what may be fetched

	Follow   Follow    // the links that are followed
	Progress *Progress // of earlier runs of the same input; nil: none

	Cache     string   // the directory where answers are kept between runs; "": nowhere
	Archive   *Archive // of all that is asked and answered; nil: none
	IfChanged bool     // no record for a page that is as it was when it was handed on last

	Jobs         int            // requests at once; 0 is DefaultJobs
	PerHost      int            // requests at once at one host; 0 is DefaultPerHost
	Delay        *time.Duration // between two requests to one host; nil is DefaultDelay, none on this machine
	Timeout      time.Duration  // of a request, to the last byte of the answer; 0 is DefaultTimeout
	IdleTimeout  time.Duration  // to the first byte, and between two; 0 is DefaultIdleTimeout
	Retries      int            // how often a request that may succeed later is repeated
	MaxBody      int            // bytes of a page, decoded; 0 is DefaultMaxBody
	UserAgent    string         // its leading letters and hyphens are the name that robots.txt is searched for; "" is DefaultUserAgent
	IgnoreRobots bool
	RespectMeta  bool // what pages say about themselves in robots meta elements and X-Robots-Tag headers
	Credentials  Credentials
	Proxy        *url.URL // nil: that of the environment, if any

	PublicOnly            bool // connect to addresses of the public internet alone
	AllowPrivateRedirects bool // from them to others

	Input    record.ReaderOptions // Source, Fallback and LineField are set for each input
	Format   record.Format        // of the output; Auto is JSONL
	Rows     record.WriterOptions
	Meter    *progress.Meter // counts records, and the bytes of pages; nil: nothing does
	Rejects  *reject.Sink    // for malformed input records; nil: stop at the first one
	ErrorsOK bool            // pages that could not be had make no *FailedError

	dial  dialFunc // nil: the system's
	agent string   // who we are to robots.txt
}

// Summary is what a run did.
type Summary struct {
	In        int64 `json:"in"`        // records read
	Resumed   int64 `json:"resumed"`   // of these, done by an earlier run
	Out       int64 `json:"out"`       // records written
	Failed    int64 `json:"failed"`    // of these, with an error
	Unchanged int64 `json:"unchanged"` // pages that have none for that, with IfChanged
	Rejected  int   `json:"rejected"`  // records that were malformed
	Skipped   int64 `json:"skipped"`   // links that looked like traps without an end
	Bytes     int64 `json:"bytes"`     // of all pages
}

// FailedError ends a run in which some pages could not be had. It tells of the
// first: whoever takes some fields of the records alone sees no other reason.
type FailedError struct {
	Failed, Of int64
	seq        int64 // of the first
	first      *pageError
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("%d of %d pages could not be had; seq %d: %s", e.Failed, e.Of, e.seq, e.first.Message)
}

// Hint is what to do about the first.
func (e *FailedError) Hint() string {
	switch e.first.Kind {
	case kindURL:
		return "a URL is written http://host/path; in records --url-field names its field"
	case kindRobots:
		return "--ignore-robots fetches what robots.txt forbids, such as on a site of your own"
	case kindTLS:
		return "$SSL_CERT_FILE names a file of the certificates to trust; a server without TLS is at http://"
	}
	return ""
}

// ExitStatus is the status of a run that went to its end.
func (e *FailedError) ExitStatus() int { return 3 }

// crawler is one run.
type crawler struct {
	cfg       Config
	frontier  *frontier
	client    *client
	extractor *extract.Extractor
	visited   visited
	resumed   int64 // inputs done by an earlier run
	wants     wants
	width     int // fields of a record
	rows      chan *row
}

// Run fetches the URLs of in and writes a record for each to out. It ends when
// the input does, or when ctx does: then requests under way are given up, what
// was fetched is flushed, and the context's cause is returned.
func Run(ctx context.Context, cfg Config, in stream.Inputs, out io.Writer) (Summary, error) {
	if err := cfg.check(); err != nil {
		return Summary{}, err
	}
	cfg.complete()
	var kept *cache
	if cfg.Cache != "" {
		var err error
		if kept, err = openCache(cfg.Cache); err != nil {
			return Summary{}, err
		}
	}
	w, err := newWriter(out, &cfg)
	if err != nil {
		return Summary{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &crawler{
		cfg:       cfg,
		extractor: extract.New(cfg.Extract),
		frontier:  newFrontier(&cfg, cancel),
		client:    newClient(&cfg, kept, cancel),
		wants:     cfg.wants(),
		width:     len(cfg.names()),
		rows:      make(chan *row, cfg.Jobs),
	}
	w.done, w.progress, w.walks, w.cache, w.meter = c.frontier.done, cfg.Progress, cfg.Follow.active(), kept, cfg.Meter
	defer c.client.close()
	defer c.frontier.close()
	defer c.visited.close()
	defer context.AfterFunc(ctx, c.frontier.stop)()

	var writing, working sync.WaitGroup
	writing.Go(func() { w.write(c.rows, cancel) })
	for range cfg.Jobs {
		working.Go(func() { c.work(ctx) })
	}
	read, readErr := c.read(ctx, in)
	if !cfg.Follow.active() && cfg.Extract.Each == nil && !cfg.IfChanged { // a record for each
		cfg.Meter.SetRecords(read - c.resumed)
	}
	c.frontier.end()
	working.Wait()
	close(c.rows)
	writing.Wait()

	sum := w.sum
	sum.In, sum.Rejected, sum.Skipped = read, cfg.Rejects.Count(), c.visited.skipped
	sum.Resumed += c.resumed
	switch {
	case ctx.Err() != nil:
		return sum, context.Cause(ctx)
	case readErr != nil:
		return sum, readErr
	}
	if err := cfg.Progress.finish(); err != nil {
		return sum, err
	}
	if sum.Failed > 0 && !cfg.ErrorsOK {
		return sum, errors.Join(cfg.Rejects.Err(), &FailedError{sum.Failed, sum.Out, w.failed.seq, w.failed.err})
	}
	return sum, cfg.Rejects.Err()
}

// complete puts the defaults in.
func (c *Config) complete() {
	setDefault(&c.URLField, DefaultURLField)
	setDefault(&c.Jobs, DefaultJobs)
	setDefault(&c.PerHost, DefaultPerHost)
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.IdleTimeout, DefaultIdleTimeout)
	setDefault(&c.MaxBody, DefaultMaxBody)
	setDefault(&c.UserAgent, DefaultUserAgent)
	setDefault(&c.Format, record.JSONL)
	c.agent = robots.ProductToken(c.UserAgent)
	c.Extract.Agent = strings.ToLower(c.agent)
	c.Extract.Follow = c.Follow.Depth > 0
	if c.Rejects == nil {
		c.Rejects = &reject.Sink{Tool: "crawl"}
	}
}

// check reports fields of one name, and fields that there are not.
func (c *Config) check() error {
	names := slices.Concat(leading, trailing, []string{inputField})
	if c.DryRun {
		names = slices.Clone(verdictFields)
	}
	if err := c.Extract.Check(); err != nil {
		return err
	}
	for _, name := range c.extracted() {
		if slices.Contains(names, name) {
			return fmt.Errorf("field %s: the record has a field of that name already", name)
		}
		names = append(names, name)
	}
	if c.IfChanged && c.Cache == "" {
		return errors.New("what has changed is known by a cache: if-changed does not go without one")
	}
	if c.Ordered && c.Follow.active() {
		return errors.New("links are followed in no set order: ordered does not go with it")
	}
	for i, name := range c.Fields {
		if !slices.Contains(names, name) {
			return fmt.Errorf("field %s: a record has no such field: its fields are %s", name, strings.Join(c.names(), ", "))
		}
		if slices.Contains(c.Fields[:i], name) {
			return fmt.Errorf("field %s is named twice", name)
		}
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// delay is the time between two requests to the host of an address.
func (c *Config) delay(a *address) time.Duration {
	switch {
	case c.Delay != nil:
		return *c.Delay
	case a.loopback():
		return 0
	}
	return DefaultDelay
}
