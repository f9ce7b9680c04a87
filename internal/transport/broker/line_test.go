package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
)

// lines are the two ends of a line; what a says passes through.
func lines(t *testing.T, through func(message []byte) []byte) (a, b *Line) {
	there, back := make(chan []byte, 100), make(chan []byte, 100)
	end := func() error { return nil }
	a = NewLine(1000, func(_ string, message []byte) error {
		if message = through(message); message != nil {
			there <- message
		}
		return nil
	}, end)
	b = NewLine(1000, func(_ string, message []byte) error {
		back <- message
		return nil
	}, end)
	var both sync.WaitGroup
	both.Go(func() {
		<-there
		b.Answer("a")
		for message := range there {
			b.Arrived(message, "a")
		}
	})
	both.Go(func() {
		for message := range back {
			a.Arrived(message, "b")
		}
	})
	t.Cleanup(func() {
		a.Close()
		b.Close()
		close(there)
		close(back)
		both.Wait()
	})
	return a, b
}

// A message that is lost on the way breaks the line, and is not missing from what
// is read.
func TestLineLost(t *testing.T) {
	lose := false
	a, b := lines(t, func(message []byte) []byte {
		if lose && message[0] == lineData {
			lose = false
			return nil
		}
		return message
	})
	if err := a.Call(t.Context(), "calls"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(b, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	lose = true
	if _, err := a.Write([]byte("second")); err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(b); !errors.Is(err, errLost) || len(data) > 0 { // the next sign of life tells
		t.Errorf("got %q, %v", data, err)
	}
}

func TestLineNobody(t *testing.T) {
	var l *Line
	l = NewLine(1000, func(string, []byte) error { go l.Break(ErrGone); return nil }, func() error { return nil })
	if err := l.Call(t.Context(), "calls"); err == nil || !strings.Contains(err.Error(), "nobody takes calls") {
		t.Errorf("got %v", err)
	}
}

// FuzzLine: of whatever arrives, what is read is what data messages said in their
// right order, up to the first that makes no sense.
func FuzzLine(f *testing.F) {
	say := func(kind byte, sent uint64, data string) []byte {
		b := binary.BigEndian.AppendUint64([]byte{kind}, sent)
		return append(binary.BigEndian.AppendUint64(b, 0), data...)
	}
	f.Add(say(lineOpen, 0, ""), say(lineData, 0, "abc"), say(lineData, 3, "def"))
	f.Add(say(lineOpen, 0, ""), say(lineData, 0, "abc"), say(lineData, 2, "lost"))
	f.Add([]byte(Hello), say(lineAlive, 0, ""), say(lineEnd, 0, ""))
	f.Add([]byte{}, []byte{lineData}, say(lineOpen, 1, ""))
	f.Fuzz(func(t *testing.T, first, second, third []byte) {
		l := NewLine(1000, func(string, []byte) error { return nil }, func() error { return nil })
		defer l.Close()
		var want []byte
		sound := true
		for i, m := range [][]byte{first, second, third} {
			l.Arrived(m, "peer")
			sound = sound && len(m) >= lineHead && (i > 0 || m[0] == lineOpen) && binary.BigEndian.Uint64(m[1:]) == uint64(len(want))
			if sound && m[0] == lineData {
				want = append(want, m[lineHead:]...)
			}
			sound = sound && m[0] != lineEnd // nothing is behind it
		}
		l.Break(io.EOF)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(l, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
		if n, err := l.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("%d bytes more, %v", n, err)
		}
	})
}
