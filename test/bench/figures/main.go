// Command figures draws docs/figures from the newest results of each benchmark
// in test/bench/results:
//
//	figures RESULTS FIGURES
//
// RESULTS and FIGURES are directories. It is a module of its own, so that the
// tools' list of modules is what the tools are made of.
package main

import (
	"fmt"
	"os"
	"path/filepath"
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
		bars, err := f.read(results)
		if err != nil {
			return err
		}
		svg, err := drawSVG(f.title, bars)
		if err != nil {
			return fmt.Errorf("draw %s: %w", f.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, f.name+".svg"), svg, 0o644); err != nil {
			return err
		}
	}
	return nil
}
