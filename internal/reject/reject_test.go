package reject

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var errBad = errors.New("bad record")

func TestSinkStops(t *testing.T) {
	var s Sink
	if s.Goes() {
		t.Error("the zero value goes on")
	}
	if err := s.Add(Record{Err: errBad}); err != errBad {
		t.Errorf("got %v, want the record's error", err)
	}
	if err := s.Err(); s.Count() != 0 || err != nil {
		t.Errorf("%d records, %v: the record that stops a run is not rejected", s.Count(), err)
	}
}

func TestSinkCounts(t *testing.T) {
	s := Sink{Force: true}
	if err := s.Err(); err != nil {
		t.Errorf("without rejects: %v", err)
	}
	for _, want := range []string{"1 record rejected", "2 records rejected"} {
		if err := s.Add(Record{Err: errBad}); err != nil {
			t.Fatal(err)
		}
		err := s.Err()
		var rejected *RejectedError
		if !errors.As(err, &rejected) || err.Error() != want || rejected.ExitStatus() != 3 {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if s.Count() != 2 || !s.Goes() {
		t.Errorf("%d records, goes on: %t", s.Count(), s.Goes())
	}
}

func TestSinkWrites(t *testing.T) {
	tests := []struct {
		name string
		r    Record
		want string
	}{
		{"everything", Record{Source: "in.csv", Line: 12, Err: errBad, Code: "1062", Retryable: true, Input: []byte(`1,"x"`)},
			`{"tool":"test","source":"in.csv","line":12,"error":"bad record","code":"1062","retryable":true,"input":"1,\"x\""}`},
		{"no code", Record{Source: "stdin", Line: 1, Err: errBad, Input: []byte("x")},
			`{"tool":"test","source":"stdin","line":1,"error":"bad record","retryable":false,"input":"x"}`},
		{"readable", Record{Source: "stdin", Line: 1, Err: errors.New("a < b"), Input: []byte("<é>&\n\x00")},
			`{"tool":"test","source":"stdin","line":1,"error":"a < b","retryable":false,"input":"<é>&\n\u0000"}`},
		{"input that is not UTF-8", Record{Source: "stdin", Line: 1, Err: errBad, Input: []byte("x\xff")},
			`{"tool":"test","source":"stdin","line":1,"error":"bad record","retryable":false,"input":"","input_base64":"eP8="}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			s := Sink{Tool: "test", Out: &out}
			if err := s.Add(tt.r); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want+"\n", out.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if s.Count() != 1 {
				t.Errorf("%d records counted", s.Count())
			}
		})
	}
}

func TestSinkMax(t *testing.T) {
	var out strings.Builder
	s := Sink{Out: &out, Max: 2}
	for range 2 {
		if err := s.Add(Record{Err: errBad}); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Add(Record{Err: errBad})
	var many *ManyError
	if !errors.As(err, &many) || !errors.Is(err, errBad) || err.Error() != "more than 2 records rejected, the last: bad record" {
		t.Errorf("got %v", err)
	}
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("%d records were written, want the one that was too many too", n)
	}
}

func TestSinkWriteError(t *testing.T) {
	full := errors.New("no space left on device")
	s := Sink{Out: failingWriter{full}, Force: true}
	err := s.Add(Record{Err: errBad})
	if !errors.Is(err, full) || err.Error() != "write a reject: no space left on device" {
		t.Errorf("got %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// The original bytes come back whatever they are.
func FuzzSink(f *testing.F) {
	f.Add([]byte("1,2"), "in.csv", "bad")
	f.Add([]byte("\"<\x00\n\u2028é"), "a\nb", "<\xff>")
	f.Add([]byte("\xff"), "", "")
	f.Fuzz(func(t *testing.T, input []byte, source, message string) {
		var out strings.Builder
		s := Sink{Tool: "test", Out: &out}
		if err := s.Add(Record{Source: source, Err: errors.New(message), Input: input}); err != nil {
			t.Fatal(err)
		}
		if strings.Index(out.String(), "\n") != out.Len()-1 {
			t.Fatalf("%q is no line", out.String())
		}
		var got line
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
			t.Fatal(err)
		}
		if got.Input+string(got.InputBase64) != string(input) {
			t.Errorf("%q was written %s", input, out.String())
		}
	})
}
