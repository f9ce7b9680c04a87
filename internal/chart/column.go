package chart

import (
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// draw draws the bars and their scale, with the names of the rows to their left,
// if there is anything to compare.
func (c Column) draw(area draw.Canvas, letters draw.TextStyle, names []string) {
	least, most := math.Inf(1), 0.0
	if c.Origin > 0 {
		least, most = c.Origin, c.Origin
	}
	for _, bars := range c.Bars {
		for _, b := range bars {
			if b.Value > 0 {
				least, most = min(least, b.least()), max(most, b.most())
			}
		}
	}
	if most == 0 {
		least, most = 1, 1
	}
	p := plot.New()
	p.BackgroundColor = nil
	p.HideY()
	p.Y.Min, p.Y.Max = -0.5, float64(len(c.Bars))-0.5
	p.X.Scale = plot.LogScale{}
	p.X.Color, p.X.Tick.Color = grey, grey
	p.X.Tick.Label.Font = letters.Font
	p.X.Tick.Label.Font.Size = 9
	var at plot.ConstantTicks
	p.X.Min, at = ticks(least, most)
	p.X.Max, p.X.Tick.Marker = most, at
	p.Add(plotter{c, letters, names})
	p.Draw(area)
}

func (b Bar) least() float64 {
	if b.Least > 0 {
		return b.Least
	}
	return b.Value
}

func (b Bar) most() float64 { return max(b.Value, b.Most) }

// ticks are those of a scale that has room for least to most. It begins at the
// first of them, such that a bar of least has a length.
func ticks(least, most float64) (begin float64, at plot.ConstantTicks) {
	least *= 0.8
	decade := math.Pow(10, math.Floor(math.Log10(least)))
	begin, steps := decade, []float64{2, 2.5, 2} // 1, 2, 5, 10
	first := 0
	for first < len(steps) && begin*steps[first] <= least { // logarithms are not exact
		begin *= steps[first]
		first++
	}
	if most/begin > 100 {
		begin, steps, first = decade, []float64{math.Pow(10, math.Ceil(math.Log10(most/decade)/4))}, 0
	}
	for v := begin; v <= most; first++ {
		at = append(at, plot.Tick{Value: v, Label: short(v)})
		v *= steps[first%len(steps)]
	}
	return begin, at
}

// short is a number in a few letters.
func short(v float64) string {
	unit := ""
	switch {
	case v >= 999_500:
		v, unit = v/1e6, "M"
	case v >= 999.5:
		v, unit = v/1e3, "k"
	case v < 0.95:
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	digits := 0
	if v < 9.95 {
		digits = 1
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', digits, 64), ".0") + unit
}

// plotter draws the bars of a column, and the names of its rows in the margin.
type plotter struct {
	column  Column
	letters draw.TextStyle
	names   []string
}

// Plot implements plot.Plotter.
func (pl plotter) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	line := draw.LineStyle{Color: grey, Width: 1}
	small := pl.letters
	small.Font.Size = 9
	origin := c.Min.X
	if pl.column.Origin > 0 {
		origin = toX(pl.column.Origin)
	}
	for i, bars := range pl.column.Bars {
		y := toY(float64(len(pl.column.Bars) - 1 - i))
		if pl.names != nil {
			c.FillText(pl.letters, vg.Point{X: margin, Y: y}, pl.names[i])
		}
		drawn := 0
		for _, b := range bars {
			if b.Value > 0 {
				drawn++
			}
		}
		thick := min(12, vg.Length(16)/vg.Length(max(drawn, 1))-1)
		y += (thick + 3) * vg.Length(drawn-1) / 2
		for _, b := range bars {
			if b.Value <= 0 {
				continue
			}
			end := toX(b.Value)
			c.FillPolygon(b.Color, box(min(origin, end), y-thick/2, max(origin, end), y+thick/2))
			text := b.Text
			if text == "" {
				text = short(b.Value)
			}
			if b.Least > 0 {
				const tick = 3
				least, most := toX(b.Least), toX(b.Most)
				c.StrokeLines(line,
					[]vg.Point{{X: least, Y: y}, {X: most, Y: y}},
					[]vg.Point{{X: least, Y: y - tick}, {X: least, Y: y + tick}},
					[]vg.Point{{X: most, Y: y - tick}, {X: most, Y: y + tick}})
				end = most
			}
			c.FillText(small, vg.Point{X: max(origin, end) + 4, Y: y}, text)
			y -= thick + 3
		}
	}
	if pl.column.Origin > 0 {
		c.StrokeLine2(line, origin, c.Min.Y, origin, c.Max.Y)
	}
}
