package gensql

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// column is one column of the statements: where its values come from, its
// type, and what was seen of its values in the sample.
type column struct {
	name     string
	field    string            // of the records; empty: none
	set      *sqltext.Template // the expression that is its value, nil: it has none
	fallback *record.Value     // for records without the field, nil: the table's default
	declared Type              // 0: what the values are
	key      bool

	made    bool // by DDL: typ and what follows was settled
	typ     columnType
	notNull bool
	seen    int64 // values

	unsigned       bool // an integer beyond the signed ones was seen
	whole          int  // most digits before the point
	minScale       int  // fewest digits behind it
	maxScale       int  // most
	inexact        bool // a number was seen that no float keeps
	fraction       int  // most digits of a second's fraction
	chars, size    int  // longest value in characters and bytes
	numbers        int  // how many numbers were seen
	negative, null bool
}

// see widens the column's type to hold the value. A value that is not of the
// declared type is left to be rejected.
func (c *column) see(v record.Value, typed bool, d sqltext.Dialect) {
	if c.declared != 0 {
		var err error
		if v, err = c.declared.convert(v); err != nil {
			return
		}
		typed = false
	}
	c.seen++
	t := classify(v, typed, d)
	switch t {
	case nullType:
		c.null = true
	case intType, decimalType, doubleType:
		n := parseNumber(v.Bytes)
		if c.numbers == 0 {
			c.minScale = n.scale
		}
		c.numbers++
		c.unsigned = c.unsigned || !n.fitsInt && t == intType
		c.negative = c.negative || v.Bytes[0] == '-'
		c.whole = max(c.whole, n.whole)
		c.minScale, c.maxScale = min(c.minScale, n.scale), max(c.maxScale, n.scale)
		c.inexact = c.inexact || !n.fitsFloat
	case datetimeType:
		c.fraction = max(c.fraction, fractionLen(v.Bytes))
	}
	c.chars = max(c.chars, utf8.RuneCount(v.Bytes))
	c.size = max(c.size, len(v.Bytes))
	c.typ = widen(c.typ, t)
	if c.declared != 0 {
		c.typ = c.declared.columnType()
	}
}

// fractionLen is the number of digits behind a time's seconds.
func fractionLen(datetime []byte) int {
	_, fraction, _ := bytes.Cut(datetime, []byte{'.'})
	return len(fraction)
}

// widen returns the narrowest type that holds the values of both.
func widen(a, b columnType) columnType {
	number := func(t columnType) bool { return t == intType || t == decimalType || t == doubleType }
	switch {
	case b == nullType || a == b:
		return a
	case a == nullType || a == anyType:
		return b
	case number(a) && number(b):
		return max(a, b)
	}
	return textType
}

// roomyWhole is how many digits before the point a DECIMAL gets at least: the
// amounts behind the sample may be larger.
const roomyWhole = 18

// settle decides the type when the whole sample, of so many records, was seen.
func (c *column) settle(records int64, cfg *Config) {
	d := cfg.Dialect
	c.made = true
	c.notNull = c.key || cfg.NotNull && !c.null && c.seen == records && c.set == nil
	if c.declared != 0 {
		c.typ = c.declared.columnType()
	}
	switch c.typ {
	case anyType, nullType:
		c.typ = textType
	case intType:
		if c.unsigned && c.negative { // no integer type holds both
			c.typ = decimalType
		}
	case decimalType:
		if c.declared != 0 {
			break
		}
		// Numbers that all have the same scale are amounts: DECIMAL. Others are
		// measurements: a float, as long as it keeps every digit.
		if c.minScale != c.maxScale && !c.inexact {
			c.typ = doubleType
		}
	}
	tooLong := c.whole+c.maxScale > maxDecimal || d == sqltext.SQLite && c.inexact
	if c.typ == decimalType && tooLong || c.typ == doubleType && c.inexact && c.declared == 0 {
		c.typ = textType
	}
	c.whole = max(c.whole, min(roomyWhole, maxDecimal-c.maxScale))
}

// Lengths of MySQL's text types in characters: an indexed column of utf8mb4
// can have 768 (3,072 bytes); TEXT has 65,535 bytes, of which a character
// takes 4 at most.
const (
	shortText = 255
	keyText   = 768
	longText  = 65535 / 4
)

// maxChars is how long a text of the column may be; 0 is as long as wanted.
func (c *column) maxChars(d sqltext.Dialect) int {
	switch {
	case d == sqltext.SQLite:
		return 0
	case c.chars <= shortText:
		return shortText
	case c.key:
		return keyText
	case c.chars <= longText:
		return longText
	}
	return 0
}

