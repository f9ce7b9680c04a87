package progress

import (
	"testing"
	"time"
)

func TestLine(t *testing.T) {
	for _, tt := range []struct {
		records, bytes int
		total          int64
		elapsed        time.Duration
		want           string
	}{
		{0, 0, 0, 0, "0 records, 0/s, 0:00"},
		{999, 0, 0, time.Second, "999 records, 999/s, 0:01"},
		{1234567, 2500000, 0, 10 * time.Second, "1,234,567 records, 123,456/s, 0:10, 2.5 MB"},
		{10, 0, 100, time.Second, "10 records, 10/s, 0:01, 0%"},
		{10, 25, 100, 20 * time.Minute, "10 records, 0/s, 20:00, 25%, 1:00:00 left"},
		{10, 100, 100, time.Hour + 2*time.Minute + 3*time.Second, "10 records, 0/s, 1:02:03, 100%"},
		{1, 150, 100, time.Second, "1 record, 1/s, 0:01, 150 B"}, // the file has grown
		{2, 999_949, 0, time.Second, "2 records, 2/s, 0:01, 999.9 kB"},
		{2, 999_950, 0, time.Second, "2 records, 2/s, 0:01, 1.0 MB"},
		{2, 12_345_678_900_000, 0, time.Second, "2 records, 2/s, 0:01, 12345.7 GB"},
	} {
		var m Meter
		m.AddRecords(tt.records)
		m.AddBytes(tt.bytes)
		m.SetTotal(tt.total)
		if got := m.Line(tt.elapsed); got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
}

func TestLineOfRecords(t *testing.T) {
	var m Meter
	m.AddRecords(10)
	m.AddBytes(5000)
	m.SetRecords(40)
	if got, want := m.Line(10*time.Second), "10 records, 1/s, 0:10, 25%, 0:30 left"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNil(*testing.T) {
	var m *Meter
	m.AddRecords(1)
	m.AddBytes(1)
	m.SetTotal(1)
	m.SetRecords(1)
}
