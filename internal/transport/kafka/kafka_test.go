package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker/brokertest"
	"pipeworks/internal/transport/conformance"
)

// broker is where the tests find Kafka: at $PIPEWORKS_TEST_KAFKA, or franz-go's
// fake of one, in this process.
func broker(t *testing.T) string {
	t.Helper()
	if addr := os.Getenv("PIPEWORKS_TEST_KAFKA"); addr != "" {
		return addr
	}
	return fake(t)
}

func fake(t *testing.T, options ...kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// lasting is a fake that can be ended and started again with what it has.
func lasting(t *testing.T) (addr string, restart func(*testing.T)) {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	var c *kfake.Cluster
	start := func(t *testing.T) {
		var err error
		if c, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(dir), kfake.Ports(port)); err != nil {
			t.Fatal(err)
		}
	}
	start(t)
	t.Cleanup(func() { c.Close() })
	return c.ListenAddrs()[0], func(t *testing.T) {
		c.Close()
		start(t)
	}
}

func TestConformance(t *testing.T) {
	addr, restart := lasting(t)
	if own := os.Getenv("PIPEWORKS_TEST_KAFKA"); own != "" {
		addr, restart = own, nil
	}
	conformance.Run(t, conformance.Fixture{
		Transport: Transport,
		URL: func(t *testing.T) string {
			u := topicURL(t, addr, "")
			return u.String() + "?create&partitions=1"
		},
		Kept:    true,
		NoAbort: true,
		Largest: defaultLimit - limitRoom,
		Restart: restart,
	})
}

// topicURL is that of a topic of the test's own.
func topicURL(t *testing.T, addr, options string) transport.URL {
	t.Helper()
	name := strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())
	u, err := transport.ParseURL(fmt.Sprintf("kafka://%s/%s-%d?create&replicas=1%s", addr, name, time.Now().UnixNano(), options))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func open(t *testing.T, u transport.URL, o transport.Options) transport.Sender {
	t.Helper()
	return brokertest.Sender(t, Transport, u, o)
}

func listen(t *testing.T, u transport.URL, o transport.Options) transport.Receiver {
	t.Helper()
	return brokertest.Receiver(t, Transport, u, o)
}

