package stream

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A pipe becomes as wide as was asked for, and no narrower than it was.
func TestWiden(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	out := NewOutput("stdout", w)
	for _, tt := range []struct{ bytes, want int }{{128 << 10, 128 << 10}, {4096, 128 << 10}} {
		out.Widen(tt.bytes)
		if got, err := unix.FcntlInt(r.Fd(), unix.F_GETPIPE_SZ, 0); err != nil || got != tt.want {
			t.Errorf("%d: %d, %v", tt.bytes, got, err)
		}
	}
	CreateOutput("nowhere").Widen(1 << 20)
}
