package relayplot

import (
	"bytes"
	"errors"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Colours that are seen on light and on dark paper.
var (
	one   = color.NRGBA{0xe0, 0x8a, 0x3c, 0xff}
	many  = color.NRGBA{0x4c, 0x9f, 0xd9, 0xff}
	lines = color.NRGBA{0x80, 0x80, 0x80, 0xff}
)

// paper is put into the chart: the reader's light or dark, and letters that
// every system has.
const paper = `<style>
text { font-family: "Liberation Sans", Arial, Helvetica, sans-serif !important }
.paper { fill: #ffffff }
@media (prefers-color-scheme: dark) { .paper { fill: #0d1117 } text { fill: #e6edf3 } }
</style>
<rect class="paper" width="100%" height="100%" rx="6" />
`

// Lengths of the page, in points.
const (
	margin = 14
	height = 24  // of a row
	width  = 168 // of a column
	number = 50  // of it, for a number behind the longest bar
	head   = 62
	axis   = 28
)

// drawSVG makes an SVG with a line for each row, the first one on top.
func drawSVG(rows []row) ([]byte, error) {
	letters := draw.TextStyle{
		Color:   color.Black,
		Font:    font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, 11),
		XAlign:  draw.XLeft,
		YAlign:  draw.YCenter,
		Handler: plot.DefaultTextHandler,
	}
	left := vg.Length(0)
	for _, r := range rows {
		left = max(left, letters.Width(r.way))
	}
	left = left*1.12 + 2*margin // letters may be wider where it is shown
	svg := vgsvg.New(left+vg.Length(len(columns)*width), vg.Length(head+len(rows)*height+axis))
	page := draw.New(svg)
	legend(page, letters)
	for i, r := range rows {
		y := page.Max.Y - head - vg.Length(i*height+height/2)
		page.FillText(letters, vg.Point{X: margin, Y: y}, r.way)
	}
	for i, c := range columns {
		area := page
		area.Min.X = left + vg.Length(i*width)
		area.Max = vg.Point{X: area.Min.X + width - number, Y: page.Max.Y - head}
		page.FillText(letters, vg.Point{X: area.Min.X, Y: area.Max.Y + 10}, c.heading)
		drawColumn(area, rows, i, letters)
	}
	return withPaper(svg)
}

// legend is the title, and what the colours mean.
func legend(page draw.Canvas, letters draw.TextStyle) {
	y := page.Max.Y - margin - 4
	title := letters
	title.Font.Size = 14
	x := vg.Length(margin)
	for _, part := range []struct {
		color color.Color
		style draw.TextStyle
		text  string
	}{
		{nil, title, "What each way to talk can do"},
		{one, letters, "one record in a message"},
		{many, letters, "as many as fit 128 KiB"},
	} {
		if part.color != nil {
			const side = 9
			page.FillPolygon(part.color, box(x, y-side/2, x+side, y+side/2))
			x += side + 5
		}
		page.FillText(part.style, vg.Point{X: x, Y: y}, part.text)
		x += part.style.Width(part.text)*1.12 + 18
	}
}

// drawColumn draws what column i of the rows says, if anything was measured.
func drawColumn(area draw.Canvas, rows []row, i int, letters draw.TextStyle) {
	least, most := math.Inf(1), 0.0
	for _, r := range rows {
		for _, v := range r.values[i] {
			if v > 0 {
				least, most = min(least, v), max(most, v)
			}
		}
	}
	if most == 0 {
		return
	}
	p := plot.New()
	p.BackgroundColor = nil
	p.HideY()
	p.Y.Min, p.Y.Max = -0.5, float64(len(rows))-0.5
	p.X.Scale = plot.LogScale{}
	p.X.Color, p.X.Tick.Color = lines, lines
	p.X.Tick.Label.Font = letters.Font
	p.X.Tick.Label.Font.Size = 9
	p.X.Min, p.X.Max = below(least), most
	p.X.Tick.Marker = decades(p.X.Min, most)
	p.Add(bars{rows, i, letters})
	p.Draw(area)
}

// below is the power of ten where an axis begins, so that the bar of least has
// a length.
func below(least float64) float64 { return math.Pow(10, math.Floor(math.Log10(least*0.8))) }

// decades are powers of ten from least to most, five at most.
func decades(least, most float64) (at plot.ConstantTicks) {
	step := math.Pow(10, max(1, math.Ceil(math.Log10(most/least)/4)))
	for v := least; v <= most; v *= step {
		at = append(at, plot.Tick{Value: v, Label: short(v)})
	}
	return at
}

// short is a number in a few letters.
func short(v float64) string {
	unit := ""
	switch {
	case v >= 999_500:
		v, unit = v/1e6, "M"
	case v >= 999.5:
		v, unit = v/1e3, "k"
	}
	digits := 0
	if v < 9.95 {
		digits = 1
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', digits, 64), ".0") + unit
}

// bars are those of a column, each with its number to its right.
type bars struct {
	rows    []row
	column  int
	letters draw.TextStyle
}

// Plot implements plot.Plotter.
func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	letters := b.letters
	letters.Font.Size = 9
	for i, r := range b.rows {
		const thick, apart = 7, 5
		y := toY(float64(len(b.rows) - 1 - i))
		values := r.values[b.column]
		middle := [2]vg.Length{y + apart, y - apart}
		if values[1] == 0 {
			middle[0] = y
		}
		for j, fill := range []color.Color{one, many} {
			if values[j] == 0 {
				continue
			}
			end := toX(values[j])
			c.FillPolygon(fill, box(c.Min.X, middle[j]-thick/2, end, middle[j]+thick/2))
			c.FillText(letters, vg.Point{X: end + 4, Y: middle[j]}, short(values[j]))
		}
	}
}

func box(left, bottom, right, top vg.Length) []vg.Point {
	return []vg.Point{{X: left, Y: bottom}, {X: right, Y: bottom}, {X: right, Y: top}, {X: left, Y: top}}
}

// withPaper is the drawing with the paper behind it.
func withPaper(svg *vgsvg.Canvas) ([]byte, error) {
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
