package fifomerge

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/bits"
	"sync"
	"time"
)

// Status writes what the server of a directory is doing, one JSON line, to out.
func Status(ctx context.Context, cfg CallConfig, out io.Writer) error {
	cfg.status = true
	c, err := dial(ctx, &cfg)
	if err != nil {
		return err
	}
	defer c.close()
	stop := context.AfterFunc(ctx, c.stopReading)
	defer stop()
	w := bufio.NewWriter(out)
	if _, err = copyAnswer(w, c.in, false); ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return errors.Join(err, w.Flush())
}

// serverStatus is what Status writes. Rate and latencies are those of the last
// minute or two.
type serverStatus struct {
	Seconds float64 `json:"seconds"` // since the start
	Clients int     `json:"clients"` // now
	Total   int     `json:"total"`   // clients since the start
	In      int     `json:"in"`      // questions
	Failed  int     `json:"failed"`
	Rate    float64 `json:"rate"` // questions a second
	P50     float64 `json:"p50_ms"`
	P90     float64 `json:"p90_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
}

// stats count what a server does.
type stats struct {
	mu      sync.Mutex
	started time.Time
	sum     ServeSummary
	clients int
	windows [2]window // this minute and the one before
}

// window is what happened in a part of the time.
type window struct {
	begun   time.Time
	n       int
	max     time.Duration
	buckets [64 * bucketsPerDouble]int
}

// bucketsPerDouble is how many latencies there are to tell between one and its
// double: percentiles are true to an eighth.
const bucketsPerDouble = 8

func (s *stats) came() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.Clients++
	s.clients++
}

func (s *stats) went() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients--
}

// answered counts a question.
func (s *stats) answered(took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(time.Now())
	s.sum.In++
	if err != nil {
		s.sum.Failed++
	}
	w := &s.windows[0]
	w.n++
	w.max = max(w.max, took)
	w.buckets[bucket(took)]++
}

// turn begins a new window every minute.
func (s *stats) turn(now time.Time) {
	switch age := now.Sub(s.windows[0].begun); {
	case age > 2*time.Minute:
		s.windows = [2]window{{begun: now}, {begun: now}}
	case age > time.Minute:
		s.windows = [2]window{{begun: now}, s.windows[0]}
	}
}

func (s *stats) summary() ServeSummary {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum
}

// line is the status as a line of JSON. The client that asks for it is none.
func (s *stats) line() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.turn(now)
	n := s.windows[0].n + s.windows[1].n
	st := serverStatus{
		Seconds: round(now.Sub(s.started).Seconds()),
		Clients: s.clients,
		Total:   s.sum.Clients,
		In:      s.sum.In,
		Failed:  s.sum.Failed,
		Rate:    round(float64(n) / max(1, now.Sub(s.windows[1].begun).Seconds())),
		P50:     s.percentile(n * 50 / 100),
		P90:     s.percentile(n * 90 / 100),
		P99:     s.percentile(n * 99 / 100),
		Max:     milliseconds(max(s.windows[0].max, s.windows[1].max)),
	}
	line, err := json.Marshal(st)
	return append(line, '\n'), err
}

// percentile is the latency that rank questions were faster than.
func (s *stats) percentile(rank int) float64 {
	for i := range s.windows[0].buckets {
		rank -= s.windows[0].buckets[i] + s.windows[1].buckets[i]
		if rank < 0 {
			return milliseconds(bucketEnd(i))
		}
	}
	return 0
}

// bucket is where a latency is counted: by its highest bit and the next three.
func bucket(d time.Duration) int {
	n := uint64(max(d, bucketsPerDouble))
	shift := bits.Len64(n) - bits.Len64(bucketsPerDouble)
	return shift*bucketsPerDouble + int(n>>shift) - bucketsPerDouble
}

// bucketEnd is the longest latency that is counted in a bucket.
func bucketEnd(i int) time.Duration {
	shift, n := i/bucketsPerDouble, i%bucketsPerDouble
	return time.Duration((n+bucketsPerDouble+1)<<shift - 1)
}

func milliseconds(d time.Duration) float64 { return round(float64(d) / 1e6) }

// round keeps three digits behind the point.
func round(f float64) float64 { return float64(int64(f*1000+0.5)) / 1000 }
