// Command relay-amqp: see the package pipeworks/internal/relay.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/relay"
	"pipeworks/internal/transport/amqp"
)

func main() {
	os.Exit(cmdline.Main(relay.Command("relay-amqp", amqp.Transport)))
}
