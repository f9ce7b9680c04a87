// Command relay-nats is relay with NATS: see the package pipeworks/internal/relay.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/relay"
	"pipeworks/internal/transport/nats"
)

func main() {
	os.Exit(cmdline.Main(relay.Command("relay-nats", nats.Transport)))
}
