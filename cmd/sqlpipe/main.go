// Command sqlpipe: see the package pipeworks/internal/sqlpipe.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/sqlpipe"
)

func main() {
	os.Exit(cmdline.Main(sqlpipe.Command()))
}
