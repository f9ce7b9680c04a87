package conformance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"pipeworks/internal/transport"
)

// testConn tries the lines that calls go over.
func testConn(t *testing.T, f Fixture) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	u, err := transport.ParseURL(f.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := f.Transport.Listen(ctx, u, f.Options)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, err := transport.ParseURL(l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	there.Query = u.Query

	served := make(chan error, 3)
	go func() {
		for range cap(served) {
			c, err := l.Accept(ctx)
			if err != nil {
				served <- err
				return
			}
			go func() { served <- echo(c) }()
		}
	}()
	t.Run("Frames", func(t *testing.T) {
		c, err := f.Transport.Dial(ctx, there, f.Options)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var buf []byte
		for i, size := range []int{0, 1, 4095, 4096, 4097, 65536, 1_000_000, 0} {
			want := transport.Frame{Kind: transport.FrameKind(40 + i), Seq: uint64(i) << 40, Data: numbered(i, size)[:size]}
			sent := make(chan error, 1)
			go func() { sent <- c.Send(want, want) }()
			for range 2 {
				got, err := c.Receive(buf)
				if err != nil {
					t.Fatal(err)
				}
				if got.Kind != want.Kind || got.Seq != want.Seq || !bytes.Equal(got.Data, want.Data) {
					t.Fatalf("got kind %d, number %d, %s", got.Kind, got.Seq, brief(got.Data))
				}
				buf = got.Data[:0]
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
		if err := <-served; err != io.EOF {
			t.Errorf("the other side sees %v", err)
		}
	})
	t.Run("Close", func(t *testing.T) {
		c, err := f.Transport.Dial(ctx, there, f.Options)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(transport.Frame{Kind: 40}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Receive(nil); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(20 * time.Millisecond)
			c.Close()
		}()
		if f, err := c.Receive(nil); err == nil {
			t.Errorf("got frame %d of a line that is closed", f.Kind)
		}
		<-served
	})
}

// echo sends back what comes.
func echo(c transport.Conn) error {
	defer c.Close()
	for {
		f, err := c.Receive(nil)
		if err != nil {
			return err
		}
		if err := c.Send(f); err != nil {
			return fmt.Errorf("echo: %w", err)
		}
	}
}
