// Package record is the record stream that the tools speak: ordered fields
// with exact values, read from and written to JSON Lines, CSV and TSV, and
// shown to people as a table.
//
// No value passes through a float or a date type: digits, key order and bytes
// come out as they went in.
package record

import (
	"errors"
	"fmt"
	"strconv"
)

// Kind says what a Value is.
type Kind uint8

// The kinds. A field of CSV, TSV or a plain line is Text or Null.
const (
	Null   Kind = iota
	Text        // UTF-8 text
	Number      // the digits as they came
	Bool        // true or false
	JSON        // an object or array: its JSON text
	Binary      // any bytes
)

// Value is one field's value. The zero value is NULL.
type Value struct {
	Kind  Kind
	Bytes []byte
}

// String is a text value.
func String(s string) Value { return Value{Text, []byte(s)} }

// Int is a number value.
func Int(n int64) Value { return Value{Number, strconv.AppendInt(nil, n, 10)} }

// Boolean is a true or false value.
func Boolean(b bool) Value { return Value{Bool, strconv.AppendBool(nil, b)} }

// IsNull reports whether the value is NULL.
func (v Value) IsNull() bool { return v.Kind == Null }

// Record is one object: Fields and Values have the same length. A reader uses
// its memory again: a Record is valid until the next Read.
type Record struct {
	Fields []string
	Values []Value
	Raw    []byte // the original bytes, without the line end
	Line   int    // where it begins in its source, from 1
	Typed  bool   // the format tells numbers from text, as JSON does and CSV does not
}

// Get returns the value of the field called name.
func (r *Record) Get(name string) (Value, bool) {
	for i, f := range r.Fields {
		if f == name {
			return r.Values[i], true
		}
	}
	return Value{}, false
}

// Reader reads records. It returns io.EOF after the last one. After a
// *SyntaxError the next Read goes on with the next record; every other error
// is final, that of a malformed header too.
type Reader interface {
	Read(*Record) error
}

// Writer writes sets of rows.
type Writer interface {
	// Begin starts a set of rows with these fields: a header in csv, tsv and
	// table.
	Begin(fields []string) error
	// Write writes one row: a value for each field. It keeps nothing of values.
	Write(values []Value) error
	// Flush passes on what is pending.
	Flush() error
}

// Header is a Reader whose input names its fields before the first record.
type Header interface {
	// Header are the names, nil before Read was called.
	Header() []string
}

// SyntaxError is a malformed record.
type SyntaxError struct {
	Source string // the input's name
	Line   int    // where the error is, from 1
	Column int    // in bytes, from 1; 0 if it is the whole record
	Raw    []byte // the record's bytes, valid until the next Read; the first 1024 if it is too long
	Err    error
}

func (e *SyntaxError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("%s: line %d: %v", e.Source, e.Line, e.Err)
	}
	return fmt.Sprintf("%s: line %d, column %d: %v", e.Source, e.Line, e.Column, e.Err)
}

func (e *SyntaxError) Unwrap() error { return e.Err }

// headerError is what a reader returns for an error in a header: no
// *SyntaxError, since without the names no record can follow.
func headerError(err error) error {
	if syntax, ok := errors.AsType[*SyntaxError](err); ok {
		return fmt.Errorf("%s: line %d, in the header: %w", syntax.Source, syntax.Line, syntax.Err)
	}
	return err
}

// UniqueNames gives repeated names the endings _2, _3 … that no other name
// has, and reports whether there were any. It returns names itself if not.
func UniqueNames(names []string) ([]string, bool) {
	taken := make(map[string]bool, len(names))
	for _, name := range names {
		taken[name] = true
	}
	if len(taken) == len(names) {
		return names, false
	}
	unique := make([]string, len(names))
	last := make(map[string]int, len(names)) // of each name, the number given last
	for i, name := range names {
		unique[i] = name
		if n := last[name]; n > 0 {
			for taken[unique[i]] {
				n++
				unique[i] = name + "_" + strconv.Itoa(n)
			}
			taken[unique[i]], last[name] = true, n
		} else {
			last[name] = 1
		}
	}
	return unique, true
}
