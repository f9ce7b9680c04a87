package crawl

import (
	"container/heap"
	"sync"
	"time"
)

// Bounds of the frontier. A list sorted by host is read ahead so far that the
// hosts behind the first one get their turn meanwhile.
const (
	maxPending = 10_000   // inputs that were read and have no record yet
	maxInput   = 16 << 20 // bytes of them
	maxHosts   = 64 << 20 // bytes of what is known about idle hosts, robots.txt above all
	hostSize   = 1 << 10  // about what a host takes without its robots.txt
)

// frontier holds the tasks that wait for their turn: a queue for each host,
// and a heap of the hosts by the time of their next request, so that a host
// that is slow or rests holds back no other. It sees to it that no host has
// more than perHost requests at once or two within its delay.
type frontier struct {
	perHost int
	delay   func(*address) time.Duration
	obey    bool // robots.txt

	mu      sync.Mutex
	work    *sync.Cond // something may have come due, or nothing comes any more
	room    *sync.Cond // there may be room for another input
	timer   *time.Timer
	hosts   map[string]*host
	size    int      // of the hosts
	ready   hostHeap // hosts with a task queued and a request free
	settled []*task  // tasks that need no request
	pending int      // inputs added and not done
	bytes   int      // of these inputs
	ended   bool     // no further input comes
	stopped bool
}

// task is a page to fetch for an input, or the robots.txt of an origin.
type task struct {
	input
	to    *address   // of the next request
	rules *origin    // whose robots.txt it is; nil: a page
	err   *pageError // why there is nothing to fetch
	due   time.Time  // no request before; the place in the queue, too

	host  *host // of the request under way
	hops  int
	tries int
	sent  time.Time     // when the last request was
	spent time.Duration // on all requests
}

func newFrontier(perHost int, obey bool, delay func(*address) time.Duration) *frontier {
	f := &frontier{perHost: perHost, obey: obey, delay: delay, hosts: map[string]*host{}}
	f.work, f.room = sync.NewCond(&f.mu), sync.NewCond(&f.mu)
	f.timer = time.AfterFunc(time.Hour, func() {
		f.mu.Lock() // a worker about to wait has to wait first
		defer f.mu.Unlock()
		f.work.Signal()
	})
	f.timer.Stop()
	return f
}

// add takes the task of a new input. It waits while there is no room, and
// returns false when the frontier was stopped.
func (f *frontier) add(t *task) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.stopped && (f.pending >= maxPending || f.bytes >= maxInput) {
		f.room.Wait()
	}
	if f.stopped {
		return false
	}
	f.pending++
	f.bytes += t.size()
	t.due = time.Now()
	f.enqueue(t)
	f.wake()
	return true
}

// end says that no further input comes.
func (f *frontier) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.work.Broadcast()
}

// stop makes next and add return at once.
func (f *frontier) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
	f.timer.Stop()
	f.work.Broadcast()
	f.room.Broadcast()
}

// next waits for a task whose turn has come and takes it out. A task without
// an err is to be followed by retry, follow, answered or setRules. It returns
// nil when all inputs are done or the frontier was stopped.
func (f *frontier) next() *task {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.stopped && !(f.ended && f.pending == 0) {
		if t := f.take(); t != nil {
			f.wake()
			return t
		}
		f.wake()
		f.work.Wait()
	}
	return nil
}

func (f *frontier) take() *task {
	if n := len(f.settled); n > 0 {
		t := f.settled[n-1]
		f.settled = f.settled[:n-1]
		return t
	}
	now := time.Now()
	if len(f.ready) == 0 || f.ready[0].at.After(now) {
		return nil
	}
	h := f.ready[0]
	t := heap.Pop(&h.queue).(*task)
	t.host = h
	h.active++
	h.last = now
	f.place(h)
	return t
}

// wake lets one waiting worker look again, now or when the next host is due.
// That worker wakes the next one, so that a task wakes one and not all.
func (f *frontier) wake() {
	switch now := time.Now(); {
	case len(f.settled) > 0, len(f.ready) > 0 && !f.ready[0].at.After(now):
		f.work.Signal()
	case len(f.ready) > 0:
		f.timer.Reset(f.ready[0].at.Sub(now))
	}
}

