package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ratio is what a comparison comes to: quotients of times.
type ratio struct{ least, mid, most float64 }

// read looks up the comparisons of a figure.
func (f figure) read(results string) ([]ratio, error) {
	ratios := make([]ratio, len(f.comparisons))
	for i, c := range f.comparisons {
		files, err := filepath.Glob(filepath.Join(results, c.file+"-[0-9]*.txt"))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("no results of %s in %s", c.file, results)
		}
		newest := slices.Max(files)
		tables, err := readTables(newest)
		if err != nil {
			return nil, err
		}
		if len(tables) < c.table {
			return nil, fmt.Errorf("%s has no table %d", newest, c.table)
		}
		if ratios[i], err = c.ratio(tables[c.table-1]); err != nil {
			return nil, fmt.Errorf("%s, table %d: %w", newest, c.table, err)
		}
	}
	return ratios, nil
}

func (c comparison) ratio(t table) (r ratio, err error) {
	of, peer := t[c.of], t[c.peer]
	if len(of) == 0 || len(of) != len(peer) {
		return r, fmt.Errorf("no rounds of %s and %s", c.of, c.peer)
	}
	all := make([]float64, len(of))
	for i := range of {
		all[i] = of[i] / peer[i]
	}
	slices.Sort(all)
	n := len(all)
	return ratio{all[0], (all[(n-1)/2] + all[n/2]) / 2, all[n-1]}, nil
}

// table has the seconds of each round of a command.
type table map[string][]float64

// readTables returns the tables in what test/bench/compare has printed.
func readTables(name string) ([]table, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var tables []table
	inside := false
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		switch {
		case strings.HasPrefix(lines.Text(), "command "):
			tables, inside = append(tables, table{}), true
		case strings.HasPrefix(lines.Text(), "#"):
			inside = false
		case inside && len(fields) > 3: // name, median, ratio, and every round
			var seconds []float64
			for _, field := range fields[3:] {
				s, err := strconv.ParseFloat(field, 64)
				if err != nil || s <= 0 {
					return nil, fmt.Errorf("%s:%d: %q is no time", name, n, field)
				}
				seconds = append(seconds, s)
			}
			tables[len(tables)-1][fields[0]] = seconds
		}
	}
	return tables, lines.Err()
}
