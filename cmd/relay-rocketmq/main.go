// Command relay-rocketmq is relay with RocketMQ: see the package pipeworks/internal/relay.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/relay"
	"pipeworks/internal/transport/rocketmq"
)

func main() {
	os.Exit(cmdline.Main(relay.Command("relay-rocketmq", rocketmq.Transport)))
}
