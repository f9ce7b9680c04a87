package record

import (
	"fmt"
	"strconv"
	"strings"
)

// names is where the names of the fields of CSV, TSV and Outfile are from: a
// header line, or what was given, or else they are c1, c2 ...
type names struct {
	given  []string
	none   bool // neither a header nor given
	source string
	warn   func(string)
}

func newNames(o ReaderOptions) names {
	n := names{none: o.NoHeader, source: o.Source, warn: o.Warn}
	if len(o.HeaderNames) > 0 {
		n.given, _ = UniqueNames(o.HeaderNames)
	}
	return n
}

func (n *names) inHeader() bool { return n.given == nil && !n.none }

// unique are the names of a header, made unique.
func (n *names) unique(header []string) []string {
	unique, repeated := UniqueNames(header)
	if repeated && n.warn != nil {
		n.warn(fmt.Sprintf("%s: names repeat in the header; the fields are %s", n.source, strings.Join(unique, ", ")))
	}
	return unique
}

// numbered are the names of count fields that have none.
func numbered(count int) []string {
	fields := make([]string, count)
	for i := range fields {
		fields[i] = "c" + strconv.Itoa(i+1)
	}
	return fields
}

// countError is a row with more or fewer fields than there are names.
func (n *names) countError(row, names int) error {
	has := "the header has"
	switch {
	case n.given != nil:
		has = "there are names for"
	case n.none:
		has = "the first record has"
	}
	return fmt.Errorf("%s %s, this record has %d", has, plural(names, "field"), row)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
