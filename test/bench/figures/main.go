// Command figures draws docs/figures from the newest results of each benchmark
// in test/bench/results:
//
//	figures RESULTS FIGURES
//
// RESULTS and FIGURES are directories.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"pipeworks/internal/chart"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 3 {
		return fmt.Errorf("usage: figures RESULTS FIGURES")
	}
	return drawAll(os.Args[1], os.Args[2])
}

// drawAll draws every figure into a file of its name.
func drawAll(results, dir string) error {
	for _, f := range figures {
		ratios, err := f.read(results)
		if err != nil {
			return err
		}
		svg, err := f.chart(ratios).SVG()
		if err != nil {
			return fmt.Errorf("draw %s: %w", f.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, f.name+".svg"), svg, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// chart has bars from 1, the peer's time.
func (f figure) chart(ratios []ratio) chart.Chart {
	c := chart.Chart{Title: f.title, Columns: []chart.Column{{Width: 280, Origin: 1}}}
	for i, r := range ratios {
		fill := chart.Blue
		if r.mid > 1 {
			fill = chart.Orange
		}
		c.Rows = append(c.Rows, f.comparisons[i].label)
		c.Columns[0].Bars = append(c.Columns[0].Bars, []chart.Bar{
			{Value: r.mid, Least: r.least, Most: r.most, Color: fill, Text: fmt.Sprintf("%.2f", r.mid)},
		})
	}
	return c
}
