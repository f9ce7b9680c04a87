package database

import (
	"database/sql/driver"
	"fmt"
	"io"
	"reflect"
	"strconv"

	"pipeworks/internal/record"
)

// mysqlType is what the server says of a column.
type mysqlType struct {
	name  string
	kind  record.Kind // of values that come as text
	scale int         // decimals of a FLOAT(M,D) or DOUBLE(M,D); -1: as many as it takes
}

// metadata are the methods of the driver's rows.
type metadata interface {
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

var typeBytes = reflect.TypeFor[[]byte]()

func newMySQLType(rows driver.Rows, i int) mysqlType {
	meta := rows.(metadata)
	t := mysqlType{name: meta.ColumnTypeDatabaseTypeName(i), kind: record.Text, scale: -1}
	switch t.name {
	case "DECIMAL":
		t.kind = record.Number
	case "JSON": // MySQL's; MariaDB's is a LONGTEXT and says nothing else
		t.kind = record.JSON
	case "FLOAT", "DOUBLE":
		if _, scale, ok := meta.ColumnTypePrecisionScale(i); ok && scale < 31 {
			t.scale = int(scale)
		}
	default:
		// The driver scans into []byte what has the charset binary: BLOB,
		// BINARY, BIT, GEOMETRY; and TEXT, CHAR, ENUM of that charset.
		if meta.ColumnTypeScanType(i) == typeBytes {
			t.kind = record.Binary
		}
	}
	return t
}

func (r *mysqlRows) Next(dst []record.Value) error {
	if r.ended {
		return io.EOF
	}
	err := r.rows.Next(r.values)
	if r.conn.run.ctx.Err() != nil {
		// Some functions answer a kill with a value, not with an error.
		r.ended = true
		return r.conn.stopped()
	}
	if err == io.EOF {
		r.ended = true
		r.over = !r.more()
		return io.EOF
	}
	if err != nil {
		r.ended, r.over = true, true
		return r.conn.fail(err)
	}
	r.buf = r.buf[:0]
	for i, v := range r.values {
		dst[i] = r.value(r.types[i], v)
	}
	return nil
}

// value is one of those that the driver makes of the text protocol.
func (r *mysqlRows) value(t mysqlType, v driver.Value) record.Value {
	from, kind := len(r.buf), record.Number
	switch v := v.(type) {
	case nil:
		return record.Value{}
	case []byte:
		return record.Value{Kind: t.kind, Bytes: v}
	case int64:
		if t.name == "YEAR" { // a date, with four digits
			kind = record.Text
			for n := int64(1000); n > max(v, 1); n /= 10 {
				r.buf = append(r.buf, '0')
			}
		}
		r.buf = strconv.AppendInt(r.buf, v, 10)
	case uint64:
		r.buf = strconv.AppendUint(r.buf, v, 10)
	case float32:
		if t.scale >= 0 {
			r.buf = appendFixed(r.buf, float64(v), t.scale)
		} else {
			r.buf = appendFloat(r.buf, v)
		}
	case float64:
		if t.scale >= 0 {
			r.buf = appendFixed(r.buf, v, t.scale)
		} else {
			r.buf = appendDouble(r.buf, v)
		}
	default:
		kind = record.Text
		r.buf = fmt.Append(r.buf, v)
	}
	return record.Value{Kind: kind, Bytes: r.buf[from:len(r.buf):len(r.buf)]}
}
