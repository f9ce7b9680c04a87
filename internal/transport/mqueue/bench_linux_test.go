package mqueue

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"pipeworks/internal/transport"
)

// BenchmarkQueue is the throughput from a sender to a receiver.
func BenchmarkQueue(b *testing.B) {
	for _, size := range []int{64, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, r := openBoth(b, url(b, ""))
			sent := make(chan error, 1)
			go func() {
				messages := []transport.Message{{Body: make([]byte, size)}}
				for range b.N {
					if err := s.Send(b.Context(), messages); err != nil {
						sent <- err
						return
					}
				}
				sent <- s.Close(b.Context(), nil)
			}()
			b.SetBytes(int64(size))
			got := 0
			for {
				messages, err := r.Receive(b.Context(), 10)
				if err == io.EOF {
					break
				}
				if err == nil {
					err = r.Ack(b.Context(), messages)
				}
				if err != nil {
					b.Fatal(err)
				}
				got += len(messages)
			}
			if err := <-sent; err != nil || got != b.N {
				b.Errorf("%d of %d, %v", got, b.N, err)
			}
			r.Close()
		})
	}
}

// BenchmarkRoundTrip is that of a message over two queues.
func BenchmarkRoundTrip(b *testing.B) {
	there, here := url(b, ""), url(b, "")
	ask, question := openBoth(b, there)
	answer, reply := openBoth(b, here)
	go func() {
		for {
			m, err := question.Receive(b.Context(), 1)
			if err == nil {
				err = errors.Join(answer.Send(b.Context(), m), question.Ack(b.Context(), m))
			}
			if err != nil {
				answer.Close(b.Context(), nil)
				question.Close()
				return
			}
		}
	}()
	message := []transport.Message{{Body: make([]byte, 64)}}
	for b.Loop() {
		if err := ask.Send(b.Context(), message); err != nil {
			b.Fatal(err)
		}
		m, err := reply.Receive(b.Context(), 1)
		if err == nil {
			err = reply.Ack(b.Context(), m)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := ask.Close(b.Context(), nil); err != nil {
		b.Error(err)
	}
	if _, err := reply.Receive(b.Context(), 1); err != io.EOF {
		b.Errorf("at the end %v", err)
	}
	reply.Close()
}
