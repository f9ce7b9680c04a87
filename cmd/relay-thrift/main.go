// Command relay-thrift: see the package pipeworks/internal/relay.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/relay"
	"pipeworks/internal/transport/thrift"
)

func main() {
	os.Exit(cmdline.Main(relay.Command("relay-thrift", thrift.Transport)))
}
