// Command crawl: see the package pipeworks/internal/crawl.
package main

import (
	"os"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/crawl"
)

func main() {
	os.Exit(cmdline.Main(crawl.Command()))
}
