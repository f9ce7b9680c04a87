package sqlpipe

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Include opens the files below dir that scripts may source: the Include of
// sqltext.ScanOptions. Their names are relative to dir, or absolute.
func Include(dir string) func(name string) (io.ReadCloser, error) {
	return func(name string) (io.ReadCloser, error) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		if filepath.IsAbs(name) {
			absolute, err := filepath.Abs(dir)
			if err != nil {
				return nil, err
			}
			if name, err = filepath.Rel(absolute, name); err != nil {
				return nil, err
			}
		}
		info, err := root.Stat(name) // before Open, which waits for the writer of a FIFO
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, fmt.Errorf("%s: %w", name, path.Err)
		}
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is no regular file", name)
		}
		if err != nil {
			return nil, err
		}
		return root.Open(name)
	}
}
