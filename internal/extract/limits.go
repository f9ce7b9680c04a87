package extract

import (
	"errors"
	"time"
)

// About what a text or link, and a row, takes beside its bytes.
const (
	textSize = 64
	rowSize  = 256
)

var (
	errTime   = errors.New("reading it takes too long")
	errOutput = errors.New("what is selected is too much")
	errTree   = errors.New("its tree would take too much memory")
)

// limits end the work on a page that would take too much.
type limits struct {
	deadline time.Time
	output   int // bytes that may still be selected: nested elements make gigabytes of a page of megabytes
	steps    uint
	err      error // the limit that was reached
}

// spend takes n bytes of output and reports whether there were as many.
func (l *limits) spend(n int) bool {
	l.output -= n
	if l.output < 0 && l.err == nil {
		l.err = errOutput
	}
	return l.err == nil
}

// step reports whether there is time for another step. It looks at the clock
// now and then.
func (l *limits) step() bool {
	if l.steps++; l.steps%64 == 0 {
		return l.inTime()
	}
	return l.err == nil
}

func (l *limits) inTime() bool {
	if l.err == nil && time.Now().After(l.deadline) {
		l.err = errTime
	}
	return l.err == nil
}
