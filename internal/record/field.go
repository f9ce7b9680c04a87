package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Field is the text of a field of a record: of the one with that name in a JSON
// object, else of the one with that number, from 1, between tabs. It says
// whether it was a JSON string; of another JSON value the text is its JSON.
func Field(rec []byte, name string) (text string, quoted bool, err error) {
	if len(rec) > 0 && rec[0] == '{' {
		return objectField(rec, name)
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 {
		return "", false, errors.New("is no JSON object")
	}
	fields := bytes.SplitN(rec, []byte{'\t'}, n+1)
	if len(fields) < n {
		return "", false, fmt.Errorf("has no field %d", n)
	}
	return string(fields[n-1]), false, nil
}

func objectField(rec []byte, name string) (text string, quoted bool, err error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(rec, &object); err != nil {
		return "", false, fmt.Errorf("is no JSON object: %w", err)
	}
	value, ok := object[name]
	if !ok {
		return "", false, fmt.Errorf("has no field %q", name)
	}
	if value[0] != '"' {
		return string(value), false, nil
	}
	err = json.Unmarshal(value, &text)
	return text, true, err
}
