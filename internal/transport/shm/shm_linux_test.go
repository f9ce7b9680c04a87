package shm

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/conformance"
)

// url is that of shared memory for the test, of which nothing must be left.
func url(t *testing.T, options string) transport.URL {
	t.Helper()
	u, err := transport.ParseURL(fmt.Sprintf("shm:%s.%d%s", strings.ReplaceAll(t.Name(), "/", "-"), os.Getpid(), options))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left := find(u.Name()); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return u
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		url, want string
		size      int
	}{
		{"shm:x", "", 0},
		{"shm:/x?size=70000&mode=660", "", 70000},
		{"shm:x?size=64k", "", 64 << 10},
		{"shm:x?size=3M", "", 3 << 20},
		{"shm:x?size=2G", "", 2 << 30},
		{"shm:x?size=0", "sizes are written", 0},
		{"shm:x?size=K", "sizes are written", 0},
		{"shm:x?size=2000G", "sizes are written", 0},
		{"shm:x?size=9999999999", "sizes are written", 0},
		{"shm:x?mode=rw", "permissions are written", 0},
		{"shm:x?mode=1777", "permissions are written", 0},
		{"shm:", "it is written shm:NAME", 0},
		{"shm:a/b", "it is written shm:NAME", 0},
		{"shm://host/a", "it is written shm:NAME", 0},
	} {
		u, err := transport.ParseURL(c.url)
		if err != nil {
			t.Fatal(err)
		}
		got, err := config(u, transport.Options{}, messages)
		switch {
		case c.want == "" && (err != nil || got.Size != c.size || got.Path != "/dev/shm/relay.x"):
			t.Errorf("%s: %+v, %v", c.url, got, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.url, err, c.want)
		}
	}
}

// What is left behind is listed, and can be removed.
func TestStale(t *testing.T) {
	u := url(t, "?size=64K&mode=0640")
	s, err := sender(t.Context(), u, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), []transport.Message{{Body: []byte("unread")}}); err != nil {
		t.Fatal(err)
	}
	is := func(want transport.Resource) {
		t.Helper()
		got, err := list(t.Context(), u, transport.Options{})
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%+v, %v\nwant %+v", got, err, want)
		}
	}
	is(transport.Resource{URL: u.String(), Bytes: 16, Note: "1 sender, 0 receivers, 64 KiB of memory"})
	if info, err := os.Stat(messages + u.Name()); err != nil || info.Mode() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := s.Close(t.Context(), os.ErrClosed); err != nil {
		t.Error(err)
	}
	is(transport.Resource{URL: u.String(), Bytes: 16, Stale: true, Note: "0 senders, 0 receivers, 64 KiB of memory"})
	if err := remove(t.Context(), u, transport.Options{}); err != nil {
		t.Error(err)
	}
	if err := remove(t.Context(), u, transport.Options{}); err == nil || !strings.HasSuffix(err.Error(), "does not exist") {
		t.Errorf("got %v", err)
	}
}

func TestConformance(t *testing.T) {
	var urls atomic.Int32
	for _, options := range []string{"", "?size=4K"} {
		t.Run(options, func(t *testing.T) {
			conformance.Run(t, conformance.Fixture{
				Transport: Transport,
				URL: func(t *testing.T) string {
					name := fmt.Sprintf("conformance.%d.%d", os.Getpid(), urls.Add(1))
					t.Cleanup(func() {
						for _, path := range find(name)[name] { // what a test has left unread
							if err := os.Remove(path); err != nil {
								t.Error(err)
							}
						}
					})
					return "shm:" + name + options
				},
			})
		})
	}
}
