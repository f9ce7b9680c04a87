package relayplot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"pipeworks/internal/record"
	"pipeworks/internal/stream"
)

// columns are what of a row is drawn, each with its own scale: the field of
// records one by one, and that of many in a message.
var columns = []struct{ heading, one, many string }{
	{"64 bytes: records/s", "64B/s", "64B/s batched"},
	{"4 KiB: MB/s", "4KiB MB/s", "4KiB MB/s batched"},
	{"64 KiB: MB/s", "64KiB MB/s", "64KiB MB/s batched"},
	{"round trip: µs", "round trip us", ""},
}

// row is a way to talk and, by column, what was measured of it: one by one, and
// many in a message. What was not measured is 0.
type row struct {
	way    string
	values [][2]float64
}

// read reads all rows.
func read(ctx context.Context, in stream.Inputs) (rows []row, err error) {
	err = in.Each(ctx, func(input *stream.Input) error {
		records, err := record.NewReader(input, record.ReaderOptions{Format: record.JSONL, Source: input.Name()})
		if err != nil {
			return err
		}
		var rec record.Record
		for {
			if err := records.Read(&rec); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			r, err := parse(&rec)
			if err != nil {
				return fmt.Errorf("%s, line %d: %w", input.Name(), rec.Line, err)
			}
			rows = append(rows, r)
		}
	})
	if err == nil && len(rows) == 0 {
		err = errors.New("nothing was measured: the input is empty")
	}
	return rows, err
}

func parse(rec *record.Record) (r row, err error) {
	way, ok := rec.Get("way")
	if !ok || way.Kind != record.Text {
		return r, errors.New(`it has no "way": is it from relay bench -f jsonl?`)
	}
	r.way = string(way.Bytes)
	r.values = make([][2]float64, len(columns))
	for i, c := range columns {
		for j, name := range []string{c.one, c.many} {
			v, _ := rec.Get(name)
			if v.IsNull() {
				continue
			}
			n, err := strconv.ParseFloat(string(v.Bytes), 64)
			if v.Kind != record.Number || err != nil || n < 0 || math.IsInf(n, 0) {
				return r, fmt.Errorf("%s: %s is no measure", name, v.Bytes)
			}
			r.values[i][j] = n
		}
	}
	return r, nil
}