// answered ends the request of a task whose host is then left alone for rest.
func (f *frontier) answered(t *task, rest time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free(t, rest)
	f.wake()
}

// again ends the request of a task and queues it for the next one, of which
// it has set the address and the time.
func (f *frontier) again(t *task, rest time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free(t, rest)
	f.enqueue(t)
	f.wake()
}

// done forgets an input, whose record has been handed on.
func (f *frontier) done(t *task) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending--
	f.bytes -= t.size()
	f.room.Signal()
	if f.ended && f.pending == 0 {
		f.work.Broadcast()
	}
}

// setRules ends the request for an origin's robots.txt and lets the tasks go
// on that waited for it.
func (f *frontier) setRules(t *task, r ruling, rest time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := t.rules
	f.size += r.size - o.size
	waiting := o.waiting
	o.ruling, o.waiting, o.asked, o.expires = r, nil, false, time.Now().Add(r.life)
	o.host.delay = max(o.host.delay, r.delay())
	f.place(o.host)
	f.free(t, rest)
	for _, w := range waiting {
		f.enqueue(w)
	}
	f.wake()
}

// host returns what is known about the host of an address.
func (f *frontier) host(a *address) *host {
	h := f.hosts[a.host]
	if h == nil {
		f.trim()
		h = &host{delay: f.delay(a), index: -1}
		f.hosts[a.host] = h
		f.size += hostSize
	}
	return h
}

// enqueue puts the task into its host's queue, if its origin's robots.txt
// allows it, or lets it wait for that file.
func (f *frontier) enqueue(t *task) {
	if t.err != nil {
		f.settle(t, t.err)
		return
	}
	h := f.host(t.to)
	now := time.Now()
	if now.Before(h.closed) {
		f.settle(t, h.busy())
		return
	}
	if f.obey && t.rules == nil {
		o := h.origin(t.to.origin)
		if now.Before(o.expires) {
			if err := o.check(t.to); err != nil {
				f.settle(t, err)
				return
			}
		} else {
			o.waiting = append(o.waiting, t)
			if o.asked {
				return
			}
			o.asked = true
			t = &task{rules: o, to: t.to.robots()}
		}
	}
	heap.Push(&h.queue, t)
	f.place(h)
}

// settle ends a task without a request. Those that wait for a robots.txt end
// with it.
func (f *frontier) settle(t *task, err *pageError) {
	if t.rules == nil {
		t.err = err
		f.settled = append(f.settled, t)
		return
	}
	waiting := t.rules.waiting
	t.rules.waiting, t.rules.asked = nil, false
	for _, w := range waiting {
		f.settle(w, err)
	}
}

// free gives the request of a task back to its host, which is then left alone
// for rest. What is queued for a host that rests too long is settled.
func (f *frontier) free(t *task, rest time.Duration) {
	h := t.host
	t.host = nil
	h.active--
	until := time.Now().Add(rest)
	if until.After(h.rest) {
		h.rest = until
	}
	if rest > maxRest {
		queue := h.queue
		h.queue, h.closed = nil, until
		for _, queued := range queue {
			f.settle(queued, h.busy())
		}
	}
	f.place(h)
}

// place puts the host where it belongs in the heap, or takes it out.
func (f *frontier) place(h *host) {
	if len(h.queue) == 0 || h.active >= f.perHost {
		if h.index >= 0 {
			heap.Remove(&f.ready, h.index)
		}
		return
	}
	h.at = h.next()
	if due := h.queue[0].due; due.After(h.at) {
		h.at = due
	}
	if h.index >= 0 {
		heap.Fix(&f.ready, h.index)
	} else {
		heap.Push(&f.ready, h)
	}
}

// trim forgets idle hosts when many are known: a long list may name millions.
func (f *frontier) trim() {
	if f.size <= maxHosts {
		return
	}
	now := time.Now()
	for name, h := range f.hosts {
		if h.idle(now) {
			f.size -= h.size()
			delete(f.hosts, name)
		}
		if f.size <= maxHosts/2 {
			return
		}
	}
}
