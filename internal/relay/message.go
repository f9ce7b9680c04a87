package relay

import (
	"bytes"
	"iter"

	"pipeworks/internal/transport"
)

// records are those of a message, without what ends them or their length.
func records(m transport.Message) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		f, packed := m.Content.Framing()
		if !packed {
			// Who sends lines by hand often sends the newline, too.
			yield(bytes.TrimSuffix(m.Body, []byte{'\n'}))
			return
		}
		for rest := m.Body; len(rest) > 0; {
			var record []byte
			record, rest = f.Next(rest)
			if !yield(f.Bare(record)) {
				return
			}
		}
	}
}
