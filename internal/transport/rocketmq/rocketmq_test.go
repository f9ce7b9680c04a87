package rocketmq

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/conformance"
	"pipeworks/internal/transport/rocketmq/proxytest"
)

// A proxy of RocketMQ itself is put to the conformance suite by a URL such as
// rocketmq://localhost:8081/test. The topics test-Order, test-Sizes, test-Again,
// test-TooLong and test-Cancel have to be there, of type FIFO.
const ownProxy = "PIPEWORKS_TEST_ROCKETMQ"

func TestConformance(t *testing.T) {
	base, restart := os.Getenv(ownProxy), (func(*testing.T))(nil)
	if base == "" {
		p := &proxytest.Proxy{}
		address := serve(t, p, "127.0.0.1:0")
		base = "rocketmq://" + address + "/fifo"
		restart = func(*testing.T) { // it outlives the test that wants it
			p.Stop()
			serve(t, p, address)
		}
	}
	conformance.Run(t, conformance.Fixture{
		Transport: Transport,
		URL:       func(t *testing.T) string { return base + "-" + path.Base(t.Name()) },
		Options:   options(t),
		Kept:      true,
		NoAbort:   true,
		Largest:   proxytest.MaxBody,
		Parallel:  true,
		Restart:   restart,
	})
}

// serve has a proxy listen until the end of the test.
func serve(t *testing.T, p *proxytest.Proxy, address string, o ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p.Serve(l, o...)
	t.Cleanup(p.Stop)
	return l.Addr().String()
}

func options(t *testing.T) transport.Options {
	return transport.Options{
		Timeout: 2 * time.Minute,
		Warn:    func(format string, args ...any) { t.Logf(format, args...) },
	}
}

func parseURL(t *testing.T, text string) transport.URL {
	t.Helper()
	u, err := transport.ParseURL(text)
	if err == nil {
		err = u.Check(Transport)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// place is a proxy, and what opens things there.
type place struct {
	*proxytest.Proxy
	t       *testing.T
	address string
	options transport.Options
}

func newPlace(t *testing.T) *place {
	p := &place{Proxy: &proxytest.Proxy{}, t: t, options: options(t)}
	p.address = serve(t, p.Proxy, "127.0.0.1:0")
	return p
}

func (p *place) url(rest string) transport.URL {
	return parseURL(p.t, "rocketmq://"+p.address+"/"+rest)
}

func (p *place) sender(rest string) transport.Sender {
	p.t.Helper()
	s, err := Transport.Sender(p.t.Context(), p.url(rest), p.options)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = s.Close(context.Background(), nil) })
	return s
}

func (p *place) receiver(rest string) transport.Receiver {
	p.t.Helper()
	r, err := Transport.Receiver(p.t.Context(), p.url(rest), p.options)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = r.Close() })
	return r
}

func (p *place) send(s transport.Sender, messages ...transport.Message) {
	p.t.Helper()
	if err := errors.Join(s.Send(p.t.Context(), messages), s.Flush(p.t.Context())); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) receive(r transport.Receiver, n int) (all []transport.Message) {
	p.t.Helper()
	for len(all) < n {
		some, err := r.Receive(p.t.Context(), n-len(all))
		if err != nil {
			p.t.Fatalf("after %d of %d: %v", len(all), n, err)
		}
		all = append(all, some...)
	}
	return all
}

func bodies(messages []transport.Message) (all []string) {
	for _, m := range messages {
		all = append(all, string(m.Body))
	}
	return all
}

func records(texts ...string) (all []transport.Message) {
	for _, text := range texts {
		all = append(all, transport.Message{Body: []byte(text)})
	}
	return all
}

// What was not acknowledged comes again soon, and says so; what was does not.
func TestGivenBack(t *testing.T) {
	p := newPlace(t)
	p.send(p.sender("fifo"), records("a", "b", "c", "d", "e")...)
	first := p.receiver("fifo")
	got := p.receive(first, 4)
	if err := first.Ack(t.Context(), []transport.Message{got[2], got[0]}); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	var again []string
	for _, m := range p.receive(p.receiver("fifo"), 3) {
		again = append(again, fmt.Sprint(string(m.Body), m.Tries))
	}
	slices.Sort(again)
	if want := []string{"b2", "d2", "e1"}; !slices.Equal(again, want) {
		t.Errorf("got %v, want %v", again, want)
	}
}

