package cmdline

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

// sample is a tool with a flag of every kind.
func sample(action func(context.Context, *Invocation) error) *Command {
	return &Command{
		Name:        "sample",
		Summary:     "copy records",
		Operands:    "[FILE...]",
		Usual:       []string{"format", "param"},
		Description: "Records come out as they went in.\n",
		Examples: []Example{
			{"a file", "sample in.csv"},
			{"what comes down the pipe", "producer | sample -f csv"},
			{"slowly", "sample -j1 in.csv"},
		},
		Flags: append([]cli.Flag{
			FormatFlag(),
			InputFormatFlag(),
			NullAsFlag(),
			MaxRecordFlag(),
			JobsFlag(2),
			DryRunFlag("only say what would be done"),
			NullFlag("records end in NUL"),
			TimeoutFlag(30*time.Second, "give up after `TIME`"),
			&cli.StringSliceFlag{Name: "param", Aliases: []string{"p", "parameter"}, Usage: "set a parameter, `NAME=VALUE`; repeatable"},
			OutputFlag(),
			SummaryFlag(),
		}, RejectFlags()...),
		Action: action,
	}
}

func withVerbs() *Command {
	nothing := func(context.Context, *Invocation) error { return nil }
	return &Command{
		Name:     "kit",
		Summary:  "do one of two things",
		Operands: "...",
		Usual:    []string{"null", "output"},
		Examples: []Example{{"the first", "kit insert cities"}},
		Verbs: []*Command{
			{Name: "insert", Summary: "put rows in", Operands: "TABLE", Action: nothing,
				Examples: []Example{{"a table", "kit insert cities"}}, Flags: []cli.Flag{OutputFlag(), JobsFlag(1)}},
			{Name: "query", Summary: "get rows out", Operands: "SQL", Action: nothing, Flags: []cli.Flag{NullFlag("end in NUL")}},
		},
	}
}

// Argument lists stand with a space between the arguments, "" for an empty one.
func split(s string) []string {
	args := strings.Fields(s)
	for i, arg := range args {
		if arg == `""` {
			args[i] = ""
		}
	}
	return args
}

type argvTest struct {
	args string
	want string // what urfave/cli is given, or "! error | hint"
}

var argvTests = []argvTest{
	{``, `--`},
	{`a b`, `-- a b`},
	{`""`, `-- ""`},
	{`-`, `-- -`},
	{`a - b -q`, `--quiet -- a - b`},

	{`-q a`, `--quiet -- a`},
	{`a -q`, `--quiet -- a`},
	{`a --quiet b`, `--quiet -- a b`},
	{`a -j 4 b`, `--jobs=4 -- a b`},

	{`-j4`, `--jobs=4 --`},
	{`-j 4`, `--jobs=4 --`},
	{`--jobs 4`, `--jobs=4 --`},
	{`--jobs=4`, `--jobs=4 --`},
	{`-qj4`, `--quiet --jobs=4 --`},
	{`-qj 4 a`, `--quiet --jobs=4 -- a`},
	{`-qvn0 a`, `--quiet --verbose --dry-run --null -- a`},
	{`-o-`, `--output=- --`},
	{`-o -`, `--output=- --`},
	{`-o ""`, `--output= --`},
	{`--output=`, `--output= --`},
	{`--output=a=b`, `--output=a=b --`},
	{`-o=a`, `--output==a --`},
	{`-jq`, `--jobs=q --`},
	{`-j -4`, `--jobs=-4 --`},
	{`--output --quiet`, `--output=--quiet --`},
	{`-é`, `! unknown flag -é | sample -h shows the flags`},

	{`--`, `--`},
	{`-- -q --jobs`, `-- -q --jobs`},
	{`a -- -q`, `-- a -q`},
	{`-q -- -- a`, `--quiet -- -- a`},
	{`--output -- a`, `--output=-- -- a`},

	{`help`, `-- help`},
	{`h`, `-- h`},
	{`-- help`, `-- help`},
	{`-h`, `--help --`},
	{`a --help`, `--help -- a`},
	{`-v`, `--verbose --`},
	{`-v -v`, `--verbose --`},
	{`-vv`, `--verbose --`},
	{`--version`, `--version --`},

	{`-j 2 --jobs 3`, `--jobs=3 --`},
	{`-j2 -q -j3`, `--jobs=3 --quiet --`},
	{`--quiet -q`, `--quiet --`},
	{`-p a=1 --param b=2,c -q --parameter=d`, `--param=a=1 --param=b=2,c --param=d --quiet --`},

	{`--timeout 5`, `--timeout=5s --`},
	{`--timeout=1.5`, `--timeout=1.5s --`},
	{`--timeout 0`, `--timeout=0s --`},
	{`--timeout 1m30s`, `--timeout=1m30s --`},
	{`--timeout soon`, `--timeout=soon --`},
	{`-j 5`, `--jobs=5 --`},

	{`--quiet=false`, `! --quiet takes no value | `},
	{`--quiet=`, `! --quiet takes no value | `},
	{`--quiet false`, `--quiet -- false`},
	{`--jobs`, `! --jobs needs a value | `},
	{`-j`, `! -j needs a value | `},
	{`a -qj`, `! -j needs a value | `},
	{`-x`, `! unknown flag -x | sample -h shows the flags`},
	{`-qx`, `! unknown flag -x | sample -h shows the flags`},
	{`-4`, `! unknown flag -4 | sample -h shows the flags`},
	{`--j=4`, `! unknown flag --j | sample -h shows the flags`},
	{`--job 4`, `! unknown flag --job | did you mean --jobs?`},
	{`--Quiet`, `! unknown flag --Quiet | did you mean --quiet?`},
	{`--fromat=csv`, `! unknown flag --fromat | did you mean --format?`},
	{`--password=secret`, `! unknown flag --password | sample -h shows the flags`},
	{`--=x`, `! unknown flag -- | sample -h shows the flags`},
	{`---q`, `! unknown flag ---q | sample -h shows the flags`},
}

