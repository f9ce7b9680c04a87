package socket

import (
	"net"
	"path/filepath"
	"testing"

	"pipeworks/internal/transport/conformance"
)

func TestUnix(t *testing.T) {
	conformance.Run(t, conformance.Fixture{
		Transport: Unix,
		URL:       func(t *testing.T) string { return "unix:" + filepath.Join(t.TempDir(), "s") },
	})
}

func TestUnixgram(t *testing.T) {
	conformance.Run(t, conformance.Fixture{
		Transport: Unixgram,
		URL:       func(t *testing.T) string { return "unixgram:" + filepath.Join(t.TempDir(), "s") },
	})
}

func TestTCP(t *testing.T) {
	conformance.Run(t, conformance.Fixture{Transport: TCP, URL: freePort})
}

// freePort is a port that nobody listens at now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "tcp://" + l.Addr().String()
}
