// Package relayplot draws what relay bench has measured.
package relayplot

import (
	"context"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
)

// Command is the command line of relay-plot.
func Command() *cmdline.Command {
	return &cmdline.Command{
		Name:     "relay-plot",
		Summary:  "draw a chart of what relay bench -f jsonl has written",
		Operands: "[FILE...]",
		Description: `It writes SVG. "relay bench --plot FILE" runs it; by itself it draws what was
measured before, or what several machines have measured.`,
		Flags:  []cli.Flag{cmdline.OutputFlag()},
		Action: run,
	}
}

func run(ctx context.Context, inv *cmdline.Invocation) error {
	in, err := inv.Inputs(inv.Operands())
	if err != nil {
		return err
	}
	out, err := inv.Output(in)
	if err != nil {
		return err
	}
	rows, err := read(ctx, in)
	if err != nil {
		return err
	}
	svg, err := drawSVG(rows)
	if err != nil {
		return err
	}
	_, err = out.Write(svg)
	return err
}
