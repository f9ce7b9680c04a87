package database

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pipeworks/internal/record"
)

func TestAppendDouble(t *testing.T) {
	tests := []struct {
		v    float64
		want string
	}{
		{0, "0"},
		{math.Copysign(0, -1), "-0"},
		{1, "1"},
		{-1.5, "-1.5"},
		{100, "100"},
		{0.1, "0.1"},
		{123456.789, "123456.789"},
		{1e14, "100000000000000"},
		{1e15, "1e15"},
		{1e20, "1e20"},
		{-1e100, "-1e100"},
		{999999999999999, "999999999999999"},
		{123456789012345, "123456789012345"},
		{1234567890123456, "1.234567890123456e15"},
		{1234567890123456.5, "1234567890123456.5"},
		{12345678901234567, "1.2345678901234568e16"},
		{1e-7, "0.0000001"},
		{1e-14, "0.00000000000001"},
		{1e-15, "0.000000000000001"},
		{1e-16, "1e-16"},
		{1.5e-15, "0.0000000000000015"},
		{math.MaxFloat64, "1.7976931348623157e308"},
		{math.SmallestNonzeroFloat64, "5e-324"},
	}
	for _, tt := range tests {
		if got := string(appendDouble(nil, tt.v)); got != tt.want {
			t.Errorf("%g: %s, want %s", tt.v, got, tt.want)
		}
	}
}

func TestAppendFloat(t *testing.T) {
	tests := []struct {
		v    float32
		want string
	}{
		{0, "0"},
		{0.1, "0.1"},
		{16777216, "16777200"},
		{1e10, "10000000000"},
		{1e14, "100000000000000"},
		{1e15, "1e15"},
		{123456.789, "123457"},
		{-3.4028235e38, "-3.40282e38"},
		{1.17549435e-38, "1.17549e-38"},
		{1e-45, "1.4013e-45"},
	}
	for _, tt := range tests {
		if got := string(appendFloat(nil, tt.v)); got != tt.want {
			t.Errorf("%g: %s, want %s", tt.v, got, tt.want)
		}
	}
}

// TestNumbersAsServer compares with the server's own text, which CONCAT makes.
func TestNumbersAsServer(t *testing.T) {
	e := newMySQL(t)
	conn := e.open(t, Options{})
	exec(t, conn, "CREATE TABLE n (i INT AUTO_INCREMENT PRIMARY KEY, d DOUBLE, f FLOAT, d2 DOUBLE(60,5), f2 FLOAT(40,3))")
	random := rand.New(rand.NewPCG(1, 2))
	var insert strings.Builder
	insert.WriteString("INSERT INTO n (d, f, d2, f2) VALUES (0,0,0,0),(-0e0,-0e0,-0e0,-0e0)")
	const rows = 20_000
	for range rows {
		d := math.Float64frombits(random.Uint64())
		if random.IntN(2) == 0 { // near where the form changes, with few digits
			d = math.Round(random.Float64()*1000) * math.Pow10(random.IntN(40)-20)
		}
		if math.IsNaN(d) || math.IsInf(d, 0) {
			d = 0
		}
		f := math.Float32frombits(random.Uint32())
		if random.IntN(2) == 0 {
			f = float32(math.Round(random.Float64()*10000) * math.Pow10(random.IntN(40)-20))
		}
		if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
			f = 0
		}
		fixed := (random.Float64() - 0.5) * math.Pow10(random.IntN(30))
		fmt.Fprintf(&insert, ",(%.17e,%.9e,%.17e,%.9e)", d, f, fixed, fixed)
	}
	exec(t, conn, insert.String())
	r, err := conn.Query(t.Context(), []byte("SELECT d, CONCAT(d), f, CONCAT(f), d2, CONCAT(d2), f2, CONCAT(f2) FROM n"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	row := make([]record.Value, 8)
	n, wrong := 0, 0
	for ; ; n++ {
		if err := r.Next(row); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(row); i += 2 {
			if got, want := string(row[i].Bytes), string(row[i+1].Bytes); got != want {
				if wrong++; wrong <= 10 {
					t.Errorf("%s: printed %s, the server prints %s", r.Columns()[i].Name, got, want)
				}
			}
		}
	}
	if n != rows+2 || wrong > 0 {
		t.Errorf("%d rows, want %d; %d numbers differ", n, rows+2, wrong)
	}
}
