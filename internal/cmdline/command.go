// Package cmdline is the edge that every tool shares: it turns an argument
// list into a call of a tool's Action with its streams, and what the Action
// returns into messages and an exit status. Nothing below it knows flags,
// standard streams, signals or exit statuses.
package cmdline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"pipeworks/internal/progress"
	"pipeworks/internal/reject"
	"pipeworks/internal/stream"
)

// Command is a tool, or a verb of one. A Command has either Verbs or an Action.
type Command struct {
	Name        string
	Summary     string // one line: what it does
	Operands    string // as the usage line shows them: "TABLE [FILE...]"
	Description string // paragraphs of help; lines are printed as they are
	Examples    []Example
	Flags       []cli.Flag // without those that every command has
	Usual       []string   // of a tool: names of the flags that -h tells of, its verbs' too
	FlagHint    string     // what to do about a flag that it does not have; "": see the help
	Verbs       []*Command
	Action      func(ctx context.Context, inv *Invocation) error

	isVerb bool // set by Run
}

// Example is a command line as a person would type it.
type Example struct {
	Comment string
	Line    string
}

// Streams are a tool's standard streams.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Invocation is one call of a Command: its flags, operands and streams.
type Invocation struct {
	*cli.Context
	tool     string // the name that messages begin with
	command  *Command
	streams  Streams
	output   *stream.Output
	rejects  *stream.Output
	operands []string
	args     []string
	meter    *progress.Meter
	notedDB  bool
}

// Operands are the arguments that are no flags.
func (inv *Invocation) Operands() []string { return inv.operands }

// Line is the arguments as they were given.
func (inv *Invocation) Line() []string { return inv.args }

// Stderr is where progress and what is shown to people goes. Messages go
// through Notef, errors are returned.
func (inv *Invocation) Stderr() io.Writer { return inv.streams.Err }

// Notef prints a message on stderr, unless --quiet is given.
func (inv *Invocation) Notef(format string, args ...any) {
	if !inv.Bool("quiet") {
		fmt.Fprintf(inv.streams.Err, inv.tool+": "+format+"\n", args...)
	}
}

// Verbosef prints a message on stderr if --verbose is given.
func (inv *Invocation) Verbosef(format string, args ...any) {
	if inv.Bool("verbose") {
		inv.Notef(format, args...)
	}
}

// Inputs are the operands that name inputs; none is standard input. A terminal
// that nobody named is not read: who types no operand wants help.
func (inv *Invocation) Inputs(names []string) (stream.Inputs, error) {
	if len(names) == 0 && inv.StdinTerminal() {
		return stream.Inputs{}, errNoInput
	}
	return inv.OptionalInputs(names)
}

// OptionalInputs are Inputs for a command that may not read any: the terminal
// is refused when it is read.
func (inv *Invocation) OptionalInputs(names []string) (stream.Inputs, error) {
	in := stream.Inputs{Stdin: inv.streams.In, Names: names, Meter: inv.meter}
	inv.meter.SetTotal(in.Size())
	if inv.StdinTerminal() && len(names) == 0 {
		in.Stdin = noInput{}
	}
	return in, Usage(in.Check())
}

// noInput is standard input where a terminal is in its place.
type noInput struct{}

func (noInput) Read([]byte) (int, error) { return 0, errNoInput }

// StdinTerminal reports whether standard input is a terminal.
func (inv *Invocation) StdinTerminal() bool {
	f, ok := inv.streams.In.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// stdinPipe reports whether standard input is a pipe.
func (inv *Invocation) stdinPipe() bool {
	f, ok := inv.streams.In.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

// Output is where --output says, standard output by default. It is closed
// when the Action has returned. A file that is one of the inputs is refused.
func (inv *Invocation) Output(in stream.Inputs) (*stream.Output, error) {
	return inv.outputTo(in, stream.CreateOutput)
}

// ResumedOutput is Output that goes on where the file that --output names ends.
func (inv *Invocation) ResumedOutput(in stream.Inputs) (*stream.Output, error) {
	return inv.outputTo(in, stream.AppendOutput)
}

func (inv *Invocation) outputTo(in stream.Inputs, open func(path string) *stream.Output) (*stream.Output, error) {
	inv.output = stream.NewOutput("stdout", inv.streams.Out)
	if _, ok := inv.streams.Err.(terminal); ok && inv.output.Terminal() && inv.stdinPipe() {
		inv.output.Lead(clearLine) // who writes to the pipe may show its progress
	}
	if path := inv.String("output"); path != "" && path != "-" {
		inv.output = open(path)
	}
	if name := in.OverwrittenBy(inv.output); name != "" {
		return nil, Usagef("the output %s is also the input %s", inv.output.Name(), name)
	}
	return inv.output, nil
}

// Rejects is the sink that --rejects, --max-rejects and --force ask for. Any
// of them means that the run goes on. A file that is one of the inputs, or the
// output, which must have been asked for before, is refused.
func (inv *Invocation) Rejects(in stream.Inputs) (*reject.Sink, error) {
	sink := &reject.Sink{Tool: inv.tool, Max: inv.Int("max-rejects")}
	sink.Force = inv.Bool("force") || sink.Max > 0
	if path := inv.String("rejects"); path != "" {
		if path == "-" {
			return nil, &usageError{err: errors.New("--rejects -: rejects do not mix with the output"), hint: "--rejects /dev/stderr shows them"}
		}
		inv.rejects = stream.CreateOutput(path)
		sink.Out = inv.rejects
		if name := in.OverwrittenBy(inv.rejects); name != "" {
			return nil, Usagef("the rejects %s are also the input %s", path, name)
		}
		if inv.output != nil && inv.output.SameFile(inv.rejects) {
			return nil, Usagef("the rejects %s are also the output %s", path, inv.output.Name())
		}
	}
	if inv.IsSet("max-rejects") && sink.Max < 1 {
		return nil, &usageError{err: fmt.Errorf("--max-rejects %d: at least 1", sink.Max), hint: "to stop at the first bad record, leave it out"}
	}
	return sink, nil
}

// close closes what the Action wrote to. A file that was not begun is left as
// it was after a failure, and made empty after a success.
func (inv *Invocation) close(failed bool) error {
	var errs []error
	for _, out := range []*stream.Output{inv.output, inv.rejects} {
		if out != nil && (out.Begun() || !failed) {
			errs = append(errs, out.Close())
		}
	}
	return errors.Join(errs...)
}

// usageError is a call that could not be understood: nothing was done.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string   { return e.err.Error() }
func (e *usageError) Unwrap() error   { return e.err }
func (e *usageError) ExitStatus() int { return 2 }

// Hint is what to do about it: its own, or that of the error that it wraps.
func (e *usageError) Hint() string {
	var inner interface{ Hint() string }
	if e.hint == "" && errors.As(e.err, &inner) {
		return inner.Hint()
	}
	return e.hint
}

// Usagef is an error of the call itself: status 2, nothing was done.
func Usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// UsageHint is Usage with a hint.
func UsageHint(err error, hint string) error { return &usageError{err, hint} }

// Usage makes err an error of the call itself, unless it is one.
func Usage(err error) error {
	if _, is := errors.AsType[*usageError](err); is || err == nil {
		return err
	}
	return &usageError{err: err}
}

// errNoInput is answered with short help.
var errNoInput = Usagef("standard input is a terminal")
