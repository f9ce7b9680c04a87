package crawl

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// client sends single requests. It follows no redirect and repeats nothing:
// that is decided with the frontier.
type client struct {
	transport *http.Transport
	userAgent string
	timeout   time.Duration // of a request, to the last byte of its answer
}

const (
	connectTimeout = 10 * time.Second
	idleTimeout    = 30 * time.Second // of a connection kept open
	maxHeader      = 64 << 10         // bytes of an answer's header
	maxDrain       = 64 << 10         // bytes read to keep a connection whose answer is of no use
)

// dialFunc opens connections; tests have their own.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func newClient(cfg *Config) *client {
	dial := cfg.dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: connectTimeout}).DialContext
	}
	return &client{
		userAgent: cfg.UserAgent,
		timeout:   cfg.Timeout,
		transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dial,
			ForceAttemptHTTP2:      true, // a dialer of one's own turns it off
			TLSHandshakeTimeout:    connectTimeout,
			MaxIdleConns:           2 * cfg.Jobs,
			MaxIdleConnsPerHost:    cfg.PerHost,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeader,
		},
	}
}

// close closes the connections kept open.
func (c *client) close() { c.transport.CloseIdleConnections() }

// answer is what a request brought.
type answer struct {
	status     int // 0: nothing
	header     http.Header
	body       []byte     // decoded; valid until the worker's next request
	redirect   bool       // header's Location says where to go
	err        *pageError // why there is none, or not all of it
	sent       time.Time
	took       time.Duration
	retryAfter time.Duration // 0: the server names none
}

// get fetches the address. It reads at most limit bytes of the body into buf.
func (c *client) get(ctx context.Context, to *address, limit int, buf *bytes.Buffer) (a answer) {
	a.sent = time.Now()
	defer func() { a.took = time.Since(a.sent) }()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := to.request(ctx)
	if err != nil {
		a.err = newError(kindURL, false, "%v", err)
		return a
	}
	request.Header.Set("User-Agent", c.userAgent)
	request.Header.Set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		a.err = requestError(err, false)
		return a
	}
	defer response.Body.Close()
	a.status, a.header = response.StatusCode, response.Header
	a.retryAfter = retryAfter(a.header.Get("Retry-After"), a.sent)
	switch a.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		a.redirect = a.header.Get("Location") != ""
	}
	if a.redirect {
		_, _ = io.CopyN(io.Discard, response.Body, maxDrain)
		return a
	}
	buf.Reset()
	_, err = buf.ReadFrom(io.LimitReader(response.Body, int64(limit)+1))
	a.body = buf.Bytes()
	switch {
	case a.status >= 400:
		a.err = newError(kindHTTP, retryableStatus(a.status), "%s", statusText(a.status))
	case err != nil:
		a.err = requestError(err, true)
	case len(a.body) > limit:
		a.err = newError(kindBody, false, "longer than %s", byteSize(limit))
	}
	a.body = a.body[:min(len(a.body), limit)]
	return a
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
