package crawl

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"pipeworks/internal/contentcoding"
)

// client sends single requests. It follows no redirect and repeats nothing:
// that is decided with the frontier.
type client struct {
	transports [2]*http.Transport // by reach: a connection is used for requests of one reach alone
	proxy      func(*http.Request) (*url.URL, error)
	own        Credentials
	cache      *cache    // nil: none
	since      time.Time // what was fetched later is fetched by this run, or what it goes on with
	archive    *Archive  // nil: none
	fail       func(error)
	userAgent  string
	timeout    time.Duration // of a request, to the last byte of its answer
	idle       time.Duration // to the first byte, and between two
}

const (
	connectTimeout = 10 * time.Second
	idleTimeout    = 30 * time.Second // of a connection kept open
	maxHeader      = 64 << 10         // bytes of an answer's header
	maxDrain       = 64 << 10         // bytes read to keep a connection whose answer is of no use
)

func newClient(cfg *Config, cache *cache, fail func(error)) *client {
	c := &client{cache: cache, since: cfg.Progress.began(), archive: cfg.Archive, fail: fail, userAgent: cfg.UserAgent, own: cfg.Credentials, timeout: cfg.Timeout, idle: cfg.IdleTimeout, proxy: http.ProxyFromEnvironment}
	if cfg.Proxy != nil {
		c.proxy = http.ProxyURL(cfg.Proxy)
	}
	dial := cfg.dial
	if dial == nil {
		dial = (&dialer{resolver: newResolver(), timeout: connectTimeout}).dial
	}
	for i := range c.transports {
		c.transports[i] = &http.Transport{
			Proxy: c.proxy,
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				return dial(ctx, reach(i), address)
			},
			ForceAttemptHTTP2:      true, // a dialer of one's own turns it off
			DisableCompression:     true, // bodies are decoded here, where their length is watched
			TLSHandshakeTimeout:    connectTimeout,
			MaxIdleConns:           2 * cfg.Jobs,
			MaxIdleConnsPerHost:    cfg.PerHost,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeader,
		}
	}
	return c
}

// close closes the connections kept open.
func (c *client) close() {
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}

// answer is what a request brought.
type answer struct {
	status     int // 0: nothing
	header     http.Header
	body       []byte     // decoded; valid until the worker's next request
	redirect   bool       // header's Location says where to go
	err        *pageError // why there is none, or not all of it
	ip         netip.Addr // where it came from
	public     bool       // that is of the public internet
	sent       time.Time
	took       time.Duration
	retryAfter time.Duration // 0: the server names none

	cached    bool // the body was stored before
	unsent    bool // and nobody was asked
	unchanged bool // it is the one that was handed on last
	stored    bool // it is to be handed on
}

// get sends the request of a task, or finds its answer in the cache. It reads at
// most limit bytes of the body into buf.
func (c *client) get(ctx context.Context, t *task, limit int, buf *bytes.Buffer) (a answer) {
	a.sent = time.Now()
	defer func() { a.took = time.Since(a.sent) }()
	ctx, watch := newWatch(ctx, c.timeout, c.idle)
	defer watch.stop()
	request, err := c.request(ctx, t, &a)
	if err != nil {
		a.err = newError(kindURL, false, "%v", err)
		return a
	}
	if c.cache == nil {
		c.send(request, t, watch, limit, buf, &a)
		return a
	}
	stored := c.cache.load(t.to.href)
	if stored != nil && !stored.suits(request, t) {
		stored = nil
	}
	if stored != nil {
		if stored.fresh(a.sent) || c.since.Before(stored.Sent) {
			stored.answer(&a)
			a.unsent = true
			return a
		}
		stored.ask(request)
	}
	c.send(request, t, watch, limit, buf, &a)
	if err := c.cache.keep(request, t, stored, &a); err != nil {
		c.fail(fmt.Errorf("write to the cache: %w", err))
	}
	return a
}

// send sends a request and reads the answer.
func (c *client) send(request *http.Request, t *task, watch *watch, limit int, buf *bytes.Buffer, a *answer) {
	ctx := request.Context()
	response, err := c.transport(t, request).RoundTrip(request)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		a.err = requestError(err, false)
		return
	}
	defer response.Body.Close()
	watch.tick()
	a.status, a.header = response.StatusCode, response.Header
	a.retryAfter = retryAfter(a.header.Get("Retry-After"), a.sent)
	switch a.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		a.redirect = a.header.Get("Location") != ""
	}
	body := io.Reader(response.Body)
	if c.archive != nil {
		var raw bytes.Buffer
		body = io.TeeReader(body, &raw)
		defer func() {
			if err := c.archive.exchange(t, &c.own, request, response, raw.Bytes(), a); err != nil {
				c.fail(err)
			}
		}()
	}
	if a.redirect {
		_, _ = io.CopyN(io.Discard, body, maxDrain)
		return
	}
	buf.Reset()
	a.err = readBody(&wire{body: body, watch: watch, ctx: ctx}, a.header.Get("Content-Encoding"), limit, buf)
	a.body = buf.Bytes()
	if a.status >= 400 {
		a.err = newError(kindHTTP, retryableStatus(a.status), "%s", statusText(a.status))
	}
}

// request is the one that a task wants. It notes in a where the answer comes
// from.
func (c *client) request(ctx context.Context, t *task, a *answer) (*http.Request, error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if at, err := netip.ParseAddrPort(info.Conn.RemoteAddr().String()); err == nil {
			a.ip = at.Addr().Unmap()
			a.public = isPublic(a.ip) == nil
		}
	}})
	request, err := t.to.request(ctx)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", c.userAgent)
	request.Header.Set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
	request.Header.Set("Accept-Encoding", contentcoding.Accepted)
	c.own.add(request, t)
	return request, nil
}

// transport is that for a task. A proxy does the connecting itself.
func (c *client) transport(t *task, request *http.Request) *http.Transport {
	if t.reach != anywhere {
		if proxy, err := c.proxy(request); err != nil || proxy == nil {
			return c.transports[t.reach]
		}
	}
	return c.transports[anywhere]
}

// retryableStatus reports whether the same request may have another answer
// soon.
func retryableStatus(status int) bool {
	return status == http.StatusTooManyRequests || status >= 500
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// retryAfter reads the header of that name, which is a number of seconds or a
// date (RFC 9110, section 10.2.3).
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

// byteSize is n as people write it.
func byteSize(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
