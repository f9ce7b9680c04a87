package crawl

import (
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"slices"

	"pipeworks/internal/record"
)

// maxHeld is how many bytes of rows are held in memory for their turn.
const maxHeld = 4 << 20

// order passes rows on in the order of their inputs. What came too early is
// held: its values on disk when there are many.
type order struct {
	next int64
	held map[int64]heldRow
	size int // bytes in memory
	file *os.File
	end  int64 // of the file
	disk int   // rows there
}

type heldRow struct {
	*row
	at     int64 // where its values are in the file
	length int   // 0: they are in memory
}

func newOrder() *order { return &order{next: 1, held: map[int64]heldRow{}} }

// put takes a row and passes on each whose turn it is.
func (o *order) put(r *row, write func(*row) error) error {
	if r.seq != o.next {
		return o.hold(r)
	}
	for {
		if err := write(r); err != nil {
			return err
		}
		o.next++
		h, ok := o.held[o.next]
		if !ok {
			return nil
		}
		var err error
		if r, err = o.release(h); err != nil {
			return err
		}
	}
}

// drain passes on what is held.
func (o *order) drain(write func(*row) error) error {
	for _, seq := range slices.Sorted(maps.Keys(o.held)) {
		r, err := o.release(o.held[seq])
		if err == nil {
			err = write(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *order) hold(r *row) error {
	h := heldRow{row: r}
	if n := r.size(); o.size+n <= maxHeld {
		o.size += n
	} else {
		if o.file == nil {
			var err error
			if o.file, err = temporary(); err != nil {
				return err
			}
		}
		text := appendValues(nil, r.values)
		if _, err := o.file.WriteAt(text, o.end); err != nil {
			return err
		}
		h.at, h.length = o.end, len(text)
		o.end += int64(len(text))
		o.disk++
		r.values = nil
	}
	o.held[r.seq] = h
	return nil
}

func (o *order) release(h heldRow) (*row, error) {
	delete(o.held, h.seq)
	if h.length == 0 {
		o.size -= h.size()
		return h.row, nil
	}
	text := make([]byte, h.length)
	if _, err := o.file.ReadAt(text, h.at); err != nil {
		return nil, err
	}
	if o.disk--; o.disk == 0 {
		o.end = 0
	}
	var err error
	h.values, err = decodeValues(text)
	return h.row, err
}

func (o *order) close() {
	if o.file != nil {
		o.file.Close()
	}
}

// size is about the memory that a row takes.
func (r *row) size() int {
	n := 256
	for _, v := range r.values {
		n += len(v.Bytes)
	}
	return n
}

func appendValues(b []byte, values []record.Value) []byte {
	b = binary.AppendUvarint(b, uint64(len(values)))
	for _, v := range values {
		b = appendBytes(append(b, byte(v.Kind)), v.Bytes)
	}
	return b
}

func decodeValues(text []byte) ([]record.Value, error) {
	d := decoder{text: text}
	values := make([]record.Value, d.uvarint())
	for i := range values {
		values[i] = record.Value{Kind: record.Kind(d.byte()), Bytes: d.bytes()}
	}
	if d.bad {
		return nil, errChanged
	}
	return values, nil
}

var errChanged = errors.New("the temporary file was changed")
