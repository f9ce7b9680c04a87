// Command gensql: see the package pipeworks/internal/gensql.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/gensql"
)

func main() {
	os.Exit(cmdline.Main(gensql.Command()))
}
