package record

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shared is where the test data is that others made and that is too large, or
// not ours, to stand in this tree.
const shared = "../../../shared/data"

func readShared(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(shared, name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no shared test data: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// csv-spectrum (https://github.com/maxogden/csv-spectrum, BSD-2): files with
// the JSON that they hold.
func TestCSVSpectrum(t *testing.T) {
	for _, name := range []string{
		"comma_in_quotes", "empty", "empty_crlf", "escaped_quotes", "json", "newlines",
		"newlines_crlf", "quotes_and_newlines", "simple", "simple_crlf", "utf8",
	} {
		t.Run(name, func(t *testing.T) {
			data := readShared(t, "csv-spectrum/csvs-"+name+".csv")
			if strings.HasSuffix(name, "_crlf") && !bytes.Contains(data, []byte("\r\n")) {
				// The copy went through a git that changed its line ends.
				data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
			}
			var want []map[string]string
			if err := json.Unmarshal(readShared(t, "csv-spectrum/json-"+name+".json"), &want); err != nil {
				t.Fatal(err)
			}
			r, err := NewReader(bytes.NewReader(data), ReaderOptions{Format: CSV})
			if err != nil {
				t.Fatal(err)
			}
			var got []map[string]string
			var rec Record
			for {
				err := r.Read(&rec)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				row := map[string]string{}
				for i, field := range rec.Fields {
					row[field] = string(rec.Values[i].Bytes)
				}
				got = append(got, row)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A large real file is read as encoding/csv reads it, and written back byte
// for byte: it quotes where we do.
func TestWorldCities(t *testing.T) {
	data := readShared(t, "world-cities.csv")
	want := csv.NewReader(bytes.NewReader(data))
	want.ReuseRecord = true
	header, err := want.Read()
	if err != nil {
		t.Fatal(err)
	}
	header = append([]string(nil), header...)
	r, err := NewReader(bytes.NewReader(data), ReaderOptions{Source: "world-cities.csv"})
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	w, err := NewWriter(&again, CSV, WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Begin(header); err != nil {
		t.Fatal(err)
	}
	var rec Record
	n := 0
	for ; ; n++ {
		row, wantErr := want.Read()
		err := r.Read(&rec)
		if err == io.EOF && wantErr == io.EOF {
			break
		}
		if err != nil || wantErr != nil {
			t.Fatalf("record %d: %v; encoding/csv: %v", n, err, wantErr)
		}
		got := make([]string, len(rec.Values))
		for i, v := range rec.Values {
			got[i] = string(v.Bytes)
		}
		if !cmp.Equal(header, rec.Fields) || !cmp.Equal(row, got) {
			t.Fatalf("line %d: %q %q, want %q %q", rec.Line, rec.Fields, got, header, row)
		}
		if err := w.Write(rec.Values); err != nil {
			t.Fatal(err)
		}
	}
	if n != 34_032 {
		t.Errorf("%d records, want 34,032", n)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, again.Bytes()) {
		t.Error("what was written differs from what was read")
	}
}
