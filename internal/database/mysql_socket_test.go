package database

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A patient socket reads little as well as much, keeps the driver's deadline, and
// says when it waits for longer.
func TestPatientSocket(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		listener, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		client, err := net.Dial(network, listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		s, err := newSocket(client)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		waits := make(chan bool, 100)
		s.onWait = func() { waits <- true }
		s.patient = true
		for _, size := range []int{1, 100, muchToRead - 1, 3 * muchToRead, 2} {
			go func() {
				<-waits // the read does
				_, _ = server.Write(make([]byte, size))
			}()
			got := make([]byte, size)
			if _, err := io.ReadFull(s, got); err != nil {
				t.Errorf("%s: %d bytes: %v", network, size, err)
			}
			for len(waits) > 0 { // for the rest
				<-waits
			}
		}
		_ = s.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := s.Read(make([]byte, 10)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %d bytes, %v", network, n, err)
		}
		_ = s.SetReadDeadline(time.Time{})
		_, _ = server.Write([]byte("bye"))
		server.Close()
		if got, err := io.ReadAll(s); !bytes.Equal(got, []byte("bye")) || err != nil {
			t.Errorf("%s: %q, %v", network, got, err)
		}
	}
}
