package cmdline

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/framing"
	"pipeworks/internal/record"
)

// AllFlags are the flags of the command and those that every command, or every
// tool, has.
func (c *Command) AllFlags() []cli.Flag {
	common := []cli.Flag{
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print errors only"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "say on stderr what is being done"},
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help: -h a screen of it, --help all"},
		&cli.BoolFlag{Name: "version", Usage: "print the version"},
	}
	if !c.isVerb {
		common = append(common, &cli.StringFlag{Name: "completion", Usage: "print completions for the `SHELL`: " + strings.Join(shells, ", ")})
	}
	return append(append([]cli.Flag(nil), c.Flags...), common...)
}

// The flags that mean the same in every tool that has them.

// OutputFlag is -o.
func OutputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE`, made at the first output; - is stdout"}
}

// SummaryFlag is --summary.
func SummaryFlag() cli.Flag {
	return &cli.BoolFlag{Name: "summary", Usage: "print one JSON object of totals on stderr at the end"}
}

// FormatFlag is -f.
func FormatFlag() cli.Flag {
	return &cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "output `FORMAT`: " + names(record.OutputFormats) + " (default table on a terminal, else jsonl)"}
}

// InputFormatFlag is -i.
func InputFormatFlag() cli.Flag {
	return &cli.StringFlag{Name: "input-format", Aliases: []string{"i"}, Usage: "input `FORMAT`: " + names(record.InputFormats) + " (default: seen from the data or the file's name)"}
}

// NullAsFlag is --null-as.
func NullAsFlag() cli.Flag {
	return &cli.StringFlag{Name: "null-as", Usage: "`TEXT` that stands for NULL in csv, tsv and tables"}
}

// RowFlags are --format, --null-as, --no-header and --binary: how the rows of a
// database are written.
func RowFlags() []cli.Flag {
	return []cli.Flag{
		FormatFlag(),
		NullAsFlag(),
		&cli.BoolFlag{Name: "no-header", Usage: "leave the column names out of csv, tsv and tables"},
		&cli.StringFlag{Name: "binary", Value: "base64", Usage: "`HOW` binary values are written: base64, hex, raw"},
	}
}

// RejectFlags are --rejects, --max-rejects and --force.
func RejectFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "rejects", Usage: "write a bad record to `FILE`, as a JSON line, and go on"},
		&cli.IntFlag{Name: "max-rejects", Usage: "go on after a bad record until more than `N` are rejected"},
		&cli.BoolFlag{Name: "force", Usage: "go on after a bad record, only counting it"},
	}
}

// JobsFlag is -j.
func JobsFlag(n int) cli.Flag {
	return &cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Value: n, Usage: "do `N` things at once"}
}

// DryRunFlag is -n.
func DryRunFlag(usage string) cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: usage}
}

// NullFlag is -0.
func NullFlag(usage string) cli.Flag {
	return &cli.BoolFlag{Name: "null", Aliases: []string{"0"}, Usage: usage}
}

// TimeoutFlag is --timeout.
func TimeoutFlag(d time.Duration, usage string) cli.Flag {
	return &cli.DurationFlag{Name: "timeout", Value: d, Usage: usage}
}

// RetriesFlag is --retries.
func RetriesFlag(n int, usage string) cli.Flag {
	return &cli.IntFlag{Name: "retries", Value: n, Usage: usage}
}

// FramingFlag is --framing.
func FramingFlag() cli.Flag {
	return &cli.StringFlag{Name: "framing", Value: "newline", Usage: "`HOW` records end: newline, null, or length (4 bytes before it, highest first)"}
}

// MaxRecordFlag is --max-record.
func MaxRecordFlag() cli.Flag {
	return &cli.StringFlag{Name: "max-record", Value: "64MiB", Usage: "longest record taken, a `SIZE`"}
}

func names(formats []record.Format) string {
	s := make([]string, len(formats))
	for i, f := range formats {
		s[i] = f.String()
	}
	return strings.Join(s, ", ")
}

// InputFormat is what --input-format says, Auto if it is not given.
func (inv *Invocation) InputFormat() (record.Format, error) {
	if !inv.IsSet("input-format") {
		return record.Auto, nil
	}
	f, err := record.ParseFormat(inv.String("input-format"), record.InputFormats)
	return f, Usage(err)
}

// OutputFormat is what --format says, by default a table where the Output,
// which must have been asked for before, is a terminal, and JSON Lines
// elsewhere.
func (inv *Invocation) OutputFormat() (record.Format, error) {
	if inv.IsSet("format") {
		f, err := record.ParseFormat(inv.String("format"), record.OutputFormats)
		return f, Usage(err)
	}
	if inv.output != nil && inv.output.Terminal() {
		return record.Table, nil
	}
	return record.JSONL, nil
}

// NullAs is what --null-as says, nil if it is not given.
func (inv *Invocation) NullAs() *string {
	if !inv.IsSet("null-as") {
		return nil
	}
	s := inv.String("null-as")
	return &s
}

// Rows is what the RowFlags say. A terminal gets every row at once.
func (inv *Invocation) Rows() (f record.Format, o record.WriterOptions, err error) {
	if f, err = inv.OutputFormat(); err != nil {
		return f, o, err
	}
	o = record.WriterOptions{
		NullAs:    inv.NullAs(),
		NoHeader:  inv.Bool("no-header"),
		FlushEach: inv.output != nil && inv.output.Terminal(),
	}
	if o.Binary, err = record.ParseEncoding(inv.String("binary")); err == nil {
		_, err = record.NewWriter(io.Discard, f, o) // do they go together?
	}
	return f, o, Usage(err)
}

// Framing is what --framing says, if the command has it, or -0.
func (inv *Invocation) Framing() (f framing.Framing, err error) {
	if inv.IsSet("framing") {
		f, err = framing.Parse(inv.String("framing"))
	}
	if inv.Bool("null") {
		if inv.IsSet("framing") && f != framing.Null {
			return 0, Usagef("-0 is --framing null, not %s", inv.String("framing"))
		}
		f = framing.Null
	}
	return f, Usage(err)
}

// Size is the value of a size flag in bytes: a number and, if wanted, one of
// K, M, G, KiB, MiB, GiB (powers of 1024).
func (inv *Invocation) Size(name string) (int, error) {
	text := inv.String(name)
	digits := strings.TrimRight(text, "kKmMgGiIbB")
	shift, ok := map[string]int{"": 0, "b": 0, "k": 10, "kib": 10, "m": 20, "mib": 20, "g": 30, "gib": 30}[strings.ToLower(text[len(digits):])]
	n, err := strconv.Atoi(digits)
	if err != nil || !ok || n <= 0 || n > math.MaxInt>>shift {
		return 0, &usageError{err: fmt.Errorf("--%s %q is not a size", name, text), hint: "sizes are written 4096, 64K, 64MiB"}
	}
	return n << shift, nil
}
