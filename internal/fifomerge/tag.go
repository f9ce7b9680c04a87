package fifomerge

import (
	"bytes"
	"encoding/json"
	"slices"

	"pipeworks/internal/framing"
)

// tag is the name of a source in the forms that records get it in.
type tag struct {
	text  []byte // the first field, with its tab
	field []byte // the first member of an object, with its brace
}

func newTag(name string) *tag {
	quoted, _ := json.Marshal(name) // every text has a JSON form
	return &tag{
		text:  append([]byte(escapeField.Replace(name)), '\t'),
		field: slices.Concat([]byte(`{"_source":`), quoted),
	}
}

// append appends records with the tag in each: a record that begins with a
// brace is a JSON object.
func (t *tag) append(made []byte, f framing.Framing, records []byte) []byte {
	var record []byte
	for len(records) > 0 {
		record, records = f.Next(records)
		if record[0] != '{' {
			made = append(append(made, t.text...), record...)
			continue
		}
		made = append(made, t.field...)
		rest := record[1:]
		if !bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte{'}'}) {
			made = append(made, ',')
		}
		made = append(made, rest...)
	}
	return made
}
