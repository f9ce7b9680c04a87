package gensql

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

func BenchmarkInsert(b *testing.B) {
	var csv, jsonl strings.Builder
	csv.WriteString("id,name,price,created,email,note\n")
	for i := range 10_000 {
		note := "it's a plain note"
		if i%10 == 0 {
			note = `"a note, with ""quotes"" and a comma"`
		}
		fmt.Fprintf(&csv, "%d,Name Number %d,%d.%02d,2024-01-02 03:04:05,user%d@example.com,%s\n", i, i, i%10000, i%100, i, note)
		fmt.Fprintf(&jsonl, `{"id":%d,"name":"Name Number %d","price":%d.%02d,"created":"2024-01-02 03:04:05","email":"user%d@example.com","note":"it's a plain note"}`+"\n", i, i, i%10000, i%100, i)
	}
	for _, input := range []struct{ name, text string }{{"csv", csv.String()}, {"jsonl", jsonl.String()}} {
		for _, create := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/create=%t", input.name, create), func(b *testing.B) {
				b.SetBytes(int64(len(input.text)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Run(b.Context(), Config{Table: "t", Create: create}, stdin(input.text), io.Discard); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
