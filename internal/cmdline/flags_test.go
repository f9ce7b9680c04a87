package cmdline

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"pipeworks/internal/record"
	"pipeworks/internal/stream"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]int{
		"1": 1, "4096": 4096, "64K": 64 << 10, "64k": 64 << 10, "64KiB": 64 << 10, "10M": 10 << 20,
		"64MiB": 64 << 20, "2G": 2 << 30, "2gib": 2 << 30, "512b": 512, "8589934592": 8 << 30,
		"": 0, "0": 0, "-1": 0, "M": 0, "1.5M": 0, "1 M": 0, "1KB": 0, "1T": 0, "x": 0, "0x10": 0,
		"99999999999999999999": 0, "9223372036854775807": 1<<63 - 1, "9223372036854775807K": 0, "8589934592G": 0, "9007199254740992K": 0,
	} {
		got := runSample(t, []string{"--max-record=" + text}, func(_ context.Context, inv *Invocation) error {
			n, err := inv.Size("max-record")
			if n != want {
				t.Errorf("%q is %d, want %d", text, n, want)
			}
			return err
		})
		if want == 0 {
			compare(t, text, result{2, "", fmt.Sprintf("sample: --max-record %q is not a size\nsample: hint: sizes are written 4096, 64K, 64MiB\n", text)}, got)
		}
	}
}

func TestFormatFlags(t *testing.T) {
	type flags struct {
		in, out record.Format
		null    string
	}
	for _, tt := range []struct {
		args   string
		want   flags
		stderr string
	}{
		{"", flags{record.Auto, record.JSONL, "unset"}, ""},
		{"-i tsv -f csv --null-as NULL", flags{record.TSV, record.CSV, "NULL"}, ""},
		{"-f table --null-as=", flags{record.Auto, record.Table, ""}, ""},
		{"-i table", flags{}, "sample: unknown format \"table\": it is one of jsonl, json, csv, tsv, outfile\n"},
		{"-f xml", flags{}, "sample: unknown format \"xml\": it is one of jsonl, csv, tsv, table\n"},
		{"-f=csv", flags{}, "sample: unknown format \"=csv\": it is one of jsonl, csv, tsv, table\n"},
	} {
		got := flags{null: "unset"}
		r := runSample(t, split(tt.args), func(_ context.Context, inv *Invocation) (err error) {
			if got.in, err = inv.InputFormat(); err != nil {
				return err
			}
			if got.out, err = inv.OutputFormat(); err != nil {
				return err
			}
			if null := inv.NullAs(); null != nil {
				got.null = *null
			}
			return nil
		})
		if tt.stderr != "" {
			compare(t, tt.args, result{2, "", tt.stderr}, r)
		} else if got != tt.want || r.status != 0 {
			t.Errorf("%s: got %+v, %+v; want %+v", tt.args, got, r, tt.want)
		}
	}
}

// On a terminal people get a table.
func TestOutputFormatTerminal(t *testing.T) {
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer pty.Close()
	tool := sample(func(_ context.Context, inv *Invocation) error {
		if _, err := inv.Output(stream.Inputs{}); err != nil {
			return err
		}
		if f, err := inv.OutputFormat(); f != record.Table || err != nil {
			t.Errorf("got %s, %v", f, err)
		}
		return nil
	})
	if status := Run(t.Context(), tool, nil, Streams{strings.NewReader(""), pty, io.Discard}); status != 0 {
		t.Errorf("status %d", status)
	}
}
