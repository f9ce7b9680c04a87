package extract

import (
	"bytes"

	"pipeworks/internal/record"
)

// meta is what a page says about itself.
type meta struct {
	canonical *string
	names     []string // in the order in which they come, each once
	contents  []string
	jsonLD    []*[]byte
	seen      map[string]bool
}

func (m *meta) add(name, content string) {
	if m.seen[name] {
		return
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	m.seen[name] = true
	m.names, m.contents = append(m.names, name), append(m.contents, content)
}

// value is the JSON object of it.
func (m *meta) value(resolve func(string) (string, bool)) record.Value {
	object := []byte{'{'}
	member := func(name string, value record.Value) {
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = append(record.AppendJSONString(object, []byte(name)), ':')
		object = record.AppendJSON(object, value)
	}
	for i, name := range m.names {
		if name != "canonical" && name != "json_ld" {
			member(name, record.String(m.contents[i]))
		}
	}
	if m.canonical != nil {
		if url, ok := resolve(*m.canonical); ok {
			member("canonical", record.String(url))
		}
	}
	if len(m.jsonLD) > 0 {
		var list values
		for _, text := range m.jsonLD {
			value, err := record.ParseJSON(*text)
			if err != nil { // as it is: nothing is lost
				value = record.Value{Kind: record.Text, Bytes: bytes.TrimSpace(*text)}
			}
			list = append(list, value)
		}
		member("json_ld", list.array())
	}
	return record.Value{Kind: record.JSON, Bytes: append(object, '}')}
}

// values become a JSON array.
type values []record.Value

func (list values) array() record.Value {
	array := []byte{'['}
	for i, v := range list {
		if i > 0 {
			array = append(array, ',')
		}
		array = record.AppendJSON(array, v)
	}
	return record.Value{Kind: record.JSON, Bytes: append(array, ']')}
}
