// Command relay-stomp: see the package pipeworks/internal/relay.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/relay"
	"pipeworks/internal/transport/stomp"
)

func main() {
	os.Exit(cmdline.Main(relay.Command("relay-stomp", stomp.Transport)))
}
