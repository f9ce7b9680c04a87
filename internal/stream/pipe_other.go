//go:build !linux

package stream

import "os"

// Elsewhere the system sizes pipes by itself.
func widenPipe(*os.File, int) {}
