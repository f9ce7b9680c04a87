package gensql

import (
	"math"
	"strconv"
	"strings"
	"time"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// columnType is what the values of a column are.
type columnType uint8

const (
	anyType  columnType = iota // not known: each value as its record has it
	nullType                   // no value but NULL was seen
	boolType
	intType      // fits the dialect's 64-bit integers
	decimalType  // exact, up to 65 digits
	doubleType   // exact as a 64-bit float
	dateType     // YYYY-MM-DD
	datetimeType // YYYY-MM-DD HH:MM:SS[.ffffff]
	jsonType
	textType
	binaryType
)

func (t columnType) String() string {
	return [...]string{"value", "NULL", "boolean", "integer", "decimal number", "number", "date", "date and time", "JSON value", "text", "binary"}[t]
}

// maxDecimal is the number of digits that a DECIMAL of MySQL can have; 30 of
// them at most behind the point.
const (
	maxDecimal      = 65
	maxDecimalScale = 30
	exactFloat      = 15 // decimal digits that every 64-bit float keeps
)

// number describes the text of a number in JSON's grammar.
type number struct {
	whole, scale int // digits before and behind the point
	exponent     bool
	fitsInt      bool // a signed 64-bit integer
	fitsUint     bool // an unsigned one
	fitsFloat    bool // a 64-bit float that prints as the same digits
}

func parseNumber(text []byte) number {
	var n number
	if len(text) <= 18 && allDigits(text) { // by far the most
		return number{whole: len(text), fitsInt: true, fitsUint: true, fitsFloat: len(text) <= exactFloat || printsSame(string(text), string(text))}
	}
	s, negative := strings.CutPrefix(string(text), "-")
	mantissa, _, exponent := strings.Cut(strings.ToLower(s), "e")
	n.exponent = exponent
	whole, fraction, _ := strings.Cut(mantissa, ".")
	n.whole, n.scale = len(whole), len(fraction)
	n.fitsFloat = n.whole+n.scale <= exactFloat && !exponent || printsSame(string(text), whole+fraction)
	if fraction == "" && !exponent {
		_, err := strconv.ParseInt(string(text), 10, 64)
		n.fitsInt = err == nil
		_, err = strconv.ParseUint(s, 10, 64)
		n.fitsUint = err == nil && !negative
	}
	return n
}

// printsSame reports whether a 64-bit float made of the text has no other
// digits than the text when it is printed as short as it can be.
func printsSame(text, digits string) bool {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil { // out of range
		return false
	}
	printed, _, _ := strings.Cut(strconv.FormatFloat(math.Abs(f), 'e', -1, 64), "e")
	return strings.Trim(digits, "0") == strings.Trim(strings.Replace(printed, ".", "", 1), "0")
}

// classify returns the narrowest type that holds the value exactly. Fields of
// an untyped format may be numbers and dates; JSON says itself what is one.
func classify(v record.Value, typed bool, d sqltext.Dialect) columnType {
	switch v.Kind {
	case record.Null:
		return nullType
	case record.Bool:
		return boolType
	case record.JSON:
		return jsonType
	case record.Binary:
		return binaryType
	case record.Number:
		return numberType(parseNumber(v.Bytes), d)
	}
	if typed {
		return textType
	}
	switch {
	case record.IsNumber(v.Bytes):
		// A leading zero or a sign of zero is no number's: JSON's grammar
		// excludes the first, and -0 would come back as 0.
		if t := numberType(parseNumber(v.Bytes), d); t != doubleType && string(v.Bytes) != "-0" {
			return t
		}
	case isDate(v.Bytes):
		return dateType
	case isDatetime(v.Bytes):
		return datetimeType
	}
	return textType
}

func numberType(n number, d sqltext.Dialect) columnType {
	switch {
	case n.fitsInt, n.fitsUint && d == sqltext.MySQL:
		return intType
	case n.exponent && n.fitsFloat:
		return doubleType
	case n.exponent:
		return textType
	case d == sqltext.SQLite && n.fitsFloat:
		return decimalType
	case d == sqltext.MySQL && n.whole+n.scale <= maxDecimal && n.scale <= maxDecimalScale:
		return decimalType
	}
	return textType
}

// isDate reports whether b is a date, YYYY-MM-DD, from the year 1000 on, which
// the servers' manual promises to hold.
func isDate(b []byte) bool {
	if len(b) != len(time.DateOnly) || b[4] != '-' || b[7] != '-' {
		return false
	}
	year, month, day := digits(b[:4]), digits(b[5:7]), digits(b[8:10])
	return year >= 1000 && 1 <= month && month <= 12 && 1 <= day &&
		day <= time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// isDatetime reports whether b is a date and a time, HH:MM:SS with up to six
// digits of a fraction, and a space between them.
func isDatetime(b []byte) bool {
	if len(b) < len(time.DateTime) || b[10] != ' ' || b[13] != ':' || b[16] != ':' || !isDate(b[:10]) {
		return false
	}
	for i, limit := range []int{24, 60, 60} {
		if n := digits(b[11+3*i : 13+3*i]); n < 0 || n >= limit {
			return false
		}
	}
	fraction := b[len(time.DateTime):]
	return len(fraction) == 0 || fraction[0] == '.' && len(fraction) > 1 && len(fraction) <= 7 && allDigits(fraction[1:])
}

// digits is the number that a few digits are, -1 if they are none.
func digits(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}
