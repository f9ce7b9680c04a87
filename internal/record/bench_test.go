package record

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// The rows that the benchmarks read and write: eight mixed columns.
const (
	benchRows   = 20_000
	benchHeader = "id,name,email,price,stock,created,active,note"
)

var benchCSV = func() []byte {
	var b bytes.Buffer
	b.WriteString(benchHeader + "\n")
	for i := range benchRows {
		fmt.Fprintf(&b, "%d,Zoë van den Berg %d,user%d@example.com,%d.%02d,%d,2024-03-%02d 12:%02d:00,%t,\n",
			i, i, i, i%1000, i%100, i%50, i%28+1, i%60, i%2 == 0)
	}
	return b.Bytes()
}()

func benchmarkReader(b *testing.B, f Format, data []byte) {
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(data), ReaderOptions{Format: f})
		if err != nil {
			b.Fatal(err)
		}
		var rec Record
		n := 0
		for {
			err := r.Read(&rec)
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != benchRows {
			b.Fatalf("%d records, want %d", n, benchRows)
		}
	}
}

// convert writes the benchmark's rows in another format.
func convert(b *testing.B, f Format) []byte {
	b.Helper()
	r, err := NewReader(bytes.NewReader(benchCSV), ReaderOptions{Format: CSV})
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	w, err := NewWriter(&out, f, WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Begin(strings.Split(benchHeader, ",")); err != nil {
		b.Fatal(err)
	}
	var rec Record
	for err = r.Read(&rec); err == nil; err = r.Read(&rec) {
		if err := w.Write(rec.Values); err != nil {
			b.Fatal(err)
		}
	}
	if err != io.EOF {
		b.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

func BenchmarkCSVReader(b *testing.B)   { benchmarkReader(b, CSV, benchCSV) }
func BenchmarkTSVReader(b *testing.B)   { benchmarkReader(b, TSV, convert(b, TSV)) }
func BenchmarkJSONLReader(b *testing.B) { benchmarkReader(b, JSONL, convert(b, JSONL)) }

func BenchmarkJSONTextReader(b *testing.B) {
	data := bytes.ReplaceAll(bytes.TrimSuffix(convert(b, JSONL), []byte{'\n'}), []byte{'\n'}, []byte(",\n"))
	benchmarkReader(b, JSONText, slices.Concat([]byte{'['}, data, []byte{']'}))
}

func BenchmarkOutfileReader(b *testing.B) {
	_, rows, _ := bytes.Cut(convert(b, TSV), []byte{'\n'})
	benchmarkReader(b, Outfile, rows)
}

func BenchmarkQuotedCSVReader(b *testing.B) {
	data := bytes.ReplaceAll(benchCSV, []byte(",user"), []byte(`,"a ""b"" user`))
	data = bytes.ReplaceAll(data, []byte(".com,"), []byte(`.com",`))
	benchmarkReader(b, CSV, data)
}

func BenchmarkEscapedJSONLReader(b *testing.B) {
	benchmarkReader(b, JSONL, bytes.ReplaceAll(convert(b, JSONL), []byte(" van den "), []byte(` \"van\"\n\u00e9den `)))
}

func benchmarkWriter(b *testing.B, f Format) {
	r, err := NewReader(bytes.NewReader(benchCSV), ReaderOptions{Format: CSV})
	if err != nil {
		b.Fatal(err)
	}
	var rec Record
	if err := r.Read(&rec); err != nil {
		b.Fatal(err)
	}
	w, err := NewWriter(io.Discard, f, WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Begin(rec.Fields); err != nil {
		b.Fatal(err)
	}
	n := 0
	for _, v := range rec.Values {
		n += len(v.Bytes) + 1
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Write(rec.Values); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCSVWriter(b *testing.B)   { benchmarkWriter(b, CSV) }
func BenchmarkTSVWriter(b *testing.B)   { benchmarkWriter(b, TSV) }
func BenchmarkJSONLWriter(b *testing.B) { benchmarkWriter(b, JSONL) }
func BenchmarkTableWriter(b *testing.B) { benchmarkWriter(b, Table) }
