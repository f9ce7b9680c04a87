package shm

import (
	"fmt"
	"io"
	"testing"
)

// BenchmarkQueue is the throughput between two processes.
func BenchmarkQueue(b *testing.B) {
	for _, size := range []int{64, 4 << 10, 64 << 10} {
		for _, batch := range []int{1, 64} {
			b.Run(fmt.Sprintf("%d/batch=%d", size, batch), func(b *testing.B) {
				c := config(b)
				r, err := OpenReader(b.Context(), c, 1<<20)
				if err != nil {
					b.Fatal(err)
				}
				defer r.Close()
				other(b, "fill", c, size, batch, b.N)
				b.SetBytes(int64(size))
				sum := 0
				started := false
				for {
					var done []*Extent
					err := r.Receive(b.Context(), batch, func(record Record) {
						sum += copy(scratch[:], record.Body)
						done = append(done, record.Taken)
					})
					if err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
					if !started {
						started = true
						b.ResetTimer()
					}
					r.Ack(done...)
				}
				if sum != b.N*size {
					b.Errorf("%d bytes, want %d", sum, b.N*size)
				}
			})
		}
	}
}

var scratch [1 << 20]byte

// BenchmarkRoundTrip is that between two processes.
func BenchmarkRoundTrip(b *testing.B) {
	c := config(b)
	l, err := MakeLine(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	other(b, "echo", c)
	if err := l.Joined(b.Context(), 0); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 64)
	for b.Loop() {
		if err := l.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := l.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}
