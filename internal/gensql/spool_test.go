package gensql

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/record"
)

func TestSpool(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s, err := newSpool()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if names, err := os.ReadDir(dir); len(names) > 0 || err != nil {
		t.Errorf("the file has a name: %v, %v", names, err)
	}
	ab, c := []string{"a", "b"}, []string{"c"}
	want := []record.Record{
		{Fields: ab, Values: []record.Value{{}, {Kind: record.Text, Bytes: []byte{}}}, Raw: []byte(","), Line: 2},
		{Fields: c, Values: []record.Value{{Kind: record.Number, Bytes: []byte("1.50")}}, Raw: []byte(`{"c":1.50}`), Line: 1, Typed: true},
		{Fields: ab, Values: []record.Value{{Kind: record.Binary, Bytes: []byte("\x00\xff")}, {Kind: record.Text, Bytes: []byte(strings.Repeat("x", 100_000))}}, Raw: []byte{}, Line: 1 << 40},
	}
	sources := []string{"one", "two", "two"}
	for i := range want {
		if err := s.write(sources[i], &want[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.rewind(); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i].Values[0].Bytes = append([]byte{}, want[i].Values[0].Bytes...) // NULL has none
		source, got, err := s.read()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[i], got); source != sources[i] || diff != "" {
			t.Errorf("record %d of %s, -want +got:\n%s", i, source, diff)
		}
	}
	if _, _, err := s.read(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}
