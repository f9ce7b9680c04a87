package relayplot

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/stream"
)

const measured = `{"way":"fifo","64B/s":800000,"64B/s batched":12000000,"4KiB MB/s":1500,"4KiB MB/s batched":2100,"64KiB MB/s":2000,"64KiB MB/s batched":2200,"round trip us":null,"p99 us":null}
{"way":"unix:<a&b>","64B/s":7,"64B/s batched":0,"4KiB MB/s":1,"4KiB MB/s batched":1,"64KiB MB/s":3,"64KiB MB/s batched":99,"round trip us":21.5,"p99 us":80.1}
`

func plotted(t *testing.T, input string) (svg, message string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	status = cmdline.Run(t.Context(), Command(), nil, cmdline.Streams{In: strings.NewReader(input), Out: &out, Err: &errs})
	return out.String(), errs.String(), status
}

// The chart has a name for each way and a number for each measure, is well-formed,
// and is the same each time.
func TestPlot(t *testing.T) {
	svg, message, status := plotted(t, measured)
	if status != 0 {
		t.Fatal(message)
	}
	var words []string
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok {
			words = append(words, strings.TrimSpace(string(text)))
		}
	}
	all := "\n" + strings.Join(words, "\n") + "\n"
	for _, want := range []string{"fifo", "unix:<a&b>", "800k", "12M", "1.5k", "2.1k", "99", "7", "22", "round trip: µs"} {
		if !strings.Contains(all, "\n"+want+"\n") {
			t.Errorf("the chart does not say %q", want)
		}
	}
	if again, _, _ := plotted(t, measured); again != svg {
		t.Error("the second chart is another one")
	}
}

func TestMalformed(t *testing.T) {
	for input, want := range map[string]string{
		"":                           "nothing was measured",
		"x\n":                        "stdin: line 1, column 1: not a JSON object",
		`{"64B/s":1}`:                `stdin, line 1: it has no "way"`,
		`{"way":"a","64B/s":-1}`:     "stdin, line 1: 64B/s: -1 is no measure",
		`{"way":"a","64B/s":1e999}`:  "stdin, line 1: 64B/s: 1e999 is no measure",
		`{"way":"a","64B/s":"fast"}`: "stdin, line 1: 64B/s: fast is no measure",
	} {
		if svg, message, status := plotted(t, input); status != 1 || svg != "" || !strings.Contains(message, want) {
			t.Errorf("%q: status %d, %s, want %s", input, status, message, want)
		}
	}
}

// Any input is drawn or refused.
func FuzzRead(f *testing.F) {
	f.Add(measured)
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := read(t.Context(), stream.Inputs{Stdin: strings.NewReader(text)})
		if err != nil {
			return
		}
		svg, err := drawSVG(rows)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
			t.Errorf("a length is no number")
		}
	})
}
