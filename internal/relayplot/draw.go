package relayplot

import "pipeworks/internal/chart"

// drawSVG makes a chart of rows, the first one on top.
func drawSVG(rows []row) ([]byte, error) {
	c := chart.Chart{
		Title: "What each way to talk can do",
		Keys:  []chart.Key{{Color: chart.Orange, Text: "one record in a message"}, {Color: chart.Blue, Text: "as many as fit 128 KiB"}},
	}
	for i, column := range columns {
		drawn := chart.Column{Heading: column.heading, Width: 118}
		for _, r := range rows {
			one, many := r.values[i][0], r.values[i][1]
			drawn.Bars = append(drawn.Bars, []chart.Bar{{Value: one, Color: chart.Orange}, {Value: many, Color: chart.Blue}})
		}
		c.Columns = append(c.Columns, drawn)
	}
	for _, r := range rows {
		c.Rows = append(c.Rows, r.way)
	}
	return c.SVG()
}
