package plain

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/conformance"
)

func TestFIFO(t *testing.T) {
	conformance.Run(t, conformance.Fixture{
		Transport: FIFO,
		URL:       func(t *testing.T) string { return "fifo:" + filepath.Join(t.TempDir(), "f") },
		NoAcks:    true,
		NoAbort:   true,
	})
}

func TestFile(t *testing.T) {
	conformance.Run(t, conformance.Fixture{
		Transport: File,
		URL: func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return "file:" + filepath.Join(dir, "f") + "?resume=" + filepath.Join(dir, "r")
		},
		Options: transport.Options{Follow: true},
		Kept:    true,
		NoAcks:  true, // but see TestResume: it keeps no messages, only bytes
		NoAbort: true,
	})
}

// A last record without its end is read once; what is appended then begins with
// that end.
func TestResumeUnended(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	u, err := transport.ParseURL("file:" + path + "?resume=" + filepath.Join(dir, "r"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{{"a\nb", "a\nb\n"}, {"a\nb", ""}, {"a\nb\nc", "c\n"}, {"x", "x\n"}} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := File.Receiver(t.Context(), u, transport.Options{Warn: func(string, ...any) {}})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for {
			messages, err := r.Receive(t.Context(), 10)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range messages {
				got += string(m.Body)
			}
			if err := r.Ack(t.Context(), messages); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); got != c.want || err != nil {
			t.Errorf("%q: got %q, %v; want %q", c.text, got, err, c.want)
		}
	}
}

// A receiver goes on behind what was acknowledged before, in order.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	var text strings.Builder
	for i := range 100_000 {
		fmt.Fprintln(&text, i)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := transport.ParseURL("file:" + path + "?resume=" + filepath.Join(dir, "r"))
	if err != nil {
		t.Fatal(err)
	}
	open := func() transport.Receiver {
		r, err := File.Receiver(t.Context(), u, transport.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	next := func(r transport.Receiver) []transport.Message {
		messages, err := r.Receive(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return messages
	}
	r := open()
	first, second, third := next(r), next(r), next(r)
	got := string(first[0].Body)                                   // which is not ours once it is acknowledged
	for _, messages := range [][]transport.Message{first, third} { // the second is not
		if err := r.Ack(t.Context(), messages); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = open()
	for {
		messages, err := r.Receive(t.Context(), 10)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			got += string(m.Body)
		}
		if err := r.Ack(t.Context(), messages); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if len(second) == 0 || got != text.String() {
		t.Errorf("%d bytes, want %d", len(got), text.Len())
	}
}
