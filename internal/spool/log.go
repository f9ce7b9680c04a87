package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
)

// Position is how far the delivery of a log has come. What is delivered is made
// of the log's bytes, so that it may be longer than they are.
type Position struct {
	Offset  int64 // in the log: all before it is delivered
	Skip    int64 // how much of what is made of the bytes from there on is delivered, too
	Pending int64 // how much more may be: the delivery numbered Seq was under way
	Seq     int64
}

const (
	positionSuffix = ".position"
	segmentMark    = "@"
	segmentSize    = 64 << 20
)

// Log is a sequence of bytes on disk that grows at one end and is given up at
// the other. One goroutine fills it, one reads it.
type Log struct {
	spool *Spool
	name  string
	base  string // of the paths of its files

	position *os.File

	mu       sync.Mutex // of what follows
	at       Position
	grown    sync.Cond
	segments []segment
	dirty    bool
	ended    bool
}

type segment struct {
	base int64
	size int64
	f    *os.File
}

func (l *Log) open() (err error) {
	if l.position, err = os.OpenFile(l.base+positionSuffix, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if err := l.load(); err != nil {
		return err
	}
	bases, err := l.findSegments()
	if err != nil {
		return err
	}
	for _, base := range bases {
		f, err := os.OpenFile(l.segmentPath(base), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return err
		}
		l.segments = append(l.segments, segment{base, info.Size(), f})
	}
	return l.check()
}

// check compares the files with each other and with the position. A machine that
// failed may have kept the one and not the other: what was given up was
// delivered, and so was what the position has counted.
func (l *Log) check() error {
	for i, s := range l.segments {
		if i > 0 && l.segments[i-1].end() != s.base {
			return fmt.Errorf("%s: the file before it ends at %d", s.f.Name(), l.segments[i-1].end())
		}
	}
	if len(l.segments) == 0 {
		return nil
	}
	if first := l.segments[0].base; l.at.Offset < first {
		return l.Store(Position{Offset: first})
	}
	if l.at.Offset > l.end() {
		segments := l.segments
		l.segments = nil
		for _, s := range segments {
			if err := errors.Join(s.f.Close(), os.Remove(s.f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s segment) end() int64 { return s.base + s.size }

func (l *Log) segmentPath(base int64) string {
	return fmt.Sprintf("%s%s%016x", l.base, segmentMark, base)
}

// End is the offset that the log ends at.
func (l *Log) End() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end()
}

func (l *Log) end() int64 {
	if n := len(l.segments); n > 0 {
		return l.segments[n-1].end()
	}
	return l.at.Offset
}

// At is how far the delivery has come.
func (l *Log) At() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

const positionSize = 4*8 + 4

// load reads the position; a new log has none.
func (l *Log) load() error {
	buf := make([]byte, positionSize)
	n, err := l.position.ReadAt(buf, 0)
	if n == 0 && err == io.EOF {
		return l.Store(Position{}) // so that there is room for it also on a full disk
	}
	if err == nil && crc32.ChecksumIEEE(buf[:positionSize-4]) != binary.LittleEndian.Uint32(buf[positionSize-4:]) {
		err = errDamaged
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.position.Name(), err)
	}
	for i, field := range l.at.fields() {
		*field = int64(binary.LittleEndian.Uint64(buf[i*8:]))
	}
	return nil
}

// errDamaged is a position that is not what was stored.
var errDamaged damagedError

type damagedError struct{}

func (damagedError) Error() string { return "it is damaged" }

// Hint is what to do about it.
func (damagedError) Hint() string {
	return "without that file all that the spool has is delivered, perhaps a second time"
}

func (p *Position) fields() []*int64 { return []*int64{&p.Offset, &p.Skip, &p.Pending, &p.Seq} }

// Store notes how far the delivery has come, and gives up what lies before.
func (l *Log) Store(at Position) (err error) {
	buf := make([]byte, 0, positionSize)
	for _, field := range at.fields() {
		buf = binary.LittleEndian.AppendUint64(buf, uint64(*field))
	}
	if _, err := l.position.WriteAt(binary.LittleEndian.AppendUint32(buf, crc32.ChecksumIEEE(buf)), 0); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.dirty = at, true
	for err == nil && len(l.segments) > 1 && l.segments[0].end() <= l.at.Offset {
		old := l.segments[0].f
		l.segments = l.segments[1:]
		err = errors.Join(os.Remove(old.Name()), old.Close())
	}
	return err
}

// reclaim gives back the disk space of what is delivered in a file that is
// needed still.
func (l *Log) reclaim() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segments) > 0 && l.at.Offset > l.segments[0].base {
		punch(l.segments[0].f, l.at.Offset-l.segments[0].base)
	}
}

// Fill lets write put more behind the end of the log: at an offset of a file,
// and at most max bytes. write returns how many it has put there.
func (l *Log) Fill(write func(f *os.File, offset int64, max int) (int, error)) (n int, err error) {
	if err := l.spool.failure(); err != nil {
		return 0, err
	}
	last, err := l.last()
	if err != nil {
		return 0, err
	}
	n, err = write(last.f, last.size, int(segmentSize-last.size))
	if n == 0 {
		return 0, err
	}
	if l.spool.sync == Always {
		err = errors.Join(err, last.f.Sync())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments[len(l.segments)-1].size += int64(n)
	l.dirty = true
	l.grown.Signal()
	return n, err
}

// last is the file to write to, which has room.
func (l *Log) last() (segment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.segments); n > 0 && l.segments[n-1].size < segmentSize {
		return l.segments[n-1], nil
	}
	f, err := os.OpenFile(l.segmentPath(l.end()), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return segment{}, err
	}
	l.segments = append(l.segments, segment{base: l.end(), f: f})
	if n := len(l.segments); n > 1 && l.spool.sync != None {
		err = l.segments[n-2].f.Sync() // it is written to no more
	}
	return l.segments[len(l.segments)-1], errors.Join(err, l.spool.syncNames())
}

// Append puts p behind the end of the log.
func (l *Log) Append(p []byte) error {
	for len(p) > 0 {
		n, err := l.Fill(func(f *os.File, offset int64, room int) (int, error) {
			return f.WriteAt(p[:min(len(p), room)], offset)
		})
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// Tail is the last bytes of what is not delivered, at most n.
func (l *Log) Tail(n int) ([]byte, error) {
	l.mu.Lock()
	n = int(min(int64(n), l.end()-l.at.Offset))
	offset := l.end() - int64(n)
	l.mu.Unlock()
	tail := make([]byte, n)
	for got := 0; got < n; {
		m, err := l.ReadAt(tail[got:], offset+int64(got))
		if err == io.EOF {
			return nil, nil // it was delivered meanwhile
		}
		if err != nil {
			return nil, err
		}
		got += m
	}
	return tail, nil
}

// Finish says that nothing more will come.
func (l *Log) Finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.grown.Signal()
}

// ReadAt reads what is there at an offset, and waits for it. io.EOF says that
// nothing more will come.
func (l *Log) ReadAt(p []byte, offset int64) (int, error) {
	l.mu.Lock()
	for offset >= l.end() && !l.ended {
		l.grown.Wait()
	}
	var in segment
	for _, s := range l.segments {
		if s.base <= offset && offset < s.end() {
			in = s
		}
	}
	l.mu.Unlock()
	if in.f == nil {
		return 0, io.EOF
	}
	return in.f.ReadAt(p[:min(int64(len(p)), in.end()-offset)], offset-in.base)
}

func (l *Log) syncDirty() error {
	l.mu.Lock()
	dirty := l.dirty
	l.dirty = false
	var last *os.File
	if n := len(l.segments); n > 0 {
		last = l.segments[n-1].f
	}
	l.mu.Unlock()
	if !dirty || last == nil {
		return nil
	}
	return errors.Join(last.Sync(), l.position.Sync())
}

func (l *Log) closeFiles() (err error) {
	if l.position != nil {
		err = l.position.Close()
	}
	for _, s := range l.segments {
		err = errors.Join(err, s.f.Close())
	}
	return err
}

// Remove removes the log from the disk.
func (l *Log) Remove() error {
	l.spool.forget(l)
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.closeFiles()
	for _, s := range l.segments {
		err = errors.Join(err, os.Remove(s.f.Name()))
	}
	return errors.Join(err, os.Remove(l.position.Name()))
}