// definition is the column's type in DDL.
func (c *column) definition(d sqltext.Dialect) string {
	def := c.sqlType(d)
	if c.notNull {
		def += " NOT NULL"
	}
	return def
}

func (c *column) sqlType(d sqltext.Dialect) string {
	if d == sqltext.SQLite {
		switch c.typ {
		case intType:
			return "INTEGER"
		case boolType:
			return "BOOLEAN"
		case decimalType, doubleType:
			return "NUMERIC" // keeps 3 and 3.5 apart, which REAL does not
		case binaryType:
			return "BLOB"
		}
		return "TEXT"
	}
	switch c.typ {
	case boolType:
		return "BOOLEAN"
	case intType:
		if c.unsigned {
			return "BIGINT UNSIGNED"
		}
		return "BIGINT"
	case decimalType:
		return fmt.Sprintf("DECIMAL(%d,%d)", c.whole+c.maxScale, c.maxScale)
	case doubleType:
		return "DOUBLE"
	case dateType:
		return "DATE"
	case datetimeType:
		if c.fraction == 0 {
			return "DATETIME"
		}
		return fmt.Sprintf("DATETIME(%d)", c.fraction)
	case jsonType:
		return "JSON"
	case binaryType:
		if c.key {
			return fmt.Sprintf("VARBINARY(%d)", keyText)
		}
		return "LONGBLOB"
	}
	text := "LONGTEXT"
	switch n := c.maxChars(d); n {
	case shortText, keyText:
		text = fmt.Sprintf("VARCHAR(%d)", n)
	case longText:
		text = "TEXT"
	}
	if c.key { // a and A, or é and e, are different keys
		text += " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
	}
	return text
}

// appendLiteral appends the value as the column's type wants it. A value that
// does not fit is an error, never something else that does.
func (c *column) appendLiteral(dst []byte, v record.Value, typed bool, cfg *Config) ([]byte, error) {
	if c.declared != 0 {
		var err error
		if v, err = c.declared.convert(v); err != nil {
			return dst, badRecord("", "column %q: %w", c.name, err)
		}
		typed = false
	}
	if v.Kind == record.Null && c.notNull {
		return dst, badRecord("", "column %q: NULL, but the column is NOT NULL", c.name)
	}
	if c.made && v.Kind != record.Null {
		if err := c.fits(&v, typed, cfg.Dialect); err != nil {
			return dst, err
		}
	}
	dst, err := cfg.appendValue(dst, v)
	if err != nil {
		if bad, ok := errors.AsType[*recordError](err); ok {
			bad.err = fmt.Errorf("column %q: %w", c.name, bad.err)
		}
	}
	return dst, err
}

// asIs reports whether any text can be a value of the column.
func (c *column) asIs() bool { return c.set == nil && c.declared == 0 && !c.made }

// fits returns an error if the column was made too small for the value, and
// gives the value the kind of the column.
func (c *column) fits(v *record.Value, typed bool, d sqltext.Dialect) error {
	if c.typ == textType {
		if limit := c.maxChars(d); limit > 0 && len(v.Bytes) > limit && utf8.RuneCount(v.Bytes) > limit {
			return badRecord("", "column %q: text of %d characters, the column was made for %d", c.name, utf8.RuneCount(v.Bytes), limit)
		}
		v.Kind = record.Text
		return nil
	}
	t := classify(*v, typed, d)
	ok := t == c.typ
	switch c.typ {
	case intType, decimalType, doubleType:
		ok = c.holds(t, *v, d) || c.declared == Float // which says that it may be rounded
		v.Kind = record.Number
	case datetimeType:
		ok = ok && fractionLen(v.Bytes) <= c.fraction
	}
	if !ok {
		return badRecord("the column's type was inferred from the first records: --sample looks at more", "column %q: %s is no %s", c.name, abbreviate(v.Bytes), c.sqlType(d))
	}
	return nil
}

// holds reports whether a column of numbers holds a value of type t exactly.
func (c *column) holds(t columnType, v record.Value, d sqltext.Dialect) bool {
	if t > c.typ || t < intType {
		return false
	}
	n := parseNumber(v.Bytes)
	switch c.typ {
	case intType:
		if c.unsigned {
			return n.fitsUint
		}
		return n.fitsInt
	case decimalType:
		if d == sqltext.MySQL {
			return n.whole <= c.whole && n.scale <= c.maxScale
		}
	}
	return n.fitsFloat
}

// abbreviate quotes a value for a message.
func abbreviate(b []byte) string {
	const most = 40
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}
