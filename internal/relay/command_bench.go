package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/record"
	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
	"pipeworks/internal/transport/plain"
)

func (t transports) benchCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "bench",
		Summary:  "measure what each way to talk can do on this machine",
		Operands: "[URL...]",
		Examples: []cmdline.Example{
			{Comment: "all ways within this machine", Line: "relay bench"},
			{Comment: "one of them, quickly", Line: "relay bench --time 10ms unix:/tmp/bench"},
		},
		Description: `Records of 64 bytes, 4 KiB and 64 KiB go to a process that throws them away, one
in a message and 128 KiB of them in a message, until it has confirmed the last.
A round trip is a record of 64 bytes there and back, a call where there are
such; its p99 is what one of a hundred exceeds. Run it on a machine that has
nothing else to do, and more than once.`,
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "time", Value: 300 * time.Millisecond, Usage: "let each of the seven measurements of a way take a `TIME`"},
			&cli.StringFlag{Name: "plot", Usage: "draw a chart, in SVG, into `FILE`"},
			&cli.BoolFlag{Name: "echo", Usage: "be the other side: send back what comes to URL, by the second URL if it carries no calls"},
			cmdline.FormatFlag(),
			cmdline.OutputFlag(),
		},
		Action: t.runBench,
	}
}

// benchFields are those of a row of the table: rates are of records a second of
// 64 bytes, and of MB (of 10^6 bytes) a second of the others.
var benchFields = []string{"way", "64B/s", "64B/s batched", "4KiB MB/s", "4KiB MB/s batched", "64KiB MB/s", "64KiB MB/s batched", "round trip us", "p99 us"}

func (t transports) runBench(ctx context.Context, inv *cmdline.Invocation) error {
	o := transport.Options{Timeout: 10 * time.Second, Warn: inv.Verbosef}
	if inv.Bool("echo") {
		return t.runEcho(ctx, inv, o)
	}
	names := inv.Operands()
	if len(names) == 0 {
		dir, err := os.MkdirTemp("", "relay")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // it is among the temporary files
		if names, err = t.benchURLs(dir); err != nil {
			return err
		}
	} else if _, _, err := t.operand(inv); err != nil { // or a sibling does it
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := inv.Output(stream.Inputs{})
	if err != nil {
		return err
	}
	format, err := inv.OutputFormat()
	if err != nil {
		return err
	}
	rows, err := record.NewWriter(out, format, record.WriterOptions{})
	if err == nil {
		err = rows.Begin(benchFields)
	}
	var all []Measured
	for _, name := range names {
		var u transport.URL
		var tr transport.Transport
		if u, tr, err = t.parse(name); err != nil {
			return err
		}
		switch {
		case tr.Sender == nil || tr.Receiver == nil:
			return cmdline.Usagef("%s carries calls only", u)
		case tr.Scheme == plain.File.Scheme:
			return cmdline.Usagef("%s: a file keeps what is sent, and nobody waits at its other end", u)
		}
		inv.Verbosef("measuring %s", u)
		m, err := Bench(ctx, BenchConfig{Time: inv.Duration("time"), Self: self}, u, tr, o)
		if err != nil {
			return err
		}
		if len(inv.Operands()) == 0 {
			m.Way = tr.Scheme // the places are nobody's
		}
		all = append(all, m)
		if err := rows.Write(m.row()); err != nil {
			return err
		}
		if err := rows.Flush(); err != nil {
			return err
		}
	}
	if path := inv.String("plot"); path != "" {
		return plot(ctx, path, all)
	}
	return err
}

// runEcho is the other side of a round trip.
func (t transports) runEcho(ctx context.Context, inv *cmdline.Invocation, o transport.Options) error {
	u, tr, err := t.operand(inv)
	if err != nil {
		return err
	}
	if len(inv.Operands()) == 1 {
		if tr.Listen == nil {
			return cmdline.Usagef("%s carries no calls: --echo takes a second URL for the way back", u)
		}
		l, err := tr.Listen(ctx, u, o)
		if err != nil {
			return err
		}
		return EchoCalls(ctx, l)
	}
	back, backTr, err := t.parse(inv.Operands()[1])
	if err != nil {
		return err
	}
	o.Framing = benchFraming
	r, err := tr.Receiver(ctx, u, o)
	if err != nil {
		return err
	}
	s, err := backTr.Sender(ctx, back, o)
	if err != nil {
		return errors.Join(err, r.Close())
	}
	return Echo(ctx, r, s)
}

// row is what benchFields name.
func (m Measured) row() []record.Value {
	row := []record.Value{record.String(m.Way)}
	for _, r := range m.Rates {
		n := r.PerSec
		if r.Size > 64 {
			n = n * float64(r.Size) / 1e6
		}
		row = append(row, record.Int(int64(n)))
	}
	for _, d := range []time.Duration{m.RoundTrip, m.Slowest} {
		row = append(row, record.Value{Kind: record.Number, Bytes: strconv.AppendFloat(nil, float64(d.Nanoseconds())/1e3, 'f', 1, 64)})
	}
	return row
}

// benchURLs are places for all ways within this machine.
func (t transports) benchURLs(dir string) (names []string, err error) {
	for _, tr := range local {
		name := fmt.Sprintf("relay-bench-%d", os.Getpid())
		switch tr.Scheme {
		case plain.File.Scheme:
			continue
		case "pipe":
			name = ""
		case "tcp":
			l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			name = "//" + l.Addr().String()
			l.Close()
		case "fifo", "unix", "unixgram":
			name = filepath.Join(dir, tr.Scheme)
		case "mqueue":
			name = "/" + name
		}
		names = append(names, tr.Scheme+":"+name)
	}
	return names, nil
}

// plot lets relay-plot draw a chart: the library that draws is larger than all
// of relay.
func plot(ctx context.Context, path string, all []Measured) error {
	program, err := findSibling("relay-plot")
	if err != nil {
		return cmdline.UsageHint(errors.New("--plot takes the program relay-plot, which is neither beside relay nor on PATH"), "it is built and packaged with relay")
	}
	var table bytes.Buffer
	rows, err := record.NewWriter(&table, record.JSONL, record.WriterOptions{})
	if err == nil {
		err = rows.Begin(benchFields)
	}
	for _, m := range all {
		if err == nil {
			err = rows.Write(m.row())
		}
	}
	if err == nil {
		err = rows.Flush()
	}
	if err != nil {
		return err
	}
	chart := stream.CreateOutput(path)
	cmd := exec.CommandContext(ctx, program)
	said := &lastLine{w: io.Discard}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &table, chart, said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("relay-plot: %w: %s", err, said.line)
	}
	return chart.Close()
}
