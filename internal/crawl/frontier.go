package crawl

import (
	"container/heap"
	"fmt"
	"sync"
	"time"
)

// Bounds of the frontier. A list sorted by host is read so far ahead that the
// hosts behind the first one get their turn meanwhile: what there is no room for
// in memory waits on disk, and what there is no room for on disk is not read.
const (
	maxLoaded  = 10_000   // tasks in memory
	hostLoaded = 256      // of these, for one host
	maxInput   = 16 << 20 // bytes of the inputs in memory
	maxSpill   = 1 << 30  // bytes of the tasks on disk
	maxWindow  = 10_000   // inputs under way that keep their order
	maxHosts   = 64 << 20 // bytes of what is known about idle hosts, robots.txt above all
	hostSize   = 1 << 10  // about what a host takes without its robots.txt
)

// frontier holds the tasks that wait for their turn: a queue for each host,
// and a heap of the hosts by the time of their next request, so that a host
// that is slow or rests holds back no other. It sees to it that no host has
// more than perHost requests at once or two within its delay.
type frontier struct {
	perHost  int
	window   int  // inputs under way; 0: as many as there is room for
	obey     bool // robots.txt
	verdicts bool // of robots.txt are all that is wanted
	follows  bool // tasks may bring others of the same input
	delay    func(*address) time.Duration
	fail     func(error) // ends the run: the disk is full

	mu       sync.Mutex
	work     *sync.Cond // something may have come due, or nothing comes any more
	room     *sync.Cond // there may be room for another input
	timer    *time.Timer
	hosts    map[string]*host
	size     int              // of the hosts
	ready    hostHeap         // hosts with a task queued and a request free
	settled  []*task          // tasks that need no request
	inputs   map[int64]*input // that are followed
	live     int              // tasks added and not done
	loaded   int              // of these, in memory
	bytes    int              // of the inputs in memory
	spill    spill
	maxSpill int64
	ended    bool // no further input comes
	stopped  bool
}

func newFrontier(cfg *Config, fail func(error)) *frontier {
	f := &frontier{
		perHost: cfg.PerHost, obey: !cfg.IgnoreRobots, verdicts: cfg.DryRun, follows: cfg.Follow.active(), delay: cfg.delay, fail: fail,
		hosts: map[string]*host{}, inputs: map[int64]*input{}, maxSpill: maxSpill,
	}
	if cfg.Ordered {
		f.window = maxWindow
	}
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
	for !f.stopped && f.full(t) {
		f.room.Wait()
	}
	if f.stopped {
		return false
	}
	if f.follows {
		f.inputs[t.seq] = t.input
		f.bytes += t.size()
	}
	f.accept(t)
	f.wake()
	return true
}

// follow takes the tasks of links in a page whose own task is not done yet. It
// never waits: there is always room on disk.
func (f *frontier) follow(tasks []*task) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range tasks {
		f.accept(t)
	}
	f.wake()
}

// sitemaps are those that the robots.txt of an origin names.
func (f *frontier) sitemaps(a *address) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.hosts[a.host]; h != nil {
		if o := h.origin(a.origin); o.rules != nil {
			return o.rules.Sitemaps
		}
	}
	return nil
}

// full reports whether the task of an input has to wait. Those of a host that
// is known wait on disk.
func (f *frontier) full(t *task) bool {
	switch {
	case f.window > 0 && f.live >= f.window, f.spill.size >= f.maxSpill, f.follows && f.bytes >= maxInput:
		return true
	case f.loaded < maxLoaded && f.bytes < maxInput:
		return false
	case t.needsNone():
		return true
	}
	return f.hosts[t.to.host] == nil
}

// accept puts a new task where it waits: in memory or on disk.
func (f *frontier) accept(t *task) {
	f.live++
	t.due = time.Now()
	t.tasks++
	if !t.needsNone() {
		h := f.host(t.to)
		if !h.chain.empty() || h.loaded >= hostLoaded || f.loaded >= maxLoaded || f.bytes >= maxInput {
			if err := f.spill.push(&h.chain, t, !f.follows); err != nil {
				f.giveUp(err)
			}
			f.place(h)
			return
		}
		t.owner = h
	}
	f.load(t)
}

// load puts a task into memory.
func (f *frontier) load(t *task) {
	f.loaded++
	if !f.follows {
		f.bytes += t.size()
	}
	if t.owner != nil {
		t.owner.loaded++
	}
	f.enqueue(t)
}

// reload brings tasks of a host back from disk.
func (f *frontier) reload(h *host) {
	tasks, err := f.spill.pop(&h.chain, f.inputs)
	if err != nil {
		f.giveUp(err)
		return
	}
	for _, t := range tasks {
		t.owner = h
		f.load(t)
	}
	f.room.Signal()
}

