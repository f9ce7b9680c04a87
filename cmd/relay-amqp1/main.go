// Command relay-amqp1: see the package pipeworks/internal/relay.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/relay"
	"pipeworks/internal/transport/amqp1"
)

func main() {
	os.Exit(cmdline.Main(relay.Command("relay-amqp1", amqp1.Transport)))
}