func TestOrderAndBytes(t *testing.T) {
	u := topicURL(t, broker(t), "&partitions=1")
	s := open(t, u, transport.Options{})
	want := append(brokertest.Numbered(0, 5000), "", "\x00\r\n\xff", strings.Repeat("x", s.Limit()))
	brokertest.Send(t, s, want...)
	packed := brokertest.Records("a\nb\n")
	packed[0].Content, packed[0].Key = transport.Lines, "k"
	if err := errors.Join(s.Send(t.Context(), packed), s.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	r := listen(t, u, transport.Options{})
	defer r.Close()
	got := brokertest.Receive(t, r, len(want)+1)
	if last := got[len(want)]; last.Content != transport.Lines || last.Key != "k" {
		t.Errorf("content %v, key %q", last.Content, last.Key)
	}
	if all := brokertest.Bodies(got[:len(want)]); !slices.Equal(all, want) {
		t.Error("not what was sent, or not in that order")
	}
	var long *transport.TooLongError
	if err := s.Send(t.Context(), brokertest.Records("short", strings.Repeat("x", s.Limit()+1))); !errors.As(err, &long) {
		t.Errorf("too long gave %v", err)
	}
}

// Messages with one key, and all of a stream, keep their order over partitions.
func TestKeys(t *testing.T) {
	addr := broker(t)
	for _, stream := range []bool{false, true} {
		u := topicURL(t, addr, "&partitions=5")
		s := open(t, u, transport.Options{Stream: stream})
		for i := range 100 {
			m := brokertest.Records(brokertest.Numbered(10*i, 10*i+10)...)
			for j := range m {
				if !stream {
					m[j].Key = strconv.Itoa(j)
				}
			}
			if err := s.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := listen(t, u, transport.Options{Stream: stream})
		defer r.Close()
		last := map[string]int{}
		for _, m := range brokertest.Receive(t, r, 1000) {
			n, _ := strconv.Atoi(string(m.Body))
			if n < last[m.Key] {
				t.Fatalf("stream %t, key %s: %d came after %d", stream, m.Key, n, last[m.Key])
			}
			last[m.Key] = n
		}
	}
}

// A commit says that all before it are finished: one that is not holds back
// those behind it.
func TestCommit(t *testing.T) {
	u := topicURL(t, broker(t), "&partitions=1")
	brokertest.Send(t, open(t, u, transport.Options{}), brokertest.Numbered(0, 100)...)
	first := listen(t, u, transport.Options{Group: "g"})
	got := brokertest.Receive(t, first, 100)
	slices.Reverse(got[:20])
	for _, m := range append(got[:20], got[50:90]...) {
		if err := first.Ack(t.Context(), []transport.Message{m}); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := listen(t, u, transport.Options{Group: "g"})
	defer second.Close()
	if all := brokertest.Bodies(brokertest.Receive(t, second, 80)); !slices.Equal(all, brokertest.Numbered(20, 100)) {
		t.Errorf("got %s", all)
	}
	// Another group has all of them.
	other := listen(t, u, transport.Options{})
	defer other.Close()
	brokertest.Receive(t, other, 100)
}

// Receivers come and go; every message is finished, and none is committed that
// was not.
func TestRebalance(t *testing.T) {
	u := topicURL(t, broker(t), "&partitions=4")
	const total = 4000
	brokertest.Send(t, open(t, u, transport.Options{}), brokertest.Numbered(0, total)...)
	finished := make(chan string)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	work := func(most int) {
		r, err := Transport.Receiver(ctx, u, transport.Options{Group: "g"})
		for n := 0; err == nil && n < most; {
			var m []transport.Message
			if m, err = r.Receive(ctx, 7); err == nil {
				for _, body := range brokertest.Bodies(m) {
					select {
					case finished <- body:
					case <-ctx.Done():
					}
				}
				n += len(m)
				err = r.Ack(ctx, m)
			}
		}
		if r != nil {
			r.Close()
		}
		ended <- err
	}
	for _, most := range []int{total, 200, 500} {
		go work(most)
	}
	seen := map[string]bool{}
	timeout := time.After(time.Minute)
	for running := 3; running > 0; {
		select {
		case body := <-finished:
			seen[body] = true
			if len(seen) == total {
				cancel()
			}
		case err := <-ended:
			running--
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			if running == 0 && len(seen) < total {
				t.Fatal("all have ended")
			}
		case <-timeout:
			t.Fatalf("%d of %d are finished", len(seen), total)
		}
	}
}

// The broker is ended and started again in the middle: nothing is lost.
func TestRestart(t *testing.T) {
	addr, restart := lasting(t)
	u := topicURL(t, addr, "&partitions=2")
	o := transport.Options{Timeout: time.Minute, Warn: t.Logf}
	s := open(t, u, o)
	r := listen(t, u, o)
	defer r.Close()
	const total = 20000
	sent := make(chan error, 1)
	go func() {
		for i := 0; i < total; i += 100 {
			if err := s.Send(context.Background(), brokertest.Records(brokertest.Numbered(i, i+100)...)); err != nil {
				sent <- err
				return
			}
		}
		sent <- s.Flush(context.Background())
	}()
	seen := map[string]bool{}
	for restarts := 0; len(seen) < total; {
		m := brokertest.Receive(t, r, 1)
		more, err := r.Receive(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		m = append(m, more...)
		for _, body := range brokertest.Bodies(m) {
			seen[body] = true
		}
		if err := r.Ack(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if restarts < 2 && len(seen) > (restarts+1)*total/3 {
			restarts++
			restart(t)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// A group that has forgotten a member takes it again.
func TestPasses(t *testing.T) {
	for err, want := range map[error]bool{
		&kgo.ErrGroupSession{Err: kerr.UnknownMemberID}:          true,
		&kgo.ErrGroupSession{Err: kerr.CoordinatorNotAvailable}:  true,
		&kgo.ErrGroupSession{Err: io.EOF}:                        true,
		&kgo.ErrGroupSession{Err: kerr.GroupAuthorizationFailed}: false,
		kerr.UnknownMemberID:                                     false,
	} {
		if passes(err) != want {
			t.Errorf("%v passes: %t", err, !want)
		}
	}
}

func TestOffset(t *testing.T) {
	addr := broker(t)
	u := topicURL(t, addr, "&partitions=1")
	brokertest.Send(t, open(t, u, transport.Options{}), brokertest.Numbered(0, 10)...)
	for _, tt := range []struct {
		offset string
		want   []string
	}{
		{"earliest", brokertest.Numbered(0, 10)},
		{"4", brokertest.Numbered(4, 10)},
		{"-3", brokertest.Numbered(7, 10)},
		{"2006-01-02T15:04:05Z", brokertest.Numbered(0, 10)},
	} {
		u.Query.Set("offset", tt.offset)
		r := listen(t, u, transport.Options{})
		if got := brokertest.Bodies(brokertest.Receive(t, r, len(tt.want))); !slices.Equal(got, tt.want) {
			t.Errorf("offset %s: got %s", tt.offset, got)
		}
		r.Close()
	}
	u.Query.Set("offset", "yesterday")
	if _, err := Transport.Receiver(t.Context(), u, transport.Options{}); err == nil {
		t.Error("offset yesterday was taken")
	}
}

func TestRefused(t *testing.T) {
	addr := fake(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "ann", "secret"), kfake.Superuser("PLAIN", "bob", "secret"))
	for _, tt := range []struct{ host, user, password, query, want string }{
		{addr, "ann", "wrong", "create", "during the authentication"},
		{addr, "ann", "secret", "create", ""},
		{addr, "bob", "secret", "create&sasl=plain", ""},
		{addr, "bob", "wrong", "create&sasl=plain", "during the authentication"},
		{addr, "ann", "secret", "", ""},
		{"no..host:9092", "ann", "secret", "", "unknown host no..host"}, // for which no name server is needed
		{"127.0.0.1:1", "ann", "secret", "", "connection refused"},
	} {
		u, err := transport.ParseURL("kafka://" + tt.user + "@" + tt.host + "/topic?" + tt.query)
		if err != nil {
			t.Fatal(err)
		}
		o := transport.Options{
			Timeout:  brokertest.Patience,
			Password: func(context.Context) (string, error) { return tt.password, nil },
		}
		if tt.want == "connection refused" {
			o.Timeout = 300 * time.Millisecond
		}
		s, err := Transport.Sender(t.Context(), u, o)
		switch {
		case err == nil && tt.want == "":
			s.Close(t.Context(), nil)
		case err == nil || tt.want == "" || !strings.Contains(err.Error(), tt.want):
			t.Errorf("%s: got %v, want %q", u, err, tt.want)
		case strings.Contains(err.Error(), "secret"):
			t.Errorf("the password is in %q", err)
		}
	}
}

func TestTopic(t *testing.T) {
	addr := broker(t)
	u := topicURL(t, addr, "")
	u.Query.Del("create")
	u.Query.Del("replicas")
	_, err := Transport.Sender(t.Context(), u, transport.Options{})
	if err == nil || !strings.Contains(err.Error(), "no such topic") {
		t.Errorf("got %v", err)
	}
	// A receiver waits for the topic.
	got := make(chan error, 1)
	go func() {
		r, err := Transport.Receiver(t.Context(), u, transport.Options{})
		if err == nil {
			_, err = r.Receive(t.Context(), 1)
			r.Close()
		}
		got <- err
	}()
	made := u
	made.Query = map[string][]string{"create": {""}}
	brokertest.Send(t, open(t, made, transport.Options{}), "a")
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// The limit is the topic's own, not the client's.
func TestLimit(t *testing.T) {
	addr := fake(t)
	u := topicURL(t, addr, "&compression=none")
	open(t, u, transport.Options{})
	c, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	limit := "5000000"
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{
		ResourceType: kmsg.ConfigResourceTypeTopic,
		ResourceName: u.Name(),
		Configs:      []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "max.message.bytes", Value: &limit}},
	}}
	if _, err := request.RequestWith(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	s := open(t, u, transport.Options{})
	if s.Limit() < 4_900_000 {
		t.Fatalf("the limit is %d", s.Limit())
	}
	brokertest.Send(t, s, strings.Repeat("x", s.Limit()))
	r := listen(t, u, transport.Options{})
	defer r.Close()
	if got := brokertest.Receive(t, r, 1); len(got[0].Body) != s.Limit() {
		t.Errorf("%d bytes came", len(got[0].Body))
	}
}
