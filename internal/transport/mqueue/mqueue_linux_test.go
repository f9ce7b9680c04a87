package mqueue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/conformance"
)

var urls atomic.Int32

// url is a queue for the test.
func url(t testing.TB, options string) transport.URL {
	t.Helper()
	u, err := transport.ParseURL(fmt.Sprintf("mqueue:/relay-test.%d.%d%s", os.Getpid(), urls.Add(1), options))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unlink(u); err != nil && !errors.Is(err, unix.ENOENT) {
			t.Error(err)
		}
	})
	return u
}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Fixture{
		Transport: Transport,
		URL: func(t *testing.T) string {
			u := url(t, "")
			return u.String()
		},
		Kept:   true, // what the kernel has, it keeps
		NoAcks: true,
	})
}

func openBoth(t testing.TB, u transport.URL) (transport.Sender, transport.Receiver) {
	t.Helper()
	s, err := newSender(t.Context(), u, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := newReceiver(t.Context(), u, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

func send(t *testing.T, s transport.Sender, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := s.Send(t.Context(), []transport.Message{{Body: []byte(body)}}); err != nil {
			t.Fatal(err)
		}
	}
}

func receive(t *testing.T, r transport.Receiver) (bodies string, messages []transport.Message) {
	t.Helper()
	messages, err := r.Receive(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		bodies += string(m.Body) + ","
	}
	return bodies, messages
}

// The highest priority comes first, and parts of several senders do not mix.
func TestPriority(t *testing.T) {
	u := url(t, "?msgsize=20&messages=8")
	low, r := openBoth(t, u)
	u.Query.Set("priority", "7")
	high, err := newSender(t.Context(), u, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	send(t, low, "low: in several parts")
	send(t, high, "high: two parts")
	if got, messages := receive(t, r); got != "high: two parts,low: in several parts," {
		t.Errorf("got %q", got)
	} else if err := r.Ack(t.Context(), messages); err != nil {
		t.Error(err)
	}
	if err := errors.Join(low.Close(t.Context(), nil), high.Close(t.Context(), nil)); err != nil {
		t.Error(err)
	}
	if _, err := r.Receive(t.Context(), 1); err != io.EOF {
		t.Errorf("at the end %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := unlink(u); !errors.Is(err, unix.ENOENT) {
		t.Errorf("the queue is left: %v", err)
	}
}

// What a receiver that closes has not acknowledged goes back, and another
// program's message is a record.
func TestPutBack(t *testing.T) {
	u := url(t, "")
	s, r := openBoth(t, u)
	send(t, s, "a", "b")
	if err := s.(*sender).q.send([]byte("plain"), 0); err != nil {
		t.Fatal(err)
	}
	_, messages := receive(t, r)
	if err := errors.Join(r.Ack(t.Context(), messages[:1]), r.Close()); err != nil {
		t.Error(err)
	}
	if there, err := list(t.Context(), u, transport.Options{}); err != nil || len(there) != 1 || there[0].Stale || there[0].Note != "4 of 10 messages of up to 8192 bytes" {
		t.Errorf("%+v, %v", there, err)
	}
	r, err := newReceiver(t.Context(), u, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, messages := receive(t, r)
	if got != "b,plain," {
		t.Errorf("got %q", got)
	}
	if err := r.Ack(t.Context(), messages); err != nil {
		t.Error(err)
	}
	if _, err := newReceiver(t.Context(), u, transport.Options{}); !errors.Is(err, errInUse) {
		t.Errorf("a second receiver: %v", err)
	}
	// A sender that is gone without its end was killed.
	if err := s.(*sender).q.f.Close(); err != nil {
		t.Fatal(err)
	}
	var aborted *transport.AbortedError
	if _, err := r.Receive(t.Context(), 1); !errors.As(err, &aborted) || aborted.Reason != "a sender was killed" {
		t.Errorf("got %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// A receiver that is killed loses what it has taken, which may be the beginning of
// a message: the next one has whole messages only.
func TestKilledReceiver(t *testing.T) {
	long := strings.Repeat("abc", 20)
	for taken, want := range []string{long + ",next,", "next,", "next,", "next,", "next,"} {
		u := url(t, fmt.Sprintf("?messages=10&msgsize=%d", headSize+len(long)/4))
		s, r := openBoth(t, u)
		send(t, s, long, "next")
		for range taken { // by who is killed then, and drops the locks of what it had open
			if _, _, err := r.(*receiver).q.receive(r.(*receiver).buf, true); err != nil {
				t.Fatal(err)
			}
		}
		r.(*receiver).q.f.Close()
		r, err := newReceiver(t.Context(), u, transport.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, messages := receive(t, r)
		if got != want {
			t.Errorf("after %d parts: %q, want %q", taken, got, want)
		}
		if err := errors.Join(r.Ack(t.Context(), messages), s.Close(t.Context(), nil)); err != nil {
			t.Error(err)
		}
		if _, err := r.Receive(t.Context(), 1); err != io.EOF {
			t.Errorf("at the end %v", err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// FuzzJoin: whatever is among them, and however many parts somebody else has taken
// before, messages come whole or not at all; what is not relay's comes as it is.
func FuzzJoin(f *testing.F) {
	f.Add([]byte("a message"), []byte("another"), []byte("plain"), byte(3), byte(1))
	f.Add([]byte(nil), []byte("x"), []byte(mark+"p\x00\x01........x"), byte(0), byte(0))
	f.Add([]byte("long enough"), []byte(mark), []byte(mark+"x"), byte(0), byte(12))
	f.Fuzz(func(t *testing.T, a, b, foreign []byte, room, taken byte) {
		parts := func(bodies ...[]byte) (all [][]byte, firsts []int) {
			s := sender{buf: newHead(&queue{msgsize: headSize + 1 + int(room)})}
			for _, body := range bodies {
				firsts = append(firsts, len(all))
				for p := range s.parts(transport.Message{Body: body, Content: transport.Lines}) {
					all = append(all, bytes.Clone(p))
				}
			}
			return all, firsts
		}
		one, firsts := parts(a, b)
		other, _ := parts(b)
		gone := min(int(taken), len(one))
		var want []string
		for i, body := range [][]byte{a, b} {
			if gone <= firsts[i] {
				want = append(want, string(body))
			}
		}
		want = append(want, string(b))

		r := receiver{parts: map[uint64][]byte{}, longest: max(len(a), len(b), len(foreign))}
		join := func(p []byte) (got []string) {
			m, whole, err := r.join(p)
			if err != nil || len(m.Body) > r.longest {
				t.Fatalf("%d bytes, %v", len(m.Body), err)
			}
			if whole {
				got = append(got, string(m.Body))
			}
			return got
		}
		var got, gotOther []string
		for one = one[gone:]; len(one)+len(other) > 0; {
			if len(one) > 0 {
				got, one = append(got, join(one[0])...), one[1:]
			}
			if !bytes.HasPrefix(foreign, []byte(mark)) && !slices.Equal(join(foreign), []string{string(foreign)}) {
				t.Errorf("%q is another now", foreign)
			}
			if len(other) > 0 {
				gotOther, other = append(gotOther, join(other[0])...), other[1:]
			}
		}
		if got = append(got, gotOther...); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		_, _, _ = r.join(foreign)
	})
}

func TestLimits(t *testing.T) {
	for options, want := range map[string]string{
		"?messages=100000000": "fs.mqueue.msg_max",
		"?msgsize=100000000":  "fs.mqueue.msgsize_max",
		"?priority=40000":     "at most 32767",
		"?mode=x":             "permissions are written",
	} {
		_, err := newSender(t.Context(), url(t, options), transport.Options{})
		text := fmt.Sprint(err)
		if hinted, ok := errors.AsType[*Error](err); ok {
			text += hinted.Hint()
		}
		if !strings.Contains(text, want) {
			t.Errorf("%s: %s", options, text)
		}
	}
}
