package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"pipeworks/internal/shm"
	"pipeworks/internal/transport"
)

// prefixes of what belongs to a name.
var prefixes = []string{messages, calls, lines}

// lineSuffix is how many bytes of a line's name make it one of its own.
const lineSuffix = len(".0123456789abcdef")

// nameOf is the name to which a segment belongs.
func nameOf(prefix, path string) string {
	name := strings.TrimPrefix(path, prefix)
	if prefix == lines {
		name = name[:max(0, len(name)-lineSuffix)]
	}
	return name
}

// find is the segments of a name, or of every name.
func find(name string) map[string][]string {
	found := map[string][]string{}
	for _, prefix := range prefixes {
		for _, path := range shm.Find(prefix) {
			if of := nameOf(prefix, path); name == "" || name == of {
				found[of] = append(found[of], path)
			}
		}
	}
	return found
}

// list is the shared memory of a name, or all that there is.
func list(_ context.Context, u transport.URL, _ transport.Options) ([]transport.Resource, error) {
	var all []transport.Resource
	found := find(u.Name())
	for _, name := range slices.Sorted(maps.Keys(found)) {
		var sum shm.Status
		for _, path := range found[name] {
			s, err := shm.Stat(path)
			if err != nil && u.Name() != "" && !errors.Is(err, fs.ErrNotExist) {
				return all, err
			}
			sum.Writers += s.Writers
			sum.Readers += s.Readers
			sum.Bytes += s.Bytes
			sum.Size += s.Size
		}
		if sum.Size == 0 {
			continue // it is gone by now, or another user's
		}
		all = append(all, transport.Resource{
			URL:   "shm:" + name,
			Bytes: sum.Bytes,
			Stale: sum.Writers+sum.Readers == 0,
			Note:  fmt.Sprintf("%s, %s, %d KiB of memory", count(sum.Writers, "sender"), count(sum.Readers, "receiver"), sum.Size>>10),
		})
	}
	return all, nil
}

// remove removes what there is of a name.
func remove(_ context.Context, u transport.URL, _ transport.Options) error {
	paths := find(u.Name())[u.Name()]
	if paths == nil {
		return fmt.Errorf("%s: %w", u, fs.ErrNotExist)
	}
	var failed error
	for _, path := range paths {
		failed = errors.Join(failed, shm.Remove(path))
	}
	return failed
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}
