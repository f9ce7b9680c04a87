package relay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/record"
	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
)

func (t transports) lsCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "ls",
		Summary:  "list what outlives its processes",
		Operands: "[URL...]",
		Examples: []cmdline.Example{
			{Comment: "all shared memory of relay on this machine", Line: "relay ls"},
			{Comment: "what nobody uses any more, and is not empty", Line: "relay ls -f jsonl | jq -r 'select(.stale and .bytes > 0).url'"},
		},
		Description: `A crash can leave shared memory, sockets and named pipes behind: those that no
living process uses are stale. Without a URL it is all that has no path.`,
		Flags: []cli.Flag{
			cmdline.FormatFlag(),
			cmdline.OutputFlag(),
			cmdline.TimeoutFlag(0, "give up when a broker is away for so long, a `TIME`; 0 is never"),
		},
		Action: t.runLs,
	}
}

func (t transports) rmCommand() *cmdline.Command {
	return &cmdline.Command{
		Name:     "rm",
		Summary:  "remove what outlives its processes",
		Operands: "URL...",
		Examples: []cmdline.Example{
			{Comment: "and what is in it", Line: "relay rm shm:jobs"},
		},
		Description: `What is or may be in use is refused without --force. With it, those who use it
go on with what they have, and nobody else joins them.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Usage: "remove also what is in use"},
			cmdline.TimeoutFlag(0, "give up when a broker is away for so long, a `TIME`; 0 is never"),
		},
		Action: t.runRm,
	}
}

// lists is what has no path, of every way to talk, or what is at the URLs.
func (t transports) lists(ctx context.Context, inv *cmdline.Invocation) (found []transport.Resource, err error) {
	o := transport.Options{Timeout: inv.Duration("timeout"), Warn: inv.Notef}
	if len(inv.Operands()) == 0 {
		for _, tr := range local {
			if tr.List == nil {
				continue
			}
			there, err := tr.List(ctx, transport.URL{Scheme: tr.Scheme}, o)
			if err != nil {
				return found, err
			}
			found = append(found, there...)
		}
		return found, nil
	}
	if _, _, err := t.operand(inv); err != nil { // or it is a sibling's
		return nil, err
	}
	for _, operand := range inv.Operands() {
		u, tr, err := t.parse(operand)
		if err != nil {
			return found, err
		}
		if tr.List == nil {
			return found, cmdline.Usagef("%s: nothing of it outlives its processes", u)
		}
		there, err := tr.List(ctx, u, o)
		if err != nil {
			return found, err
		}
		found = append(found, there...)
	}
	return found, nil
}

func (t transports) runLs(ctx context.Context, inv *cmdline.Invocation) error {
	out, err := inv.Output(stream.Inputs{})
	if err != nil {
		return err
	}
	format, err := inv.OutputFormat()
	if err != nil {
		return err
	}
	found, err := t.lists(ctx, inv)
	if err != nil {
		return err
	}
	rows, err := record.NewWriter(out, format, record.WriterOptions{})
	if err != nil {
		return err
	}
	if err := rows.Begin([]string{"url", "bytes", "stale", "note"}); err != nil {
		return err
	}
	for _, r := range found {
		if err := rows.Write([]record.Value{record.String(r.URL), record.Int(r.Bytes), record.Boolean(r.Stale), record.String(r.Note)}); err != nil {
			return err
		}
	}
	return rows.Flush()
}

func (t transports) runRm(ctx context.Context, inv *cmdline.Invocation) error {
	if _, _, err := t.operand(inv); err != nil { // or it is a sibling's
		return err
	}
	var failed error
	for _, operand := range inv.Operands() {
		u, tr, err := t.parse(operand)
		if err == nil {
			err = remove(ctx, u, tr, inv.Bool("force"))
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// remove removes what is at a URL, if nobody uses it.
func remove(ctx context.Context, u transport.URL, tr transport.Transport, force bool) error {
	if tr.List == nil || tr.Remove == nil {
		return cmdline.Usagef("%s: nothing of it can be removed", u)
	}
	there, err := tr.List(ctx, u, transport.Options{})
	if err != nil {
		return err
	}
	if len(there) == 0 {
		return fmt.Errorf("%s: %w", u, fs.ErrNotExist)
	}
	if !there[0].Stale && !force {
		return &inUseError{u, there[0].Note}
	}
	return tr.Remove(ctx, u, transport.Options{})
}

// inUseError is something that is not removed.
type inUseError struct {
	u    transport.URL
	note string
}

func (e *inUseError) Error() string {
	if e.note == "" {
		return e.u.String() + " may be in use"
	}
	return fmt.Sprintf("%s is in use: %s", e.u, e.note)
}

// Hint is the cure.
func (e *inUseError) Hint() string { return "--force removes it all the same" }
