package fifomerge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"pipeworks/internal/fifo"
)

// namedSessions keep a connection each, with all that is left on it, for
// clients that come one after another.
type namedSessions struct {
	idle time.Duration // after which one is ended
	wait time.Duration // for another client to be done with it

	mu  sync.Mutex
	all map[string]*namedSession
}

// namedSession is used by the holder of its turn.
type namedSession struct {
	name  string
	turn  chan struct{}
	conn  *conn // nil: none yet
	clean bool  // nothing is left on conn
	lost  bool  // something was, and nobody has been told that it is gone

	users int // who have it or wait for it
	timer *time.Timer
}

// forget is how long it is kept in mind that a session was lost.
const forget = time.Hour

// take waits for the session called name, which is a new one if there is none.
func (n *namedSessions) take(ctx context.Context, name string) (*namedSession, error) {
	n.mu.Lock()
	s := n.all[name]
	if s == nil {
		s = &namedSession{name: name, turn: make(chan struct{}, 1), clean: true}
		n.all[name] = s
	}
	s.users++
	if s.timer != nil {
		s.timer.Stop()
	}
	n.mu.Unlock()
	ctx, cancel := fifo.Within(ctx, n.wait, fmt.Errorf("session %s is in use by another client: waited %v", name, n.wait))
	defer cancel()
	select {
	case s.turn <- struct{}{}:
		return s, nil
	case <-ctx.Done():
		n.leave(s)
		return nil, context.Cause(ctx)
	}
}

// put gives a session that was taken to the next client.
func (n *namedSessions) put(s *namedSession) {
	<-s.turn
	n.leave(s)
}

func (n *namedSessions) leave(s *namedSession) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.users--
	if s.users == 0 {
		n.schedule(s)
	}
}

// schedule sees to it that a session does not stay for ever.
func (n *namedSessions) schedule(s *namedSession) {
	switch {
	case s.conn != nil:
		s.timer = time.AfterFunc(n.idle, func() { n.expire(s) })
	case s.lost:
		s.timer = time.AfterFunc(forget, func() { n.expire(s) })
	default:
		delete(n.all, s.name)
	}
}

// expire ends a session that nobody uses, and later forgets it.
func (n *namedSessions) expire(s *namedSession) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.users > 0 {
		return
	}
	if s.conn == nil {
		s.lost = false // for ever
	} else {
		s.end(false)
	}
	n.schedule(s)
}

// close ends all sessions, which nobody uses any more.
func (n *namedSessions) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.all {
		if s.timer != nil {
			s.timer.Stop()
		}
		s.end(true)
	}
}

// end closes the connection. told says that the client knows.
func (s *namedSession) end(told bool) {
	if s.conn != nil {
		s.conn.Close()
	}
	s.lost = !told && !s.clean
	s.conn, s.clean = nil, true
}

// lostError tells once that a session is not what it was.
func (s *namedSession) lostError() error {
	if !s.lost {
		return nil
	}
	s.lost = false
	return fmt.Errorf("session %s was ended: its transaction, variables and temporary tables are gone", s.name)
}
