package extract

import (
	"fmt"
	"regexp"

	"pipeworks/internal/record"
)

// Regex is a field found in the readable text of a page.
type Regex struct {
	Name string

	expr  *regexp.Regexp
	group int // of expr that is wanted; 0: the whole match
	all   bool
}

// ParseRegex reads a regular expression as people write it:
//
//	name=RE    the first match, or of its first group where there is one
//	name[]=RE  an array of all matches
func ParseRegex(text string) (*Regex, error) {
	var r Regex
	var expr string
	var err error
	if r.Name, r.all, expr, err = cutName(text); err != nil {
		return nil, err
	}
	if r.expr, err = regexp.Compile(expr); err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	r.group = min(1, r.expr.NumSubexp())
	return &r, nil
}

// maxMatches bounds the matches of a page.
const maxMatches = 100_000

// find is the field's value in a text.
func (r *Regex) find(text []byte, lim *limits) record.Value {
	n := 1
	if r.all {
		n = maxMatches
	}
	var list values
	for _, at := range r.expr.FindAllSubmatchIndex(text, n) {
		value := record.Value{}
		if start, end := at[2*r.group], at[2*r.group+1]; start >= 0 && lim.spend(end-start) {
			value = record.Value{Kind: record.Text, Bytes: text[start:end]}
		}
		list = append(list, value)
	}
	switch {
	case r.all:
		return list.array()
	case len(list) > 0:
		return list[0]
	}
	return record.Value{}
}
