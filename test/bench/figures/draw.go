package main

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Colours that are seen on light and on dark paper.
var (
	less  = color.NRGBA{0x4c, 0x9f, 0xd9, 0xff}
	more  = color.NRGBA{0xe0, 0x8a, 0x3c, 0xff}
	lines = color.NRGBA{0x80, 0x80, 0x80, 0xff}
)

// paper is put into each figure: the reader's light or dark, and letters that
// every system has.
const paper = `<style>
text { font-family: "Liberation Sans", Arial, Helvetica, sans-serif !important }
.paper { fill: #ffffff }
@media (prefers-color-scheme: dark) { .paper { fill: #0d1117 } text { fill: #e6edf3 } }
</style>
<rect class="paper" width="100%" height="100%" rx="6" />
`

// drawSVG makes an SVG of the bars, the first one on top. What is written is
// written to the right of its place: letters may be wider where it is shown.
func drawSVG(title string, bars []bar) ([]byte, error) {
	p := plot.New()
	letters := p.X.Tick.Label
	letters.Font = font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, 11)
	letters.XAlign, letters.YAlign = draw.XLeft, draw.YCenter
	p.BackgroundColor = nil
	p.HideY()
	p.Y.Min, p.Y.Max = -0.5, float64(len(bars))-0.5
	p.X.Scale = plot.LogScale{}
	p.X.Color, p.X.Tick.Color, p.X.Tick.Label.Font = lines, lines, letters.Font
	p.X.Min, p.X.Max = 1, 1
	left := vg.Length(0)
	for _, b := range bars {
		p.X.Min, p.X.Max = min(p.X.Min, b.least), max(p.X.Max, b.most)
		left = max(left, letters.Width(b.label))
	}
	p.X.Tick.Marker = ticks(&p.X.Min, &p.X.Max)

	const (
		margin = 14
		row    = 21
		head   = 44
		axis   = 40
		number = 40
	)
	left = left*1.12 + 2*margin
	svg := vgsvg.New(640, vg.Length(head+len(bars)*row+axis))
	page := draw.New(svg)
	area := draw.Crop(page, left, -number, margin, -head)
	p.Add(chart{bars, letters, margin})
	p.Draw(area)
	letters.Font.Size = 14
	page.FillText(letters, vg.Point{X: margin, Y: page.Max.Y - margin - 4}, title)
	return withPaper(svg)
}

// ticks are where an axis from least to most has numbers; it shall end at one.
func ticks(least, most *float64) plot.ConstantTicks {
	steps := []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100}
	first, last := 0, len(steps)-1
	for steps[first+1] <= *least {
		first++
	}
	for steps[last-1] >= *most {
		last--
	}
	*least, *most = steps[first], steps[last]
	var at plot.ConstantTicks
	for _, step := range steps[first : last+1] {
		at = append(at, plot.Tick{Value: step, Label: fmt.Sprint(step)})
	}
	return at
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

// chart draws bars from 1, the peer's time, each with its label, its spread and
// its number.
type chart struct {
	bars    []bar
	letters draw.TextStyle
	left    vg.Length // where labels begin
}

// Plot implements plot.Plotter.
func (ch chart) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	one := toX(1)
	line := draw.LineStyle{Color: lines, Width: 1}
	for i, b := range ch.bars {
		const half, tick = 6, 3
		y := toY(float64(len(ch.bars) - 1 - i))
		c.FillText(ch.letters, vg.Point{X: ch.left, Y: y}, b.label)
		fill := less
		if b.mid > 1 {
			fill = more
		}
		mid, least, most := toX(b.mid), toX(b.least), toX(b.most)
		c.FillPolygon(fill, []vg.Point{{X: one, Y: y - half}, {X: mid, Y: y - half}, {X: mid, Y: y + half}, {X: one, Y: y + half}})
		c.StrokeLines(line,
			[]vg.Point{{X: least, Y: y}, {X: most, Y: y}},
			[]vg.Point{{X: least, Y: y - tick}, {X: least, Y: y + tick}},
			[]vg.Point{{X: most, Y: y - tick}, {X: most, Y: y + tick}})
		c.FillText(ch.letters, vg.Point{X: max(one, most) + 6, Y: y}, fmt.Sprintf("%.2f", b.mid))
	}
	c.StrokeLine2(line, one, c.Min.Y, one, c.Max.Y)
}
