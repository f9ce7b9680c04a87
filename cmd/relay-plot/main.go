// Command relay-plot: see the package pipeworks/internal/relayplot.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/relayplot"
)

func main() {
	os.Exit(cmdline.Main(relayplot.Command()))
}