// Two groups get everything, two receivers of one share it.
func TestGroups(t *testing.T) {
	p := newPlace(t)
	p.send(p.sender("topic"), records("a", "b")...)
	one, two := p.receiver("topic"), p.receiver("topic")
	if a, b := p.receive(one, 1), p.receive(two, 1); string(a[0].Body) == string(b[0].Body) {
		t.Errorf("both got %q", a[0].Body)
	}
	p.options.Group = "other"
	p.receive(p.receiver("topic"), 2)
}

// A topic may be on many brokers, each behind a proxy of its own.
func TestBrokers(t *testing.T) {
	p, other := newPlace(t), newPlace(t)
	p.Others = []*proxytest.Proxy{other.Proxy}
	var want []string
	for i := range 80 {
		want = append(want, fmt.Sprintf("%02d", i))
	}
	p.send(p.sender("normal"), records(want...)...)
	if mine, others := p.Requests("SendMessage"), other.Requests("SendMessage"); mine != 40 || others != 40 {
		t.Errorf("%d and %d messages", mine, others)
	}
	r := p.receiver("normal")
	messages := p.receive(r, 80)
	if got := bodies(messages); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("got %v", got)
	}
	if err := r.Ack(t.Context(), messages[1:]); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if got := bodies(p.receive(p.receiver("normal"), 1)); got[0] != string(messages[0].Body) {
		t.Errorf("%s came again", got)
	}
}

// A lease is a new one whenever it is extended, which is not in the way of its
// acknowledgement.
func TestExtend(t *testing.T) {
	p := newPlace(t)
	p.send(p.sender("topic"), records("a", "b")...)
	c, err := parse(p.url("topic"), p.options)
	if err != nil {
		t.Fatal(err)
	}
	l := newLeases(c)
	r, err := l.consumer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var messages []transport.Message
	for len(messages) < 2 {
		some, err := r.Receive(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, some...)
	}
	line := r.(*consumer).line
	l.change(t.Context(), line, c.ackWait, time.Now().Add(-time.Hour)) // nothing is that old
	if n := p.Requests("ChangeInvisibleDuration"); n != 0 {
		t.Errorf("%d calls too early", n)
	}
	old := messages[0].Handle.(*lease).handle
	l.change(t.Context(), line, c.ackWait, time.Now())
	if n := p.Requests("ChangeInvisibleDuration"); n != 2 || messages[0].Handle.(*lease).handle == old {
		t.Errorf("%d calls, handle %s after %s", n, messages[0].Handle.(*lease).handle, old)
	}
	if err := r.Ack(t.Context(), messages[:1]); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if got := p.receive(p.receiver("topic"), 1); string(got[0].Body) != string(messages[1].Body) {
		t.Errorf("got %q", got[0].Body)
	}
}

// Whoever ends says so.
func TestGoodbye(t *testing.T) {
	p := newPlace(t)
	r, s := p.receiver("topic"), p.sender("topic")
	if n := p.Clients(); n != 2 {
		t.Errorf("%d clients", n)
	}
	_ = r.Close()
	_ = s.Close(t.Context(), nil)
	if n := p.Clients(); n != 0 {
		t.Errorf("%d clients are left", n)
	}
}

// A receiver gets what has its tags.
func TestTag(t *testing.T) {
	p := newPlace(t)
	for _, tag := range []string{"a", "b", "c"} {
		p.send(p.sender("topic?tag="+tag), records(tag)...)
	}
	got := bodies(p.receive(p.receiver("topic?tag="+url.QueryEscape("a||c")), 2))
	slices.Sort(got)
	if !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("got %v", got)
	}
	if _, err := Transport.Sender(t.Context(), p.url("topic?tag="+url.QueryEscape("a||c")), p.options); err == nil || !strings.Contains(err.Error(), "one tag") {
		t.Errorf("a sender with two tags: %v", err)
	}
}

