// Package reject decides what becomes of a record that could not be
// processed: the run stops, or it is counted, or it is written to a file from
// which it can be replayed.
package reject

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"
)

// Record is one input record that failed.
type Record struct {
	Source    string // the input's name: a path or "stdin"
	Line      int    // where the record begins in Source, from 1
	Err       error  // what is wrong with it
	Code      string // the failure's code where it has one: an SQL error number, a kind of fetch error
	Retryable bool   // whether the same record may succeed later
	Input     []byte // the original bytes, without the line end
}

// Sink takes failed records. The zero value stops at the first one.
type Sink struct {
	Tool  string    // the tool's name, for the records' "tool" field
	Out   io.Writer // where to write them as JSON Lines, unbuffered; nil: nowhere
	Force bool      // go on without writing them
	Max   int       // stop when more than Max were taken; 0 is no limit

	count int
}

// ManyError ends a run that had more rejects than it was allowed.
type ManyError struct {
	Max int
	Err error // the last one
}

func (e *ManyError) Error() string {
	return fmt.Sprintf("more than %s rejected, the last: %v", records(e.Max), e.Err)
}

func (e *ManyError) Unwrap() error { return e.Err }

// Goes reports whether the run goes on after a failed record.
func (s *Sink) Goes() bool { return s.Out != nil || s.Force }

// Count is the number of records taken so far.
func (s *Sink) Count() int { return s.count }

// Add takes a failed record. A nil result means: go on with the next one;
// otherwise the run ends with the error returned.
func (s *Sink) Add(r Record) error {
	if !s.Goes() {
		return r.Err
	}
	s.count++
	if s.Out != nil {
		enc := json.NewEncoder(s.Out)
		enc.SetEscapeHTML(false) // people read it
		if err := enc.Encode(s.line(r)); err != nil {
			return fmt.Errorf("write a reject: %w", err)
		}
	}
	if s.Max > 0 && s.count > s.Max {
		return &ManyError{s.Max, r.Err}
	}
	return nil
}

// line is the written form of a Record. Input that is not UTF-8 cannot be a
// JSON string, so its bytes are in input_base64 instead of input.
type line struct {
	Tool        string `json:"tool"`
	Source      string `json:"source"`
	Line        int    `json:"line"`
	Error       string `json:"error"`
	Code        string `json:"code,omitempty"`
	Retryable   bool   `json:"retryable"`
	Input       string `json:"input"`
	InputBase64 []byte `json:"input_base64,omitempty"`
}

func (s *Sink) line(r Record) line {
	l := line{Tool: s.Tool, Source: r.Source, Line: r.Line, Error: r.Err.Error(), Code: r.Code, Retryable: r.Retryable}
	if utf8.Valid(r.Input) {
		l.Input = string(r.Input)
	} else {
		l.InputBase64 = r.Input
	}
	return l
}

// RejectedError ends a run that went to its end with some records rejected.
type RejectedError struct{ Count int }

func (e *RejectedError) Error() string {
	return records(e.Count) + " rejected"
}

func records(n int) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

// ExitStatus is the status of a run that ended with rejects.
func (e *RejectedError) ExitStatus() int { return 3 }

// Err is what a run that came to its end returns: nil if every record went
// through, else a *RejectedError.
func (s *Sink) Err() error {
	if s.count == 0 {
		return nil
	}
	return &RejectedError{s.count}
}
