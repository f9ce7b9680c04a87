package fifomerge

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"pipeworks/internal/database"
	"pipeworks/internal/dburl"
)

// pool keeps connections to a database open. It never lets anyone wait: if all
// are busy it opens one more.
type pool struct {
	url   dburl.URL
	setup string // the first statement on a connection
	multi bool   // questions may go together
	keep  int    // idle connections to hold on to

	mu       sync.Mutex
	idle     []*conn // the one used last at the end
	trimming bool    // trim will be called
}

// conn is a connection that is for one request at a time.
type conn struct {
	database.Conn
	flush func() error // of the request in hand
	used  time.Time
}

// unproved is how long a connection may have been idle and still be taken for
// alive. Servers and what stands before them cut idle connections.
const unproved = 5 * time.Second

// get returns a connection on which nothing is left of earlier requests.
// While it waits for the server it calls flush.
func (p *pool) get(ctx context.Context, flush func() error) (*conn, error) {
	for {
		c := p.take()
		if c == nil {
			break
		}
		c.flush = flush
		if time.Since(c.used) < unproved || c.alive(ctx) {
			return c, nil
		}
		c.Close()
	}
	return p.open(ctx, flush)
}

func (p *pool) open(ctx context.Context, flush func() error) (*conn, error) {
	c := &conn{flush: flush}
	var err error
	c.Conn, err = database.Open(ctx, p.url, database.Options{OnWait: func() error { return c.flush() }, Multi: p.multi})
	if err != nil {
		return nil, err
	}
	if p.setup == "" {
		return c, nil
	}
	rows, err := c.Query(ctx, []byte(p.setup))
	if err == nil {
		err = rows.Close()
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", p.setup, err)
	}
	return c, nil
}

func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	c := p.idle[last]
	p.idle = p.idle[:last]
	return c
}

func (c *conn) alive(ctx context.Context) bool {
	rows, err := c.Query(ctx, []byte("SELECT 1"))
	return err == nil && rows.Close() == nil
}

// put takes back a connection that is as good as new.
func (p *pool) put(c *conn) {
	c.used = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
	if len(p.idle) > p.keep && !p.trimming {
		p.trimming = true
		time.AfterFunc(surplus, p.trim)
	}
}

// surplus is how long a connection may stay that is one too many: when many ask
// at once there is a little while between two questions of each.
const surplus = 5 * time.Second

// trim closes the connections that were not needed of late.
func (p *pool) trim() {
	for _, c := range p.takeSurplus() {
		c.Close()
	}
}

func (p *pool) takeSurplus() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trimming = false
	n := 0 // the oldest are the first
	for n < len(p.idle)-p.keep && time.Since(p.idle[n].used) >= surplus {
		n++
	}
	taken := slices.Clone(p.idle[:n])
	p.idle = slices.Delete(p.idle, 0, n)
	if len(p.idle) > p.keep {
		p.trimming = true
		time.AfterFunc(surplus, p.trim)
	}
	return taken
}

func (p *pool) close() {
	for c := p.take(); c != nil; c = p.take() {
		c.Close()
	}
}
