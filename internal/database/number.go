package database

import (
	"bytes"
	"math"
	"strconv"
)

// appendDouble appends a DOUBLE as the server prints it: the fewest digits
// that give the same number back.
func appendDouble(dst []byte, v float64) []byte { return appendReal(dst, v, -1) }

// appendFloat appends a FLOAT as the server prints it: six digits (FLT_DIG),
// whatever the number has.
func appendFloat(dst []byte, v float32) []byte { return appendReal(dst, float64(v), 5) }

// maxPointExponent is MAX_DECPT_FOR_F_FORMAT of the server's my_gcvt: with the
// decimal point further away than this the server writes an exponent.
const maxPointExponent = 15

// appendReal follows the server's my_gcvt (strings/dtoa.c): digits with a
// decimal point where they fit, else with an exponent that has no plus sign
// and no leading zeros. Precision is the number of digits after the first; -1
// is as many as it takes.
func appendReal(dst []byte, v float64, precision int) []byte {
	if v == 0 {
		if math.Signbit(v) {
			dst = append(dst, '-')
		}
		return append(dst, '0')
	}
	// d.ddddde±xx
	var buf [32]byte
	s := strconv.AppendFloat(buf[:0], v, 'e', precision, 64)
	if s[0] == '-' {
		dst, s = append(dst, '-'), s[1:]
	}
	e := len(s) - 1
	for s[e] != 'e' {
		e--
	}
	exponent, _ := strconv.Atoi(string(s[e+1:])) // it is strconv's own
	var digits [24]byte
	d := append(digits[:0], s[0])
	if e > 2 {
		d = append(d, s[2:e]...)
	}
	for len(d) > 1 && d[len(d)-1] == '0' {
		d = d[:len(d)-1]
	}
	point := exponent + 1 // digits before the decimal point
	switch {
	case point <= -maxPointExponent || point > maxPointExponent && len(d) <= point:
		dst = append(dst, d[0])
		if len(d) > 1 {
			dst = append(append(dst, '.'), d[1:]...)
		}
		return strconv.AppendInt(append(dst, 'e'), int64(exponent), 10)
	case point <= 0:
		dst = append(dst, '0', '.')
		for ; point < 0; point++ {
			dst = append(dst, '0')
		}
		return append(dst, d...)
	case len(d) <= point:
		dst = append(dst, d...)
		for n := len(d); n < point; n++ {
			dst = append(dst, '0')
		}
		return dst
	}
	return append(append(append(dst, d[:point]...), '.'), d[point:]...)
}

// appendFixed appends a FLOAT(M,D) or DOUBLE(M,D) with its D decimals, as the
// server's my_fcvt does: of the fewest digits that give the number back those
// that fit, then zeros.
func appendFixed(dst []byte, v float64, scale int) []byte {
	from := len(dst)
	dst = strconv.AppendFloat(dst, v, 'f', -1, 64)
	point := bytes.IndexByte(dst[from:], '.')
	if point < 0 {
		point = len(dst) - from
		if scale > 0 {
			dst = append(dst, '.')
		}
	}
	decimals := max(0, len(dst)-from-point-1)
	if decimals > scale {
		return strconv.AppendFloat(dst[:from], v, 'f', scale, 64)
	}
	for ; decimals < scale; decimals++ {
		dst = append(dst, '0')
	}
	return dst
}
