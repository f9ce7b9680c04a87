// Package progress counts what a run has done and puts it into words.
package progress

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Meter counts. It may be used by several goroutines; a nil Meter counts
// nothing.
type Meter struct {
	records, expected, bytes, total atomic.Int64
}

// AddRecords counts records, or what a tool has in their place.
func (m *Meter) AddRecords(n int) {
	if m != nil {
		m.records.Add(int64(n))
	}
}

// AddBytes counts bytes read from the inputs.
func (m *Meter) AddBytes(n int) {
	if m != nil {
		m.bytes.Add(int64(n))
	}
}

// SetTotal says how many bytes the inputs have in all.
func (m *Meter) SetTotal(bytes int64) {
	if m != nil {
		m.total.Store(bytes)
	}
}

// SetRecords says how many records there will be in all, where that says more
// of what is left than the bytes of the inputs do.
func (m *Meter) SetRecords(n int64) {
	if m != nil {
		m.expected.Store(n)
	}
}

// Known reports whether it is known how much there is in all.
func (m *Meter) Known() bool { return m.total.Load() > 0 || m.expected.Load() > 0 }

// Line is how far a run has come since it began: records, their rate, the time
// it took, and, if the total is known, the share of it that is done and the time
// that the rest will take at this rate.
func (m *Meter) Line(elapsed time.Duration) string {
	records, bytes, total := m.records.Load(), m.bytes.Load(), m.total.Load()
	seconds := elapsed.Seconds()
	parts := []string{
		count(records),
		thousands(int64(float64(records)/max(seconds, 1e-3))) + "/s",
		clock(elapsed),
	}
	done := bytes
	if expected := m.expected.Load(); expected > 0 {
		done, total = records, expected
	}
	if total > 0 && done <= total {
		parts = append(parts, fmt.Sprintf("%d%%", 100*done/total))
		if done > 0 && done < total {
			left := time.Duration(seconds * float64(total-done) / float64(done) * float64(time.Second))
			parts = append(parts, clock(left)+" left")
		}
	} else if bytes > 0 {
		parts = append(parts, size(bytes))
	}
	return strings.Join(parts, ", ")
}

func count(records int64) string {
	if records == 1 {
		return "1 record"
	}
	return thousands(records) + " records"
}

// size writes a number of bytes as 999 B, 1.5 kB, 2.0 MB or 3.1 GB.
func size(bytes int64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	n, units := float64(bytes)/1e3, []string{"kB", "MB", "GB"}
	for n >= 999.95 && len(units) > 1 {
		n, units = n/1e3, units[1:]
	}
	return fmt.Sprintf("%.1f %s", n, units[0])
}

// thousands writes a number with a comma between groups of three digits.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// clock writes a time as 0:07, 12:34 or 1:02:03.
func clock(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
