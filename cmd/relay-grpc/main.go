// Command relay-grpc: see the package pipeworks/internal/relay.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/relay"
	"pipeworks/internal/transport/grpc"
)

func main() {
	os.Exit(cmdline.Main(relay.Command("relay-grpc", grpc.Transport)))
}
