package chart

import (
	"encoding/xml"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is drawn is XML that says what it was told to, and the same each time.
func TestSVG(t *testing.T) {
	c := Chart{
		Title: "Title",
		Keys:  []Key{{Blue, "less"}, {Orange, "more"}},
		Rows:  []string{"a&b", "<c>", "nothing"},
		Columns: []Column{
			{Heading: "one", Width: 100, Bars: [][]Bar{{{Value: 1234, Color: Blue}, {Value: 2.5e6, Color: Orange}}, {{Value: 7, Color: Blue}}, {{}}}},
			{Width: 200, Origin: 1, Bars: [][]Bar{{{Value: 0.5, Least: 0.25, Most: 2, Color: Blue, Text: "half"}}, {{Value: 3, Color: Orange}}, {{}}}},
			{Heading: "nothing at all", Width: 10, Bars: [][]Bar{{}, {}, {}}},
		},
	}
	svg, err := c.SVG()
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for d := xml.NewDecoder(strings.NewReader(string(svg))); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok {
			words[strings.TrimSpace(string(text))] = true
		}
	}
	for _, want := range []string{"Title", "less", "more", "a&b", "<c>", "nothing", "one", "1.2k", "2.5M", "7", "half", "3", "0.2", "1"} {
		if !words[want] {
			t.Errorf("it does not say %q", want)
		}
	}
	if again, err := c.SVG(); err != nil || string(again) != string(svg) {
		t.Errorf("the second one is another: %v", err)
	}
}

func TestShort(t *testing.T) {
	got := map[float64]string{}
	want := map[float64]string{
		0.05: "0.05", 0.1: "0.1", 0.94: "0.94", 1: "1", 9.94: "9.9", 9.95: "10", 999: "999", 999.5: "1k", 1234: "1.2k",
		99_999: "100k", 999_500: "1M", 12e6: "12M",
	}
	for v := range want {
		got[v] = short(v)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		least, most float64
		want        string
	}{
		{1, 1, "0.5 1"},
		{0.3, 1, "0.2 0.5 1"},
		{0.2, 5.1, "0.1 0.2 0.5 1 2 5"},
		{7, 12e6, "1 100 10k 1M"},
	} {
		var got []string
		_, at := ticks(tt.least, tt.most)
		for _, tick := range at {
			got = append(got, tick.Label)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("from %g to %g: %q, want %s", tt.least, tt.most, got, tt.want)
		}
	}
}

// Whatever was measured, a scale begins below it and has a few numbers.
func FuzzTicks(f *testing.F) {
	f.Add(1.0, 1.0)
	f.Add(0.001, 1e12)
	f.Add(1000/0.8, 2000.0)
	f.Fuzz(func(t *testing.T, least, most float64) {
		if !(least > 1e-9 && least <= most && most < 1e15) {
			t.Skip()
		}
		begin, at := ticks(least, most)
		if !(begin < least) || math.IsNaN(begin) {
			t.Errorf("the scale of %g begins at %g", least, begin)
		}
		if len(at) < 1 || len(at) > 7 || at[0].Value != begin {
			t.Errorf("from %g to %g: %v", least, most, at)
		}
	})
}
