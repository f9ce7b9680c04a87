package crawl

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"pipeworks/internal/record"
)

// Progress is what earlier runs did of the same input. An input is told by its
// URL and record, so that it may come at another place, or with others that are
// new. A run that follows links walks over the pages again, by the cache, and
// writes the records that are missing. nil is that of a run that does not go on
// with another.
type Progress struct {
	since time.Time // when the first of them began; zero: nobody knows
	left  table     // what is done and has not come again yet: how often
	state *os.File  // where more is noted; nil: in the output
	buf   []byte
}

// stateHeader is what the first line of a state file begins with; the time when
// it was made ends it. Each further line is the key of what is done: no more
// than appended lines, so that a kill at any instant can but tear the last one,
// and nothing that anybody could read.
const stateHeader = "crawl state 1 "

const keyLine = 17 // bytes: 16 digits and the line's end

// taskKey tells a task by what its record has of it: its URL, the input's record,
// and whether it is a link or the page of the input itself.
func taskKey(url, raw []byte, link bool) uint64 {
	text := append(append(bytes.Clone(url), '\n'), raw...)
	if link {
		text = append(text, '\n')
	}
	sum := sha256.Sum256(text)
	return max(binary.BigEndian.Uint64(sum[:]), 1)
}

func (t *task) key() uint64 {
	return taskKey(record.AppendJSON(nil, t.asked()), t.raw, t.depth > 0)
}

// has reports whether a task is done, as often as it was.
func (p *Progress) has(t *task) (bool, error) {
	if p == nil || p.left.used == 0 {
		return false, nil
	}
	key := t.key()
	n, _ := p.left.get(key)
	if n == 0 {
		return false, nil
	}
	return true, p.left.put(key, n-1)
}

func (p *Progress) add(key uint64) error {
	n, _ := p.left.get(key)
	return p.left.put(key, n+1)
}

// began is when the first run did, or else now.
func (p *Progress) began() time.Time {
	if p == nil || p.since.IsZero() {
		return time.Now()
	}
	return p.since
}

// notes reports whether inputs are to be noted.
func (p *Progress) notes() bool { return p != nil && p.state != nil }

// note says that what has these keys is done: their records were handed on.
func (p *Progress) note(keys []uint64) error {
	p.buf = p.buf[:0]
	for _, key := range keys {
		p.buf = fmt.Appendf(p.buf, "%016x\n", key)
	}
	_, err := p.state.Write(p.buf)
	return err
}

// finish forgets the state of a run that came to its end.
func (p *Progress) finish() error {
	if !p.notes() {
		return nil
	}
	return os.Remove(p.state.Name())
}

// Close gives the state file to other runs.
func (p *Progress) Close() {
	if p == nil {
		return
	}
	p.left.close()
	if p.state != nil {
		p.state.Close()
	}
}

// OpenState goes on with what the state file at path notes, and notes what is
// done there, until the run comes to its end. No other run can have the file
// meanwhile.
func OpenState(path string) (*Progress, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	p := &Progress{state: f}
	if err := p.readState(); err != nil {
		p.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

func (p *Progress) readState() error {
	if err := syscall.Flock(int(p.state.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.New("another crawl goes by this state")
	}
	end, err := eachLine(p.state, func(line []byte, at int64) (err error) {
		text, ok := bytes.CutSuffix(line, []byte("\n"))
		if at == 0 {
			began, is := bytes.CutPrefix(text, []byte(stateHeader))
			p.since, err = time.Parse(time.RFC3339Nano, string(began))
			ok = ok && is
		} else if ok = ok && len(line) == keyLine; ok {
			var key uint64
			if key, err = strconv.ParseUint(string(text), 16, 64); err == nil {
				return p.add(key)
			}
		}
		if !ok || err != nil {
			return errors.New("not a state file of crawl")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.state.Truncate(end); err != nil || end > 0 {
		return err
	}
	p.since = time.Now()
	_, err = fmt.Fprintf(p.state, "%s%s\n", stateHeader, p.since.UTC().Format(time.RFC3339Nano))
	return err
}

// resumeFields are those of a record by which it is known again.
func (c *Config) resumeFields() []string {
	fields := []string{"seq", "url", inputField}
	if c.Follow.active() {
		fields = append(fields, "depth")
	}
	return fields
}

// ReadOutput goes on with the output in the file at path, which has what
// resumeFields says, and cuts off a last record that is not whole. With several
// records a page those of the last page may not be all there: they are cut off,
// too. A file that is not there is empty.
func ReadOutput(path string, several bool) (*Progress, error) {
	p := &Progress{}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s cannot be read again: it is no regular file", path)
	}
	end, err := p.readOutput(f, several)
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, f.Truncate(end)
}

// readOutput returns the length of what is whole.
func (p *Progress) readOutput(f io.Reader, several bool) (end int64, err error) {
	var last struct { // page, one record or several
		seq int64
		key uint64
		at  int64
	}
	n := 0
	end, err = eachLine(f, func(line []byte, at int64) error {
		var r struct {
			Seq        int64
			URL, Input json.RawMessage
			FetchedAt  time.Time `json:"fetched_at"`
			Depth      int
		}
		n++
		if err := json.Unmarshal(line, &r); err != nil || r.Seq == 0 || r.URL == nil {
			return fmt.Errorf("line %d is not a record with the fields seq and url", n)
		}
		if n == 1 {
			p.since = r.FetchedAt
		}
		if string(r.Input) == "null" {
			r.Input = nil
		}
		key := taskKey(r.URL, r.Input, r.Depth > 0)
		if several && r.Seq == last.seq && key == last.key {
			return nil
		}
		if last.seq != 0 {
			if err := p.add(last.key); err != nil {
				return err
			}
		}
		last.seq, last.key, last.at = r.Seq, key, at
		return nil
	})
	switch {
	case err != nil || last.seq == 0:
		return end, err
	case several:
		return last.at, nil
	}
	return end, p.add(last.key)
}

// eachLine calls fn with each whole line of a file and where it begins, and
// returns where the last one ends.
func eachLine(f io.Reader, fn func(line []byte, at int64) error) (end int64, err error) {
	for r := bufio.NewReaderSize(f, 1<<20); ; {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return end, nil
		}
		if err == nil {
			err = fn(line, end)
		}
		if err != nil {
			return end, err
		}
		end += int64(len(line))
	}
}
