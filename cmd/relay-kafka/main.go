// Command relay-kafka is relay with Kafka: see the package pipeworks/internal/relay.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/relay"
	"pipeworks/internal/transport/kafka"
)

func main() {
	os.Exit(cmdline.Main(relay.Command("relay-kafka", kafka.Transport)))
}
