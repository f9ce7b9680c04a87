package crawl

import (
	"fmt"
	"os"
	"path/filepath"
)

// save keeps a body in a file below dir that is called by its SHA-256, and
// returns its path. A file of that name is always whole: what another run was
// about to write when it was killed has another name.
func save(dir, sum string, body []byte) (string, error) {
	path := filepath.Join(dir, sum[:2], sum)
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(body)) {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return "", fmt.Errorf("save a page: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return "", fmt.Errorf("save a page: %w", err)
	}
	_, err = file.Write(body)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Chmod(file.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return "", fmt.Errorf("save a page: %w", err)
	}
	return path, nil
}
