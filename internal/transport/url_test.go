package transport

import (
	"strings"
	"testing"
)

var urlTests = []struct {
	in   string
	want URL // without its options
	err  string
}{
	{in: "tcp://host:9000", want: URL{Scheme: "tcp", Host: "host:9000"}},
	{in: "tcp://:9000?tls=required", want: URL{Scheme: "tcp", Host: ":9000"}},
	{in: "TCP://[::1]:9000", want: URL{Scheme: "tcp", Host: "[::1]:9000"}},
	{in: "nats://me@host/a/b", want: URL{Scheme: "nats", User: "me", Host: "host", Path: "/a/b"}},
	{in: "unix:/tmp/a b", want: URL{Scheme: "unix", Path: "/tmp/a b"}},
	{in: "unix:a%3Fb?mode=0660", want: URL{Scheme: "unix", Path: "a?b"}},
	{in: "pipe:", want: URL{Scheme: "pipe"}},
	{in: "mqueue:/jobs", want: URL{Scheme: "mqueue", Path: "/jobs"}},
	{in: "", err: "is no URL"},
	{in: "/tmp/x", err: "is no URL"},
	{in: ":x", err: "is no URL"},
	{in: "amqp://me:secret@host/q", err: "a password in a URL on the command line"},
	{in: "amqp://me:@host/q", err: "a password in a URL on the command line"},
	{in: "amqp://me:sec ret@host/q", err: "amqp URL: "},
	{in: "tcp://host:port", err: "tcp URL: invalid port"},
	{in: "unix:%zz", err: "invalid URL escape"},
}

func TestParseURL(t *testing.T) {
	for _, tt := range urlTests {
		u, err := ParseURL(tt.in)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "sec") {
				t.Errorf("%q: error %v, want %q", tt.in, err, tt.err)
			}
			continue
		}
		u.Query = nil
		if err != nil || u.Scheme != tt.want.Scheme || u.User != tt.want.User || u.Host != tt.want.Host || u.Path != tt.want.Path {
			t.Errorf("%q: got %+v, %v; want %+v", tt.in, u, err, tt.want)
		}
	}
}

// FuzzParseURL: what a URL is called in messages shows no password, and is that
// URL again if its path needs no escapes.
func FuzzParseURL(f *testing.F) {
	for _, tt := range urlTests {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		u, err := ParseURL(in)
		if err != nil || strings.ContainsAny(u.Path, "%?#") || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(in, "#") {
			return
		}
		again, err := ParseURL(u.String())
		if err != nil || again.Scheme != u.Scheme || again.Host != u.Host || again.Path != u.Path || again.User != u.User {
			t.Errorf("%q is %q, which is %+v, %v", in, u, again, err)
		}
	})
}
