// Package chart draws bars in SVG, on paper that is light or dark as its reader
// has it. It is the only importer of gonum/plot.
package chart

import (
	"bytes"
	"errors"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Chart has a row for each name and, in columns with logarithmic scales of their
// own, its bars.
type Chart struct {
	Title   string
	Keys    []Key
	Rows    []string // from the top
	Columns []Column
}

// Key says what a colour means.
type Key struct {
	Color color.Color
	Text  string
}

// Column is what is to be compared.
type Column struct {
	Heading string
	Width   int     // of the longest bar, in points
	Origin  float64 // where bars begin; 0: where the scale does
	Bars    [][]Bar // of each row
}

// Bar is a value. One of 0 is not drawn.
type Bar struct {
	Value       float64
	Least, Most float64 // of what it is the middle of; 0: of itself
	Color       color.Color
	Text        string // behind it; empty: the value
}

// Colours that are seen on light and on dark paper.
var (
	Blue   = color.NRGBA{0x4c, 0x9f, 0xd9, 0xff}
	Orange = color.NRGBA{0xe0, 0x8a, 0x3c, 0xff}
	grey   = color.NRGBA{0x80, 0x80, 0x80, 0xff}
)

// Lengths of the page, in points.
const (
	margin  = 14
	row     = 24
	number  = 50 // room for the text behind the longest bar
	title   = 44
	heading = 18
	scale   = 28
)

// SVG draws it.
func (c Chart) SVG() ([]byte, error) {
	letters := draw.TextStyle{
		Color:   color.Black,
		Font:    font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, 11),
		XAlign:  draw.XLeft,
		YAlign:  draw.YCenter,
		Handler: plot.DefaultTextHandler,
	}
	left := vg.Length(0)
	for _, name := range c.Rows {
		left = max(left, letters.Width(name))
	}
	left = left*wider + 2*margin
	width, head := left, vg.Length(title)
	for _, column := range c.Columns {
		width += vg.Length(column.Width + number)
		if column.Heading != "" {
			head = title + heading
		}
	}
	svg := vgsvg.New(width, head+vg.Length(len(c.Rows)*row+scale))
	page := draw.New(svg)
	c.legend(page, letters)
	x := left
	for i, column := range c.Columns {
		area := page
		area.Min.X, area.Max = x, vg.Point{X: x + vg.Length(column.Width), Y: page.Max.Y - head}
		page.FillText(letters, vg.Point{X: x, Y: area.Max.Y + 10}, column.Heading)
		var names []string
		if i == 0 {
			names = c.Rows
		}
		column.draw(area, letters, names)
		x = area.Max.X + number
	}
	return onPaper(svg)
}

// wider is how much wider than here letters may be where they are shown.
const wider = 1.12

// legend is the title, and what the colours mean.
func (c Chart) legend(page draw.Canvas, letters draw.TextStyle) {
	const side, gap = 9, 18
	large := letters
	large.Font.Size = 14
	x, y := vg.Length(margin), page.Max.Y-margin-4
	page.FillText(large, vg.Point{X: x, Y: y}, c.Title)
	x += large.Width(c.Title)*wider + gap
	for _, key := range c.Keys {
		page.FillPolygon(key.Color, box(x, y-side/2, x+side, y+side/2))
		x += side + 5
		page.FillText(letters, vg.Point{X: x, Y: y}, key.Text)
		x += letters.Width(key.Text)*wider + gap
	}
}

func box(left, bottom, right, top vg.Length) []vg.Point {
	return []vg.Point{{X: left, Y: bottom}, {X: right, Y: bottom}, {X: right, Y: top}, {X: left, Y: top}}
}

// paper is put behind what is drawn: the reader's light or dark, and letters
// that every system has.
const paper = `<style>
text { font-family: "Liberation Sans", Arial, Helvetica, sans-serif !important }
.paper { fill: #ffffff }
@media (prefers-color-scheme: dark) { .paper { fill: #0d1117 } text { fill: #e6edf3 } }
</style>
<rect class="paper" width="100%" height="100%" rx="6" />
`

func onPaper(svg *vgsvg.Canvas) ([]byte, error) {
	var all bytes.Buffer
	if _, err := svg.WriteTo(&all); err != nil {
		return nil, err
	}
	head, body, ok := bytes.Cut(all.Bytes(), []byte("xlink\">\n"))
	if !ok {
		return nil, errors.New("the SVG does not begin as it did")
	}
	return bytes.Join([][]byte{head, body}, []byte("xlink\">\n"+paper)), nil
}
