// Command relay: see the package pipeworks/internal/relay.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/relay"
)

func main() {
	os.Exit(cmdline.Main(relay.Command("relay")))
}
