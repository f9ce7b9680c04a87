package cmdline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/progress"
	"pipeworks/internal/stream"
)

// Main runs the tool on the process's arguments and streams and returns its
// exit status.
func Main(c *Command) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	log.SetOutput(io.Discard) // net/http prints there what servers do wrong
	return Run(ctx, c, os.Args[1:], Streams{os.Stdin, os.Stdout, os.Stderr})
}

// Run runs the tool and returns its exit status. The end of ctx ends the tool.
func Run(ctx context.Context, c *Command, args []string, s Streams) int {
	for _, verb := range c.Verbs {
		verb.isVerb = true
	}
	s.Err = asTerminal(s.Err)
	l, err := normalise(c, args)
	var text string
	if err == nil {
		text, err = l.info(c)
	}
	switch {
	case err != nil:
	case text != "":
		_, err = io.WriteString(stream.NewOutput("stdout", s.Out), text)
	case l.command.Action == nil:
		err = errNoInput
	default:
		err = l.call(ctx, c.Name, args, s)
	}
	if errors.Is(err, errNoInput) {
		l.command.writeShortHelp(s.Err, l.path, c.Usual)
		return 2
	}
	return report(ctx, c.Name, s.Err, err)
}

// info is what a flag asks to be told about the tool, "" if none does.
func (l *line) info(c *Command) (string, error) {
	var text strings.Builder
	var err error
	switch shell := l.value("completion"); {
	case l.has("help") && l.brief:
		l.command.writeShortHelp(&text, l.path, c.Usual)
	case l.has("help"):
		l.command.writeHelp(&text, l.path)
	case l.has("version"):
		fmt.Fprintln(&text, version(c.Name))
	case shell != "":
		err = c.writeCompletion(&text, shell)
	}
	return text.String(), err
}

// call hands the normalised line to urfave/cli for the values of its flags.
func (l *line) call(ctx context.Context, tool string, args []string, s Streams) error {
	flags := l.command.AllFlags()
	table := newFlagTable(flags)
	for _, f := range flags {
		if slice, ok := f.(*cli.StringSliceFlag); ok {
			slice.KeepSpace = true // a value is what was typed
		}
	}
	app := &cli.App{
		Name:                      tool,
		Flags:                     flags,
		HideHelp:                  true,
		HideVersion:               true,
		DisableSliceFlagSeparator: true,
		Writer:                    s.Err,
		ErrWriter:                 s.Err,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return badValue(err, table)
		},
		Action: func(c *cli.Context) error {
			inv := &Invocation{Context: c, tool: tool, command: l.command, streams: s, operands: c.Args().Slice(), args: args, meter: &progress.Meter{}}
			stop := func() {}
			if table["progress"] != nil {
				var err error
				if stop, err = inv.showProgress(); err != nil {
					return err
				}
			}
			err := l.command.Action(ctx, inv)
			stop() // it looks at the output, which is closed now
			return errors.Join(err, inv.close(err != nil && exitStatus(err) != 3))
		},
	}
	return app.RunContext(ctx, append([]string{tool}, l.args()...))
}

// badValue is an error of the flag parser about a value, in our words.
func badValue(err error, table flagTable) error {
	message, _ := strings.CutSuffix(err.Error(), ": parse error")
	value, name, _ := strings.Cut(message, " for flag -")
	hint := "it takes a whole number"
	if _, ok := table[name].(*cli.DurationFlag); ok {
		hint = "a TIME is 250ms, 10s, 1m30s or a number of seconds"
	}
	return UsageHint(fmt.Errorf("%s for --%s", value, name), hint)
}

// report prints an error, with its hint, and returns the exit status.
func report(ctx context.Context, tool string, stderr io.Writer, err error) int {
	var sig *signalError
	switch {
	case err == nil:
		return 0
	case errors.As(context.Cause(ctx), &sig):
		printOthers(stderr, tool, err, sig)
		return sig.ExitStatus()
	case errors.Is(err, stream.ErrClosed):
		return 141
	}
	printError(stderr, tool, err)
	return exitStatus(err)
}

// printOthers prints what went wrong beside the signal that ended the tool.
func printOthers(stderr io.Writer, tool string, err error, sig *signalError) {
	if errs := joined(err); errs != nil {
		for _, e := range errs {
			printOthers(stderr, tool, e, sig)
		}
	} else if !errors.Is(err, sig) && !errors.Is(err, stream.ErrClosed) {
		printError(stderr, tool, err)
	}
}

// printError prints each of the errors that err joins on a line of its own.
// A database error begins as the mysql client prints it, not with the tool. One
// without words is a status alone: there is nothing to add.
func printError(stderr io.Writer, tool string, err error) {
	if errs := joined(err); errs != nil {
		for _, e := range errs {
			printError(stderr, tool, e)
		}
		return
	}
	message := err.Error()
	if message == "" {
		return
	}
	if !strings.HasPrefix(message, "ERROR ") {
		message = tool + ": " + message
	}
	fmt.Fprintln(stderr, message)
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		fmt.Fprintf(stderr, "%s: hint: %s\n", tool, hinted.Hint())
	}
}

// joined returns the errors that errors.Join made one, nil for any other: what
// fmt.Errorf makes of several is a single message.
func joined(err error) []error {
	list, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	if join := errors.Join(list.Unwrap()...); join == nil || join.Error() != err.Error() {
		return nil
	}
	return list.Unwrap()
}

// exitStatus is what the error itself says, else 1. Of several errors the
// lowest counts: a failure (1) outweighs rejects (3).
func exitStatus(err error) int {
	if errs := joined(err); errs != nil {
		statuses := make([]int, len(errs))
		for i, e := range errs {
			statuses[i] = exitStatus(e)
		}
		return slices.Min(statuses)
	}
	var status interface{ ExitStatus() int }
	if errors.As(err, &status) {
		return status.ExitStatus()
	}
	return 1
}

// Summarize prints the totals of a run on stderr as one JSON object, if
// --summary is given: the fields of totals, which must be a struct, behind the
// tool's name, and the seconds since start.
func (inv *Invocation) Summarize(totals any, start time.Time) {
	if !inv.Bool("summary") {
		return
	}
	fields, err := json.Marshal(totals)
	if err != nil {
		inv.Notef("summary: %v", err)
		return
	}
	body := string(fields[1 : len(fields)-1])
	if body != "" {
		body += ","
	}
	fmt.Fprintf(inv.streams.Err, "{\"tool\":%q,%s\"seconds\":%.3f}\n", inv.tool, body, time.Since(start).Seconds())
}

// signalError is why a context ended: the tool was told to stop.
type signalError struct{ signal syscall.Signal }

func (e *signalError) Error() string   { return "stopped: " + e.signal.String() }
func (e *signalError) ExitStatus() int { return 128 + int(e.signal) }

// withSignals returns a context that the first SIGINT, SIGTERM or SIGHUP ends;
// a second one kills the process. What the parent has set to be ignored stays
// so: nohup does it, and a shell script for its background jobs. A write to a
// closed pipe becomes an error (EPIPE), so that the tool can clean up.
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	broken := make(chan os.Signal, 1) // taken by nobody
	signal.Notify(broken, syscall.SIGPIPE)
	stop := make(chan os.Signal, 1)
	signals := []os.Signal{syscall.SIGTERM}
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signals = append(signals, s)
		}
	}
	signal.Notify(stop, signals...)
	go func() {
		select {
		case s := <-stop:
			signal.Reset(signals...)
			cancel(&signalError{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(stop)
		signal.Stop(broken)
		cancel(nil)
	}
}
