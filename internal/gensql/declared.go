package gensql

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipeworks/internal/record"
)

// Type says what the values of a column are: int, decimal, float, bool, date,
// datetime, json, text; binary (the bytes as they are), base64 or hex (the
// bytes that the text stands for).
type Type uint8

// The types that --types takes.
const (
	Int Type = iota + 1
	Decimal
	Float
	Bool
	Date
	Datetime
	JSON
	Text
	Binary
	Base64
	Hex
)

var typeNames = []string{Int: "int", Decimal: "decimal", Float: "float", Bool: "bool", Date: "date", Datetime: "datetime", JSON: "json", Text: "text", Binary: "binary", Base64: "base64", Hex: "hex"}

func (t Type) String() string { return typeNames[t] }

// ParseType returns the type called name.
func ParseType(name string) (Type, error) {
	if i := slices.Index(typeNames, name); i >= int(Int) {
		return Type(i), nil
	}
	return 0, fmt.Errorf("unknown type %q: it is one of %s", name, strings.Join(typeNames[Int:], ", "))
}

// columnType is how a column of the type is made.
func (t Type) columnType() columnType {
	return [...]columnType{
		Int: intType, Decimal: decimalType, Float: doubleType, Bool: boolType, Date: dateType, Datetime: datetimeType,
		JSON: jsonType, Text: textType, Binary: binaryType, Base64: binaryType, Hex: binaryType,
	}[t]
}

// convert returns the value as the type has it, for instance a number for the
// text of one, or an error if the value does not fit.
func (t Type) convert(v record.Value) (record.Value, error) {
	if v.Kind == record.Null {
		return v, nil
	}
	kind := record.Text
	var b []byte
	var err error
	switch t {
	case Int:
		kind, b = record.Number, integer(v.Bytes)
	case Decimal:
		kind, b = record.Number, decimal(v.Bytes)
	case Float:
		kind, b = record.Number, float(v.Bytes)
	case Bool:
		kind, b = record.Bool, boolean(v.Bytes)
	case Date:
		if isDate(v.Bytes) {
			b = v.Bytes
		}
	case Datetime:
		b = datetime(v.Bytes)
	case JSON:
		return jsonValue(v)
	case Text:
		return record.Value{Kind: record.Text, Bytes: v.Bytes}, nil
	case Binary:
		return record.Value{Kind: record.Binary, Bytes: v.Bytes}, nil
	case Base64:
		kind = record.Binary
		b, err = base64.StdEncoding.AppendDecode([]byte{}, bytes.TrimRight(v.Bytes, "\r\n"))
	case Hex:
		kind = record.Binary
		b, err = hex.AppendDecode([]byte{}, bytes.TrimPrefix(v.Bytes, []byte("0x")))
	}
	if b == nil || err != nil || kind != record.Text && v.Kind == record.JSON {
		return v, fmt.Errorf("%s is no %s", abbreviate(v.Bytes), t)
	}
	return record.Value{Kind: kind, Bytes: b}, nil
}

// sign splits a sign off, of which a plus is not kept.
func sign(text []byte) (minus, digits []byte) {
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		return bytes.TrimSuffix(text[:1], []byte{'+'}), text[1:]
	}
	return nil, text
}

func allDigits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// trimZeros takes off leading zeros, but for the last digit.
func trimZeros(digits []byte) []byte {
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	return digits
}

// integer returns the number without what does not count, nil if it is none.
func integer(text []byte) []byte {
	minus, digits := sign(text)
	if len(digits) == 0 || !allDigits(digits) {
		return nil
	}
	return slices.Concat(minus, trimZeros(digits))
}

// decimal is integer for a number that may have a point.
func decimal(text []byte) []byte {
	whole, fraction, point := bytes.Cut(text, []byte{'.'})
	if !point {
		return integer(text)
	}
	minus, digits := sign(whole)
	if len(fraction) == 0 || !allDigits(fraction) || !allDigits(digits) {
		return nil
	}
	return slices.Concat(minus, trimZeros(append([]byte{'0'}, digits...)), []byte{'.'}, fraction)
}

// float is decimal for a number that may have an exponent.
func float(text []byte) []byte {
	i := bytes.IndexAny(text, "eE")
	if i < 0 {
		return decimal(text)
	}
	mantissa := decimal(text[:i])
	_, exponent := sign(text[i+1:])
	if mantissa == nil || len(exponent) == 0 || !allDigits(exponent) {
		return nil
	}
	return slices.Concat(mantissa, text[i:])
}

func boolean(text []byte) []byte {
	switch strings.ToLower(string(text)) {
	case "true", "t", "yes", "y", "on", "1":
		return []byte("true")
	case "false", "f", "no", "n", "off", "0":
		return []byte("false")
	}
	return nil
}

// datetime reads a date and time, with a space or a T between them, or a date
// alone. With a time zone it becomes UTC.
func datetime(text []byte) []byte {
	const space = len(time.DateOnly)
	if isDate(text) {
		return slices.Concat(text, []byte(" 00:00:00"))
	}
	if len(text) < len(time.DateTime) || text[space] != 'T' && text[space] != 't' && text[space] != ' ' {
		return nil
	}
	text = bytes.Clone(text)
	text[space] = ' '
	if isDatetime(text) {
		return text
	}
	at, err := time.Parse("2006-01-02 15:04:05.999999999Z07:00", strings.ToUpper(string(text)))
	if err != nil || at.Nanosecond()%1000 != 0 {
		return nil
	}
	if at = at.UTC(); at.Year() < 1000 || at.Year() > 9999 {
		return nil
	}
	return []byte(at.Format("2006-01-02 15:04:05.999999"))
}

// jsonValue is a value that is JSON, or text that holds some.
func jsonValue(v record.Value) (record.Value, error) {
	if v.Kind != record.Text {
		return record.Value{Kind: record.JSON, Bytes: record.AppendJSON(nil, v)}, nil
	}
	parsed, err := record.ParseJSON(v.Bytes)
	if err != nil {
		return v, errors.New(abbreviate(v.Bytes) + " is no json: " + err.Error())
	}
	return record.Value{Kind: record.JSON, Bytes: record.AppendJSON(nil, parsed)}, nil
}
