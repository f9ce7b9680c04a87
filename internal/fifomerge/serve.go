package fifomerge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"pipeworks/internal/coprocess"
	"pipeworks/internal/dburl"
	"pipeworks/internal/fifo"
	"pipeworks/internal/framing"
	"pipeworks/internal/sqltext"
)

// ServeConfig says which database answers, and where it is asked.
type ServeConfig struct {
	Dir         string // made if missing, with mode 0700
	DB          dburl.URL
	Command     []string      // answers each line with a line, in place of the DB
	Stderr      io.Writer     // of the Command
	Connections int           // idle ones to keep open; 0 is 4
	Guard       Guard         // limits what may be asked
	MaxRequest  int           // bytes; 0 is what a statement may have
	Format      answerFormat  // for those who have no client
	Wait        time.Duration // for one of them to read the answer, and for a named session; 0 is for ever
	Idle        time.Duration // after which a named session is ended; 0 is a minute

	Warn func(message string) // what a client did wrong; nil: nobody is told
}

// ServeSummary is what a server did.
type ServeSummary struct {
	Clients int `json:"clients"`
	In      int `json:"in"`     // questions
	Failed  int `json:"failed"` // answered with an error
}

// errStopped is what clients are told when the server ends.
var errStopped = errors.New("the server was stopped")

// Serve answers questions to the database of cfg through the named pipes in a
// directory until ctx ends. It calls ready when it can be asked.
func Serve(ctx context.Context, cfg ServeConfig, ready func()) (ServeSummary, error) {
	if cfg.Connections == 0 {
		cfg.Connections = 4
	}
	if cfg.MaxRequest == 0 {
		cfg.MaxRequest = sqltext.DefaultMaxStatement
	}
	if cfg.Idle == 0 {
		cfg.Idle = time.Minute
	}
	if len(cfg.Command) > 0 && cfg.Guard.Timeout == 0 {
		cfg.Guard.Timeout = commandTimeout
	}
	s := &server{
		cfg:      &cfg,
		pool:     &pool{url: cfg.DB, setup: cfg.Guard.setup(cfg.DB.Dialect), multi: cfg.packs(), keep: cfg.Connections},
		commands: &coprocess.Pool{Args: cfg.Command, Stderr: cfg.Stderr, Keep: cfg.Connections},
		sessions: &namedSessions{idle: cfg.Idle, wait: cfg.Wait, all: map[string]*namedSession{}},
		stats:    stats{started: time.Now()},
	}
	defer s.pool.close()
	defer s.sessions.close()
	defer s.commands.Close()
	// What cannot answer is said now, not to the first client.
	if err := s.try(ctx); err != nil {
		return ServeSummary{}, err
	}
	if err := s.open(); err != nil {
		return ServeSummary{}, err
	}
	defer s.close(append(servedPipes, nextReplyPipe))
	greeter, err := fifo.OpenReader(s.dir.Path(helloPipe))
	if err != nil {
		return ServeSummary{}, err
	}
	defer greeter.Close()
	questions, err := fifo.OpenReader(s.dir.Path(queryPipe))
	if err != nil {
		return ServeSummary{}, err
	}
	defer questions.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		greeter.SetDeadline(time.Now())
		questions.SetDeadline(time.Now())
	})
	defer stop()
	ready()
	var all sync.WaitGroup
	all.Go(func() { cancel(s.answerPlain(ctx, questions)) })
	all.Go(func() { cancel(s.greet(ctx, greeter, &all)) })
	all.Wait()
	return s.stats.summary(), context.Cause(ctx)
}

// commandTimeout is how long a command may take to answer, if nothing else is
// said: there are lines that bc and others answer with nothing.
const commandTimeout = 10 * time.Second

// try gets what answers ready.
func (s *server) try(ctx context.Context) error {
	if len(s.cfg.Command) > 0 {
		return s.commands.Start()
	}
	c, err := s.pool.get(ctx, func() error { return nil })
	if err == nil {
		s.pool.put(c)
	}
	return err
}

// servedPipes are always there.
var servedPipes = []string{helloPipe, queryPipe, replyPipe}

type server struct {
	cfg      *ServeConfig
	pool     *pool
	commands *coprocess.Pool
	sessions *namedSessions
	stats    stats
	dir      *fifo.Dir
	made     bool // the directory
	swept    time.Time
}

// open makes the directory this server's own, and the pipes in it.
func (s *server) open() (err error) {
	if s.dir, s.made, err = fifo.MakeDir(s.cfg.Dir); err != nil {
		return err
	}
	if err := s.dir.Lock(); err != nil {
		s.dir.Close()
		return err
	}
	s.sweep(arrival)
	for i, name := range servedPipes {
		// One that is there is left of a server that was killed: else it had the lock.
		err := s.dir.Remove(name)
		if err == nil {
			err = s.dir.Make(name)
		}
		if err != nil {
			s.close(servedPipes[:i])
			return err
		}
	}
	return nil
}

// close leaves the directory as it was, without the pipes of clients and those
// with names.
func (s *server) close(names []string) {
	for _, name := range names {
		s.remove(name)
	}
	s.sweep(0)
	if s.made {
		s.dir.RemoveSelf()
	}
	s.dir.Close()
}

// arrival is how long a client may take to open the pipes that it has made.
const arrival = 10 * time.Second

// sweep removes the pipes of clients that were killed before they were served:
// those whose reply pipe nobody reads. Pipes younger than age are left to it.
func (s *server) sweep(age time.Duration) {
	s.swept = time.Now()
	names, err := s.dir.Names()
	if err != nil {
		s.warn(err)
		return
	}
	for _, name := range names {
		id, ok := strings.CutSuffix(name, replySuffix)
		if !ok {
			id, ok = strings.CutSuffix(name, querySuffix)
		}
		info, err := os.Lstat(s.dir.Path(name))
		if !ok || !validID(id) || err != nil || time.Since(info.ModTime()) < age {
			continue
		}
		f, err := s.dir.Open(id+replySuffix, os.O_WRONLY)
		if err != nil {
			s.remove(name)
			continue
		}
		f.Close()
	}
}

func (s *server) remove(name string) {
	if err := s.dir.Remove(name); err != nil {
		s.warn(err)
	}
}

func (s *server) warn(err error) {
	if s.cfg.Warn != nil {
		s.cfg.Warn(err.Error())
	}
}

// greet begins a session for each client that says hello.
func (s *server) greet(ctx context.Context, in *fifo.Reader, all *sync.WaitGroup) error {
	b := framing.NewReader(in, framing.Newline, fifo.AtomicSize)
	for {
		lines, err := b.Read()
		if err == io.EOF {
			b.Rest()
			continue
		}
		if _, ok := errors.AsType[*framing.TooLongError](err); ok {
			s.warn(fmt.Errorf("a hello %w", err))
			continue
		}
		if err != nil {
			return err
		}
		for line := range bytes.Lines(lines) {
			text := strings.TrimSuffix(string(line), "\n")
			if text == "" {
				continue
			}
			h, err := parseHello(text)
			if h.id == "" {
				s.warn(err)
				continue
			}
			all.Go(func() {
				if err := s.serveClient(ctx, h, err); err != nil && ctx.Err() == nil {
					s.warn(err)
				}
			})
		}
		if time.Since(s.swept) > time.Minute {
			s.sweep(arrival)
		}
	}
}
