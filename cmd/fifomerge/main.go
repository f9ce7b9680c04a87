// Command fifomerge: see the package pipeworks/internal/fifomerge.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/fifomerge"
)

func main() {
	os.Exit(cmdline.Main(fifomerge.Command()))
}
