package crawl

import (
	"cmp"
	"container/heap"
	"math/rand/v2"
	"time"

	"pipeworks/internal/robots"
)

// maxRest is how long a host may ask to be left alone (Retry-After). If it is
// longer, what is wanted from the host ends with an error meanwhile.
const maxRest = 2 * time.Minute

// A host that answers 429 or 503 is asked less often: a pause is added to its
// delay, doubled by each such answer and shortened by each other one.
const (
	firstPause = 500 * time.Millisecond
	maxPause   = 30 * time.Second
)

// A host that fails is rested when it has done so a few times in a row, for
// longer each time, and in the end given up for a while, so that a long list of its
// pages does not last for ever.
const (
	restAfter  = 5
	firstRest  = 5 * time.Second
	closeAfter = 8
	closedFor  = 10 * time.Minute
)

// outcome is what a request taught about its host.
type outcome struct {
	unsent bool          // there was none: the answer was known
	busy   bool          // it answered 429 or 503
	failed *pageError    // it gave no answer
	rest   time.Duration // to leave it alone
}

// host is what the frontier knows about one host, by its name: the ports and
// schemes of one name share a machine.
type host struct {
	queue    taskHeap
	chain    chain         // tasks behind these, on disk
	loaded   int           // tasks in memory, queued or not
	active   int           // requests under way
	delay    time.Duration // between two requests
	pause    time.Duration // added to the delay, for it is busy
	last     time.Time     // when the last request was sent
	jitter   float64       // what of the delay is added to it
	rest     time.Time     // none before, for it answered badly or asked for it
	closed   time.Time     // none before, and that is longer than maxRest
	failures int           // in a row
	failure  *pageError    // the last of those that closed it; nil: it asked for it
	origins  []*origin

	at    time.Time // when the first of the queue can be sent
	index int       // in the heap of hosts; -1: not in it
}

// origin is a scheme, host and port, with its own robots.txt.
type origin struct {
	ruling
	name    string
	host    *host
	expires time.Time // when the ruling does
	asked   bool      // a task to fetch the robots.txt is queued or under way
	waiting []*task   // for it
}

// ruling is what an origin's robots.txt, or its absence, says.
type ruling struct {
	rules *robots.Rules
	err   *pageError // why nothing may be fetched at all
	size  int        // of the file
	life  time.Duration
}

// check returns why the address may not be fetched, nil if it may.
func (r *ruling) check(a *address) *pageError {
	switch {
	case r.err != nil:
		return r.err
	case !r.rules.Allowed(robots.Escape(a.href)):
		return newError(kindRobots, false, "%s/robots.txt forbids it", a.origin)
	}
	return nil
}

// maxCrawlDelay bounds the Crawl-delay that is honoured: some files ask for
// days.
const maxCrawlDelay = time.Minute

func (r *ruling) delay() time.Duration {
	if r.rules == nil {
		return 0
	}
	return min(r.rules.CrawlDelay, maxCrawlDelay)
}

func (h *host) origin(name string) *origin {
	for _, o := range h.origins {
		if o.name == name {
			return o
		}
	}
	o := &origin{name: name, host: h}
	h.origins = append(h.origins, o)
	return o
}

// sent says that a request is sent now. The delay is jittered, so that several
// crawls do not fall into step.
func (h *host) sent(now time.Time) { h.last, h.jitter = now, rand.Float64()/4 }

// next is when the host may get another request.
func (h *host) next() time.Time {
	delay := h.delay + h.pause
	next := h.last.Add(delay + time.Duration(h.jitter*float64(delay)))
	if h.rest.After(next) {
		return h.rest
	}
	return next
}

// learn takes in how a request ended. It reports whether the host is closed for
// it.
func (h *host) learn(o outcome, now time.Time) bool {
	rest := o.rest
	if o.busy {
		h.pause = min(max(2*h.pause, firstPause), maxPause)
	} else if h.pause -= h.pause / 8; h.pause < firstPause/2 {
		h.pause = 0
	}
	switch {
	case o.failed == nil:
		h.failures = 0
	case h.failures+1 >= closeAfter:
		rest = closedFor
	default:
		if h.failures++; h.failures >= restAfter {
			rest = max(rest, firstRest<<(h.failures-restAfter))
		}
	}
	until := now.Add(rest)
	if until.After(h.rest) {
		h.rest = until
	}
	if rest <= maxRest {
		return false
	}
	h.closed, h.failure = until, o.failed
	return true
}

// closedError is the error of what is wanted from a host that is closed.
func (h *host) closedError() *pageError {
	until := h.closed.UTC().Format(time.RFC3339)
	if h.failure != nil {
		return newError(kindBusy, true, "the host has failed %d times in a row and is left alone until %s: %s", closeAfter, until, h.failure.Message)
	}
	return newError(kindBusy, true, "the host asked for no request before %s", until)
}

// idle reports whether nothing is lost when the host is forgotten, but for
// its robots.txt.
func (h *host) idle(now time.Time) bool {
	for _, o := range h.origins {
		if o.asked {
			return false
		}
	}
	return h.active == 0 && h.loaded == 0 && h.chain.empty() && !h.next().After(now)
}

func (h *host) size() int {
	size := hostSize
	for _, o := range h.origins {
		size += o.ruling.size
	}
	return size
}

// hostHeap has the host on top whose next task can be sent first.
type hostHeap []*host

func (q hostHeap) Len() int           { return len(q) }
func (q hostHeap) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q hostHeap) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *hostHeap) Push(x any) {
	h := x.(*host)
	h.index = len(*q)
	*q = append(*q, h)
}

// Pop implements heap.Interface.
func (q *hostHeap) Pop() any {
	last := len(*q) - 1
	h := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	h.index = -1
	return h
}

// taskHeap has the task on top that is due first: one that waits for a retry
// has its place behind those that came before its time.
type taskHeap []*task

func (q taskHeap) Len() int { return len(q) }
func (q taskHeap) Less(i, j int) bool {
	return cmp.Or(q[i].due.Compare(q[j].due), cmp.Compare(q[i].depth, q[j].depth), cmp.Compare(q[i].seq, q[j].seq)) < 0
}
func (q taskHeap) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *taskHeap) Push(x any) { *q = append(*q, x.(*task)) }

// Pop implements heap.Interface.
func (q *taskHeap) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return t
}

var _, _ heap.Interface = (*hostHeap)(nil), (*taskHeap)(nil)