func TestNormalise(t *testing.T) {
	for _, tt := range argvTests {
		if got := showNormalised(normalise(sample(nil), split(tt.args))); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.args, got, tt.want)
		}
	}
}

func showNormalised(l *line, err error) string {
	if err != nil {
		return "! " + err.Error() + " | " + err.(*usageError).hint
	}
	args := l.args()
	for i, arg := range args {
		if arg == "" {
			args[i] = `""`
		}
	}
	_, verb, _ := strings.Cut(l.path, " ")
	return strings.TrimSpace(verb + " " + strings.Join(args, " "))
}

func TestNormaliseVerb(t *testing.T) {
	for _, tt := range []argvTest{
		{`insert a`, `insert -- a`},
		{`insert`, `insert --`},
		{`query insert`, `query -- insert`},
		{`-q insert a`, `insert --quiet -- a`},
		{`-o x insert a`, `insert --output=x -- a`},
		{`-o insert insert a`, `insert --output=insert -- a`},
		{`-oinsert query a`, `! unknown flag -o | kit query -h shows the flags`},
		{`-qo insert insert`, `insert --quiet --output=insert --`},
		{`--output=insert insert`, `insert --output=insert --`},
		{`insert help`, `insert -- help`},
		{`insert -- query`, `insert -- query`},
		{`insert a --jobs 3`, `insert --jobs=3 -- a`},
		{`query --jobs 3`, `! unknown flag --jobs | kit query -h shows the flags`},
		{`--help`, `--help --`},
		{`--help insert`, `insert --help --`},
		{``, `--`},
		{`-- insert`, `-- insert`},
		{`inset a`, `! unknown verb "inset" | did you mean insert?`},
		{`drop a`, `! unknown verb "drop" | the verbs are insert, query`},
		{`-`, `! unknown verb "-" | the verbs are insert, query`},
	} {
		if got := showNormalised(normalise(withVerbs(), split(tt.args))); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.args, got, tt.want)
		}
	}
}

// What urfave/cli makes of a normalised list is what was typed.
func TestParsedValues(t *testing.T) {
	var got map[string]any
	tool := sample(func(_ context.Context, inv *Invocation) error {
		got = map[string]any{
			"operands": inv.Operands(),
			"quiet":    inv.Bool("quiet"),
			"verbose":  inv.Bool("verbose"),
			"jobs":     inv.Int("jobs"),
			"param":    inv.StringSlice("param"),
			"timeout":  inv.Duration("timeout"),
			"output":   inv.String("output"),
		}
		return nil
	})
	args := []string{"h", "-vv", "-j", "3", "a,b", "-p", " x = 1,2 ", "--param=", "-", "--timeout", "2", "-o", "-", "--", "-q", "help"}
	if status := Run(t.Context(), tool, args, Streams{strings.NewReader(""), io.Discard, io.Discard}); status != 0 {
		t.Fatalf("status %d", status)
	}
	want := map[string]any{
		"operands": []string{"h", "a,b", "-", "-q", "help"},
		"quiet":    false,
		"verbose":  true,
		"jobs":     3,
		"param":    []string{" x = 1,2 ", ""},
		"timeout":  2 * time.Second,
		"output":   "-",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A normalised list stays as it is, no operand is lost wherever it stands, and
// urfave/cli finds the same operands.
func FuzzNormalise(f *testing.F) {
	for _, tt := range argvTests {
		f.Add(strings.Join(split(tt.args), "\n"))
	}
	f.Fuzz(func(t *testing.T, joined string) {
		args := strings.Split(joined, "\n")
		var operands []string
		tool := sample(func(_ context.Context, inv *Invocation) error {
			operands = inv.Operands()
			return nil
		})
		l, err := normalise(tool, args)
		if err != nil {
			return
		}
		again, err := normalise(tool, l.args())
		if err != nil {
			t.Fatalf("%q became %q: %v", args, l.args(), err)
		}
		if diff := cmp.Diff(l.args(), again.args()); diff != "" {
			t.Errorf("%q: -once +twice:\n%s", args, diff)
		}

		want := append([]string{"first"}, l.operands...)
		if ended, err := normalise(tool, append(slices.Clone(args), "--")); err != nil {
			t.Fatalf("%q with -- behind: %v", args, err)
		} else if len(ended.operands) > len(l.operands) {
			want = append(want, "--") // an operand, behind the list's own --
		}
		want = append(want, "-last")
		more := slices.Concat([]string{"first"}, args, []string{"--", "-last"})
		longer, err := normalise(tool, more)
		if err != nil {
			t.Fatalf("%q: %v", more, err)
		}
		if !slices.Equal(want, longer.operands) || !slices.Equal(l.flags, longer.flags) {
			t.Errorf("%q: flags %q and operands %q, want %q and %q", more, longer.flags, longer.operands, l.flags, want)
		}

		if l.has("help") || l.has("version") {
			return
		}
		var stdout strings.Builder
		status := Run(t.Context(), tool, args, Streams{strings.NewReader(""), &stdout, io.Discard})
		if stdout.Len() > 0 || status != 0 && status != 2 {
			t.Errorf("%q: status %d, %q on stdout", args, status, stdout.String())
		}
		if status == 0 && !slices.Equal(l.operands, operands) {
			t.Errorf("%q: operands %q, want %q", args, operands, l.operands)
		}
	})
}