// Topics take what their type says. The key is a message group where there are
// groups.
func TestKinds(t *testing.T) {
	p := newPlace(t)
	for _, topic := range []string{"normal", "fifo", "mixed"} {
		s := p.sender(topic)
		var keyed []transport.Message
		for i := range 200 {
			keyed = append(keyed, transport.Message{Body: fmt.Append(nil, i), Key: fmt.Sprint("k", i%5)})
		}
		p.send(s, keyed...)
		p.send(s, transport.Message{Body: []byte("bare")}, transport.Message{Content: transport.Lines, Body: []byte("a\nb\n")}, transport.Message{})
		last, seen := map[int]int{}, 0
		for _, m := range p.receive(p.receiver(topic), 203) {
			n := -1
			if _, err := fmt.Sscan(string(m.Body), &n); err != nil || m.Content != transport.Record {
				continue
			}
			if topic != "normal" && n < last[n%5] {
				t.Errorf("%s: %d after %d", topic, n, last[n%5])
			}
			last[n%5] = n
			seen++
		}
		if seen != 200 {
			t.Errorf("%s: %d of 200", topic, seen)
		}
	}
}

// A byte stream needs a topic and a group that keep the order, and keeps it.
func TestStream(t *testing.T) {
	p := newPlace(t)
	p.options.Stream = true
	if _, err := Transport.Sender(t.Context(), p.url("normal"), p.options); err == nil || !strings.Contains(hint(err), "message.type=FIFO") {
		t.Errorf("a topic without order: %v", err)
	}
	p.options.Group = "any"
	if _, err := Transport.Receiver(t.Context(), p.url("fifo"), p.options); err == nil || !strings.Contains(hint(err), "updateSubGroup") {
		t.Errorf("a group without order: %v", err)
	}
	p.options.Group = ""
	s := p.sender("fifo")
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprint(i))
		if err := s.Send(t.Context(), []transport.Message{{Body: []byte(want[i]), Content: transport.Piece}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := p.receiver("fifo")
	got := p.receive(r, 5)
	if err := r.Ack(t.Context(), got[:3]); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	texts := bodies(got[:3])
	for r = p.receiver("fifo"); len(texts) < len(want); {
		some := p.receive(r, 1)
		texts = append(texts, bodies(some)...)
		if err := r.Ack(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(texts, want) {
		t.Errorf("got %v", texts)
	}
}

func hint(err error) string {
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return h.Hint()
	}
	return ""
}

// What other clients compress is read.
func TestCompressed(t *testing.T) {
	var zipped, old bytes.Buffer
	for text, w := range map[string]io.WriteCloser{"new": gzip.NewWriter(&zipped), "old": zlib.NewWriter(&old)} {
		_, err := io.WriteString(w, text)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	c := &config{o: transport.Options{MaxRecord: 3}}
	for want, body := range map[string][]byte{"new": zipped.Bytes(), "old": old.Bytes()} {
		if got, err := c.plain(body, v2.Encoding_GZIP); err != nil || string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
		c := &config{o: transport.Options{MaxRecord: 2}}
		if _, err := c.plain(body, v2.Encoding_GZIP); err == nil || !strings.Contains(err.Error(), "--max-record") {
			t.Errorf("a long one: %v", err)
		}
	}
	for _, garbage := range []string{"", "garbage", "\x1f\x8b", old.String()[:6]} {
		if got, err := c.plain([]byte(garbage), v2.Encoding_GZIP); err == nil {
			t.Errorf("%q is %q", garbage, got)
		}
	}
}

// A broker that has too much to do is asked again, and gets nothing twice.
func TestThrottled(t *testing.T) {
	p := newPlace(t)
	var refused atomic.Int32
	p.Refuse = func(method string) *v2.Status {
		if (method == "SendMessage" || method == "ReceiveMessage") && refused.Add(1)%3 == 0 {
			return &v2.Status{Code: v2.Code_TOO_MANY_REQUESTS}
		}
		return nil
	}
	want := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	p.send(p.sender("fifo"), records(want...)...)
	if got := bodies(p.receive(p.receiver("fifo"), len(want))); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// What a broker could not keep is sent again; what it will never take is an error.
func TestRefused(t *testing.T) {
	p := newPlace(t)
	var failures atomic.Int32
	p.Refuse = func(method string) *v2.Status {
		if method == "SendMessage" && failures.Add(1) == 1 {
			return &v2.Status{Code: v2.Code_MASTER_PERSISTENCE_TIMEOUT, Message: "the disk is slow"}
		}
		return nil
	}
	s := p.sender("fifo")
	p.send(s, records("a", "b")...)
	if got := bodies(p.receive(p.receiver("fifo"), 2)); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %v", got)
	}
	err := s.Send(t.Context(), []transport.Message{{Body: []byte("x"), Key: strings.Repeat("long", 20)}})
	if err = errors.Join(err, s.Flush(t.Context())); err == nil || !strings.Contains(err.Error(), "ILLEGAL_MESSAGE_GROUP") {
		t.Errorf("a key that is too long: %v", err)
	}
}

func TestAccess(t *testing.T) {
	p := newPlace(t)
	p.Users = map[string]string{"ann": "right"}
	password := func(secret string) { p.options.Password = func(context.Context) (string, error) { return secret, nil } }
	open := func(user string) error {
		u := p.url("topic")
		u.User = user
		s, err := Transport.Sender(t.Context(), u, p.options)
		if err == nil {
			p.send(s, records("a")...)
			_ = s.Close(t.Context(), nil)
		}
		_, err2 := Transport.Receiver(t.Context(), u, p.options)
		if (err == nil) != (err2 == nil) {
			t.Errorf("a sender: %v, a receiver: %v", err, err2)
		}
		return err
	}
	password("right")
	if err := open("ann"); err != nil {
		t.Error(err)
	}
	password("open sesame")
	if err := open("ann"); err == nil || !strings.Contains(hint(err), "user ann") || strings.Contains(err.Error(), "sesame") {
		t.Errorf("a wrong password: %v", err)
	}
	if err := open(""); err == nil || !strings.Contains(hint(err), "give a user") {
		t.Errorf("nobody: %v", err)
	}
}

func TestErrors(t *testing.T) {
	p := newPlace(t)
	p.options.Timeout = 200 * time.Millisecond
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	other := grpc.NewServer()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = other.Serve(l) }()
	defer other.Stop()
	for text, want := range map[string]string{
		"rocketmq://127.0.0.1:1/t":                    "refused",
		"rocketmq://nowhere.invalid/t":                "unknown host nowhere.invalid",
		"rocketmq://" + p.address + "/missing":        "there is no such topic",
		"rocketmq://" + p.address + "/t%20t":          "illegal characters",
		"rocketmq://" + silent.Addr().String() + "/t": "waited 200ms: no answer",
		"rocketmq://" + l.Addr().String() + "/t":      "no proxy of RocketMQ 5",
		"rocketmq://" + p.address + "/t?tls=required": "speaks without it",
		"rocketmq://h/":                               "rocketmq://HOST/TOPIC",
		"rocketmq://h:port/t":                         "",
		"rocketmq://h/t?ack-wait=5s":                  "10s to 12h",
	} {
		u, err := transport.ParseURL(text)
		if err == nil {
			_, err = Transport.Receiver(t.Context(), u, p.options)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	p.options.Group = "missing"
	if _, err := p.receiver("topic").Receive(t.Context(), 1); err == nil || !strings.Contains(hint(err), "-g missing") {
		t.Errorf("a group that is missing: %v", err)
	}
	p.options.Dedupe = true
	if _, err := Transport.Sender(t.Context(), p.url("topic"), p.options); err == nil {
		t.Error("--dedupe is not refused")
	}
}

func TestTLS(t *testing.T) {
	certificate, authority := selfSigned(t)
	p := newPlace(t)
	p.Stop()
	p.address = serve(t, p.Proxy, "127.0.0.1:0", grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	p.send(p.sender("topic?tls=required"), records("a")...)
	p.receive(p.receiver("topic?tls-ca="+url.QueryEscape(authority)), 1)
	if _, err := Transport.Sender(t.Context(), p.url("topic?tls=verify-identity"), p.options); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a stranger's certificate: %v", err)
	}
	p.options.Timeout = 200 * time.Millisecond
	if _, err := Transport.Sender(t.Context(), p.url("topic"), p.options); err == nil {
		t.Error("without TLS")
	} else {
		t.Log(err)
	}
}

// selfSigned is a certificate of this machine, and a file with it.
func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}
