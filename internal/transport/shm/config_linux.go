package shm

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"pipeworks/internal/shm"
	"pipeworks/internal/transport"
)

// Segments are files with these names, and then that of the URL.
const (
	messages = "/dev/shm/relay."
	calls    = "/dev/shm/relay-calls." // where who calls leaves the name of a line
	lines    = "/dev/shm/relay-line."
)

// config is what a URL asks for.
func config(u transport.URL, o transport.Options, prefix string) (c shm.Config, err error) {
	name := u.Name()
	if u.Host != "" || name == "" || strings.Contains(name, "/") || len(name) > 200 {
		return c, fmt.Errorf("%s: it is written shm:NAME, with a NAME of at most 200 bytes and no slash", u)
	}
	c = shm.Config{Path: prefix + name, Stream: o.Stream, Timeout: o.Timeout}
	if text := u.Option("mode"); text != "" {
		mode, err := strconv.ParseUint(text, 8, 9)
		if err != nil {
			return c, fmt.Errorf("%s: option mode=%s: permissions are written 0600, 0660", u, text)
		}
		c.Mode = fs.FileMode(mode)
	}
	if text := u.Option("size"); text != "" {
		if c.Size, err = parseSize(text); err != nil {
			return c, fmt.Errorf("%s: option size=%s: sizes are written 65536, 64K, 16M, 1G", u, text)
		}
	}
	return c, nil
}

// parseSize is a number of bytes, up to 1T.
func parseSize(text string) (int, error) {
	shift := 0
	if i := strings.IndexByte("KMG", text[len(text)-1]&^0x20); i >= 0 {
		text, shift = text[:len(text)-1], 10*(i+1)
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err == nil && (n == 0 || n<<shift > 1<<40) {
		err = strconv.ErrRange
	}
	return int(n << shift), err
}

// supported refuses what shared memory has not.
func supported(u transport.URL, o transport.Options) error {
	switch {
	case o.Group != "":
		return fmt.Errorf("%s: there are no groups of receivers: one takes all", u)
	case o.Dedupe:
		return fmt.Errorf("%s: it does not know which messages it had before", u)
	}
	return nil
}
