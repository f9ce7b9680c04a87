package record

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// A table looks at so many rows, or bytes, before it fixes the widths of its
// columns: enough for what people read, and the memory stays constant.
const (
	sampleRows  = 1000
	sampleBytes = 1 << 20
)

// tableWriter writes aligned columns for people. It is not meant to be read
// back: control characters are escaped and NULL is the word.
type tableWriter struct {
	block
	o      WriterOptions
	null   string
	fields []string
	widths []int
	right  []bool // columns of numbers stand at the right
	sample [][]string
	held   int  // bytes in sample
	fixed  bool // the widths are
	begun  bool // a set of rows was written before
}

// Begin implements Writer.
func (w *tableWriter) Begin(fields []string) error {
	if err := w.fix(); err != nil {
		return err
	}
	w.fields = make([]string, len(fields))
	w.widths = make([]int, len(fields))
	w.right = make([]bool, len(fields))
	for i, name := range fields {
		w.fields[i] = printable(name)
		w.right[i] = true
		if !w.o.NoHeader {
			w.widths[i] = runewidth.StringWidth(w.fields[i])
		}
	}
	w.sample, w.held, w.fixed = w.sample[:0], 0, false
	return nil
}

// Write implements Writer.
func (w *tableWriter) Write(values []Value) error {
	row := make([]string, len(values))
	for i, v := range values {
		row[i] = w.cell(v)
		if !w.fixed {
			w.widths[i] = max(w.widths[i], runewidth.StringWidth(row[i]))
			w.right[i] = w.right[i] && (v.Kind == Number || v.Kind == Null)
			w.held += len(row[i])
		}
	}
	if w.fixed {
		w.row(row)
		return w.endRecord()
	}
	w.sample = append(w.sample, row)
	if len(w.sample) == sampleRows || w.held >= sampleBytes {
		return w.fix()
	}
	return nil
}

// Flush implements Writer. It fixes the widths of the columns.
func (w *tableWriter) Flush() error {
	if err := w.fix(); err != nil {
		return err
	}
	return w.block.Flush()
}

// fix writes the head of the table and the rows held back to find its widths.
func (w *tableWriter) fix() error {
	if w.fixed || len(w.fields) == 0 {
		return nil
	}
	w.fixed = true
	if w.begun {
		w.buf = append(w.buf, '\n')
	}
	w.begun = true
	if !w.o.NoHeader {
		w.row(w.fields)
		rules := make([]string, len(w.fields))
		for i, width := range w.widths {
			rules[i] = strings.Repeat("-", width)
		}
		w.row(rules)
	}
	for _, row := range w.sample {
		w.row(row)
		if err := w.endRecord(); err != nil {
			return err
		}
	}
	w.sample = w.sample[:0]
	return nil
}

func (w *tableWriter) row(cells []string) {
	for i, cell := range cells {
		if i > 0 {
			w.buf = append(w.buf, "  "...)
		}
		padding := max(0, w.widths[i]-runewidth.StringWidth(cell))
		if w.right[i] {
			w.buf = append(w.buf, strings.Repeat(" ", padding)...)
		}
		w.buf = append(w.buf, cell...)
		if !w.right[i] && i < len(cells)-1 {
			w.buf = append(w.buf, strings.Repeat(" ", padding)...)
		}
	}
	w.buf = append(w.buf, '\n')
}

func (w *tableWriter) cell(v Value) string {
	switch v.Kind {
	case Null:
		return w.null
	case Binary:
		return printable(string(w.o.Binary.appendText(nil, v.Bytes)))
	}
	return printable(string(v.Bytes))
}

// printable replaces what would break the table or drive the terminal: \n and
// \t by their escapes, other control characters and invalid bytes by U+FFFD.
func printable(s string) string {
	clean := func(r rune) bool { return !unicode.IsControl(r) && r != utf8.RuneError }
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case clean(r):
			b.WriteRune(r)
		default:
			b.WriteRune(utf8.RuneError)
		}
	}
	return b.String()
}
