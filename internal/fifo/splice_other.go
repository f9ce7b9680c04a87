//go:build !linux

package fifo

import (
	"errors"
	"os"
)

func splice(int, *os.File, int64, int) (int, error) {
	return 0, errors.New("only Linux moves bytes from a pipe to a file: splice(2)")
}

// Mark would mark the pipe, if it could.
func (r *Reader) Mark() (before bool) { return false }
