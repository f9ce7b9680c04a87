package fifomerge

import (
	"context"
	_ "embed" // of attach.sh
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"pipeworks/internal/fifo"
)

//go:embed attach.sh
var attachScript string

// Attach writes what a shell evaluates to ask the server of a directory from
// then on, without a process: it makes the pipes of a session, and the shell
// opens them and says hello.
func Attach(ctx context.Context, cfg CallConfig, out io.Writer) error {
	h := cfg.hello()
	line, err := h.line()
	if err != nil {
		return err
	}
	ctx, cancel := cfg.within(ctx)
	defer cancel()
	door, err := fifo.OpenWhenRead(ctx, filepath.Join(cfg.Dir, helloPipe))
	if err != nil {
		return &noServerError{cfg.Dir, err}
	}
	defer door.Close()
	dir, err := fifo.OpenDir(cfg.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, suffix := range []string{querySuffix, replySuffix} {
		if err := dir.Make(h.id + suffix); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "fifoq_query=%s\nfifoq_reply=%s\nfifoq_door=%s\nfifoq_hello=%s\n%s",
		shellQuote(dir.Path(h.id+querySuffix)), shellQuote(dir.Path(h.id+replySuffix)), shellQuote(dir.Path(helloPipe)),
		shellQuote(strings.TrimSpace(string(line))), attachScript)
	return err
}

// shellQuote makes a word of any text.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