// giveUp ends the run with an error of the disk.
func (f *frontier) giveUp(err error) {
	f.fail(fmt.Errorf("what waits on disk: %w", err))
	f.stopped = true
	f.work.Broadcast()
	f.room.Broadcast()
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

// next waits for a task whose turn has come and takes it out. A task that needs
// a request is to be followed by again, answered or setRules. It returns nil when
// all inputs are done or the frontier was stopped.
func (f *frontier) next() *task {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.stopped && !(f.ended && f.live == 0) {
		if t := f.take(); t != nil {
			f.wake()
			return t
		}
		f.wake()
		if !f.stopped { // by take, for the disk
			f.work.Wait()
		}
	}
	return nil
}

func (f *frontier) take() *task {
	for now := time.Now(); ; {
		if n := len(f.settled); n > 0 {
			t := f.settled[n-1]
			f.settled = f.settled[:n-1]
			return t
		}
		if f.stopped || len(f.ready) == 0 || f.ready[0].at.After(now) {
			return nil
		}
		h := f.ready[0]
		if len(h.queue) == 0 {
			f.reload(h)
			f.place(h)
			continue
		}
		t := heap.Pop(&h.queue).(*task)
		t.host, t.turn, t.before = h, now, h.last
		h.active++
		h.sent(now)
		f.place(h)
		return t
	}
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

// answered ends the request of a task.
func (f *frontier) answered(t *task, o outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free(t, o)
	f.wake()
}

// again ends the request of a task and queues it for the next one, of which
// it has set the address and the time.
func (f *frontier) again(t *task, o outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free(t, o)
	f.enqueue(t)
	f.wake()
}

// done forgets a task, whose record has been handed on.
func (f *frontier) done(t *task) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live--
	f.loaded--
	if t.tasks--; t.tasks == 0 || !f.follows {
		delete(f.inputs, t.seq)
		f.bytes -= t.size()
	}
	if t.owner != nil {
		t.owner.loaded--
		f.place(t.owner)
		f.wake()
	}
	f.room.Signal()
	if f.ended && f.live == 0 {
		f.work.Broadcast()
	}
}

// setRules ends the request for an origin's robots.txt and lets the tasks go
// on that waited for it.
func (f *frontier) setRules(t *task, r ruling, o outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	origin := t.rules
	waiting := origin.waiting
	if t.reach != anywhere && r.err != nil && r.err.Kind == kindAddress {
		// Others may have what this task must not even ask.
		origin.waiting, origin.asked = nil, false
		f.free(t, o)
		for _, w := range waiting {
			if w.reach == t.reach {
				f.settle(w, r.err)
			} else {
				f.enqueue(w)
			}
		}
		f.wake()
		return
	}
	f.size += r.size - origin.size
	origin.ruling, origin.waiting, origin.asked, origin.expires = r, nil, false, time.Now().Add(r.life)
	origin.host.delay = max(origin.host.delay, r.delay())
	f.place(origin.host)
	f.free(t, o)
	for _, w := range waiting {
		f.enqueue(w)
	}
	f.wake()
}

// close gives the disk back.
func (f *frontier) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spill.close()
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
	if t.needsNone() {
		f.settle(t, t.err)
		return
	}
	h := f.host(t.to)
	now := time.Now()
	if now.Before(h.closed) {
		f.settle(t, h.closedError())
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
			t = &task{input: &input{}, rules: o, to: t.to.robots(), reach: t.reach}
		}
	}
	if f.verdicts && t.rules == nil {
		f.settle(t, nil)
		return
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
// for as long as its outcome says. What is queued for a host that rests too long is
// settled.
func (f *frontier) free(t *task, o outcome) {
	h := t.host
	t.host = nil
	h.active--
	if o.unsent {
		if h.last.Equal(t.turn) {
			h.last = t.before
		}
		f.place(h)
		return
	}
	if h.learn(o, time.Now()) {
		queue := h.queue
		h.queue = nil
		for _, queued := range queue {
			f.settle(queued, h.closedError())
		}
	}
	f.place(h)
}

// place puts the host where it belongs in the heap, or takes it out.
func (f *frontier) place(h *host) {
	switch {
	case h.active >= f.perHost, len(h.queue) == 0 && (h.chain.empty() || h.loaded >= hostLoaded):
		if h.index >= 0 {
			heap.Remove(&f.ready, h.index)
		}
		return
	case len(h.queue) == 0:
		h.at = time.Time{} // to bring its tasks back from disk is no request
	default:
		h.at = h.next()
		if due := h.queue[0].due; due.After(h.at) {
			h.at = due
		}
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
