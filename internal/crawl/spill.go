package crawl

import (
	"encoding/binary"
	"net/url"
	"os"
	"time"

	"pipeworks/internal/record"
)

// blockTasks are the tasks that go to disk and come back together.
const blockTasks = 64

// spill is where tasks wait for which there is no room in memory: a file
// without a name. Each host has a chain of blocks in it.
type spill struct {
	file   *os.File // nil: never used
	size   int64
	blocks int // that will be read again
}

// chain is a first-in-first-out queue of tasks in a spill.
type chain struct {
	blocks []span
	tail   []byte // tasks of the last block, which is not written yet
	tasks  int    // in tail
}

// span is where a block is.
type span struct {
	offset int64
	length int
}

func (c *chain) empty() bool { return len(c.blocks) == 0 && c.tasks == 0 }

// push appends a task to a chain.
func (s *spill) push(c *chain, t *task, whole bool) error {
	c.tail = t.append(c.tail, whole)
	c.tasks++
	if c.tasks < blockTasks {
		return nil
	}
	if s.file == nil {
		var err error
		if s.file, err = temporary(); err != nil {
			return err
		}
	}
	n, err := s.file.WriteAt(c.tail, s.size)
	if err != nil {
		return err
	}
	c.blocks = append(c.blocks, span{s.size, n})
	s.size += int64(n)
	s.blocks++
	c.tail, c.tasks = c.tail[:0], 0
	return nil
}

// pop takes the tasks of the first block out of a chain.
func (s *spill) pop(c *chain, inputs map[int64]*input) ([]*task, error) {
	text := c.tail
	if len(c.blocks) > 0 {
		b := c.blocks[0]
		text = make([]byte, b.length)
		if _, err := s.file.ReadAt(text, b.offset); err != nil {
			return nil, err
		}
		c.blocks = c.blocks[1:]
		if s.blocks--; s.blocks == 0 {
			s.size = 0 // the file is used from its beginning again
		}
	} else {
		c.tail, c.tasks = nil, 0
	}
	return decodeTasks(text, inputs)
}

func (s *spill) close() {
	if s.file != nil {
		s.file.Close()
	}
}

// append appends the task in the form that decodeTasks reads. Unless it is
// whole, its input is held in memory.
func (t *task) append(b []byte, whole bool) []byte {
	b = binary.AppendVarint(b, t.seq)
	if whole {
		b = append(b, 1, byte(t.url.Kind))
		b = appendBytes(b, t.url.Bytes)
		b = appendBytes(b, t.raw)
		b = appendBytes(b, t.home)
	} else {
		b = append(b, 0)
	}
	b = append(b, byte(t.reach), flag(t.sitemap), flag(t.guess))
	b = binary.AppendUvarint(b, uint64(t.depth))
	b = appendBytes(b, t.parent)
	b = appendBytes(b, t.to.href)
	b = appendBytes(b, t.to.origin)
	b = appendBytes(b, t.to.host)
	if t.to.login == nil {
		return append(b, 0)
	}
	password, _ := t.to.login.Password()
	return appendBytes(appendBytes(append(b, 1), t.to.login.Username()), password)
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func appendBytes[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeTasks reads tasks that append wrote one behind the other.
func decodeTasks(text []byte, inputs map[int64]*input) (tasks []*task, err error) {
	d := decoder{text: text}
	for now := time.Now(); len(d.text) > 0; {
		seq := d.varint()
		t := &task{to: &address{}, due: now}
		if d.byte() == 1 {
			t.input = &input{seq: seq}
			t.url.Kind = record.Kind(d.byte())
			t.url.Bytes, t.raw, t.home = d.bytes(), d.bytes(), string(d.bytes())
			if len(t.raw) == 0 {
				t.raw = nil
			}
		} else if t.input = inputs[seq]; t.input == nil {
			d.bad = true
		}
		t.reach, t.sitemap, t.guess = reach(d.byte()), d.byte() == 1, d.byte() == 1
		t.depth = int(d.uvarint())
		t.parent = string(d.bytes())
		t.to.href, t.to.origin, t.to.host = string(d.bytes()), string(d.bytes()), string(d.bytes())
		if d.byte() == 1 {
			name := string(d.bytes())
			t.to.login = url.UserPassword(name, string(d.bytes()))
		}
		if d.bad {
			return tasks, errChanged
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// decoder takes values off the front of a text. What it returns when the text
// is bad means nothing.
type decoder struct {
	text []byte
	bad  bool
}

func (d *decoder) byte() byte {
	if len(d.text) == 0 {
		d.bad = true
		return 0
	}
	b := d.text[0]
	d.text = d.text[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.text)
	d.skip(n)
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.text)
	d.skip(n)
	return v
}

func (d *decoder) skip(n int) {
	if n <= 0 {
		d.bad, d.text = true, nil
		return
	}
	d.text = d.text[n:]
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.text)) {
		d.bad, d.text = true, nil
		return nil
	}
	b := d.text[:n:n]
	d.text = d.text[n:]
	return b
}
