package crawl

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"pipeworks/internal/robots"
)

const (
	maxRedirects       = 10
	maxRobotsRedirects = 5 // RFC 9309, section 2.3.1.2

	firstWait = 500 * time.Millisecond // before the first retry; each further one is twice as long
	maxWait   = 30 * time.Second

	robotsLife       = 24 * time.Hour // RFC 9309, section 2.4
	robotsFailedLife = time.Minute
)

// spareBuffer is the largest buffer that a worker keeps from page to page.
const spareBuffer = 1 << 20

// work takes tasks from the frontier until there are none.
func (c *crawler) work(ctx context.Context) {
	var buf bytes.Buffer
	for t := c.frontier.next(); t != nil; t = c.frontier.next() {
		if t.host == nil {
			c.finish(ctx, t, &answer{})
			continue
		}
		limit := c.cfg.MaxBody
		switch {
		case t.rules != nil:
			limit = robots.MaxSize
		case t.sitemap:
			limit = maxSitemap
		}
		a := c.client.get(ctx, t, limit, &buf)
		if ctx.Err() != nil {
			return // whatever it brought may be but a part
		}
		t.sent = a.sent
		t.spent += a.took
		c.answered(ctx, t, &a)
		if buf.Cap() > spareBuffer {
			buf = bytes.Buffer{}
		}
	}
}

// answered decides how a task goes on: another hop, another try, or its end.
func (c *crawler) answered(ctx context.Context, t *task, a *answer) {
	o := outcome{unsent: a.unsent}
	wait := backoff(t.tries)
	switch a.status {
	case 0:
		if a.err.Kind != kindURL && a.err.Kind != kindAddress {
			o.failed = a.err
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		o.busy, o.rest = true, max(wait, a.retryAfter)
	}
	switch {
	case a.redirect && c.redirected(t, a):
		c.frontier.again(t, o)
	case a.err != nil && a.err.Retryable && t.tries < c.cfg.Retries && o.rest <= maxRest:
		t.tries++
		t.due = a.sent.Add(a.took + wait)
		c.frontier.again(t, o)
	case t.rules != nil:
		c.frontier.setRules(t, c.ruling(a), o)
	default:
		c.frontier.answered(t, o)
		if t.err == nil {
			t.err = a.err
		}
		c.finish(ctx, t, a)
	}
}

// finish ends a task: its links are followed, its record is handed on. A sitemap
// has none, unless it should be there and is not.
func (c *crawler) finish(ctx context.Context, t *task, a *answer) {
	if !t.sitemap {
		c.emit(ctx, t, a)
		return
	}
	if t.err == nil {
		if err := c.readSitemap(t, a); err != nil {
			c.frontier.fail(err)
		}
	}
	if t.err != nil && !t.guess {
		c.emit(ctx, t, a)
	} else {
		c.frontier.done(t)
	}
}

// redirected sets the task's address to where a redirect leads. It returns
// false if the redirect is the end of the task.
func (c *crawler) redirected(t *task, a *answer) bool {
	most := maxRedirects
	if t.rules != nil {
		most = maxRobotsRedirects
	}
	to, err := t.to.redirect(a.header.Get("Location"))
	switch {
	case err != nil:
		a.err = newError(kindRedirect, false, "redirected to %v", err)
		return false
	case len(t.trail) >= most:
		a.err = newError(kindRedirect, false, "more than %d redirects", most)
		return false
	case t.depth > 0 && !t.sitemap && !c.wanted(t.input, to.href):
		a.err = newError(kindRedirect, false, "redirected out of scope, to %s", to.href)
		return false
	}
	if c.cfg.Follow.active() && t.rules == nil && !t.sitemap && !t.passed(to) {
		// It may be a page that was, or will be, linked to.
		if t.dupOf, err = c.visited.claim(to.href, t.seq); err != nil {
			c.frontier.fail(err)
		}
	}
	t.trail = append(t.trail, hop{a.status, t.to.href})
	t.to = to
	if a.public && !c.cfg.AllowPrivateRedirects {
		t.reach = publicOnly
	}
	return true
}

// passed reports whether an address is on the task's own way.
func (t *task) passed(to *address) bool {
	return to.href == t.to.href || slices.ContainsFunc(t.trail, func(h hop) bool { return h.URL == to.href })
}

// ruling is what the answer to a request for a robots.txt means (RFC 9309,
// section 2.3.1). A redirect that leads nowhere counts as 404.
func (c *crawler) ruling(a *answer) ruling {
	r := ruling{rules: &robots.Rules{}, life: robotsLife}
	tooLong := a.err != nil && a.err.Kind == kindBody && len(a.body) == robots.MaxSize
	switch {
	case a.status >= 500 || a.status == http.StatusTooManyRequests:
		r.err = newError(kindRobots, true, "robots.txt cannot be had: %s", a.err.Message)
		r.life = robotsFailedLife
	case a.status >= 300:
	case a.err != nil && !tooLong:
		r.err = newError(a.err.Kind, a.err.Retryable, "fetch robots.txt: %s", a.err.Message)
		r.life = robotsFailedLife
	default:
		r.rules = robots.Parse(a.body, c.cfg.agent)
		r.size = len(a.body)
	}
	return r
}

// backoff is how long to wait before a retry: jittered, so that what failed
// together is not tried again together.
func backoff(tries int) time.Duration {
	wait := min(firstWait<<min(tries, 10), maxWait)
	return wait/2 + rand.N(wait/2)
}
