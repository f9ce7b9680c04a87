// Package stream holds the byte streams at the edge of a tool: inputs that
// know when nothing more is ready and that stop with their context, and the
// output that is created at its first write.
package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"pipeworks/internal/progress"
)

// blockSize is the size of one read: several times what a pipe holds by default,
// so that of a file few blocks have to be handed over.
const blockSize = 256 << 10

// Stdin is the name that messages give to standard input.
const Stdin = "stdin"

// Input is one named source of bytes.
//
// A goroutine, the pump, reads ahead by a few blocks, so that reading overlaps
// with the work and so that Read can return as soon as the context is done: a
// read of standard input itself cannot be interrupted. A pipe is ahead by what
// is in it, and what is there can be read without the pump, which would only
// hand it over: it waits for more.
type Input struct {
	ctx    context.Context
	name   string
	meter  *progress.Meter
	blocks chan block
	free   chan []byte
	stop   chan struct{}
	once   sync.Once
	onIdle func() error

	pipe  *os.File // what Read reads without the pump where that need not wait; nil: there is none
	asked bool     // the pump has been given memory: for a block of the pipe, or for reading ahead

	buf  []byte // the block in hand, returned to free once it is consumed
	rest []byte // what of buf has not been read yet
	err  error  // sticky
}

// block is what the pump hands over: data, or a mark that the next read will
// wait, or the error that ended the source.
type block struct {
	data []byte
	idle bool
	err  error
}

// NewInput reads from r, which messages call name, until the end, an error,
// Close or the end of ctx. It does not close r.
func NewInput(ctx context.Context, name string, r io.Reader) *Input {
	in := newInput(ctx, name, nil)
	in.readPipe(r)
	go in.pump(source{in, r})
	return in
}

func newInput(ctx context.Context, name string, meter *progress.Meter) *Input {
	return &Input{
		ctx:    ctx,
		name:   name,
		meter:  meter,
		blocks: make(chan block, 2),
		free:   make(chan []byte, 4),
		stop:   make(chan struct{}),
	}
}

// pumpFile opens the file, here and not before, since opening a FIFO waits for
// its writer.
func (in *Input) pumpFile(path string, content func(string, io.Reader) (io.Reader, error)) {
	if isFIFO(path) && !in.send(block{idle: true}) {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		in.send(block{err: fmt.Errorf("open %s: %w", path, bare(err))})
		return
	}
	defer f.Close()
	in.pumpContent(f, content)
}

// pumpContent pumps what content makes of r, r itself if it is nil.
func (in *Input) pumpContent(r io.Reader, content func(string, io.Reader) (io.Reader, error)) {
	r = source{in, r}
	if content != nil {
		var err error
		if r, err = content(in.name, r); err != nil {
			in.send(block{err: fmt.Errorf("read %s: %w", in.name, bare(err))})
			return
		}
	}
	in.pump(r)
}

// source is what a pump reads: before a read that will wait it says so, since
// what decompresses it may read it at any time.
type source struct {
	in *Input
	r  io.Reader
}

func (s source) Read(p []byte) (int, error) {
	if !ready(s.r) && !s.in.send(block{idle: true}) {
		return 0, errStopped
	}
	n, err := s.r.Read(p)
	s.in.meter.AddBytes(n)
	return n, err
}

// errStopped ends a pump whose input was closed.
var errStopped = errors.New("the input was closed")

func isFIFO(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&fs.ModeNamedPipe != 0
}

// readPipe lets Read read r, the source, if that is a pipe.
func (in *Input) readPipe(r io.Reader) {
	f, ok := r.(*os.File)
	if !ok {
		return
	}
	if info, err := f.Stat(); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		in.pipe = f
	}
}

// pump is the only reader of the source. It ends at the first error, or at the
// first block that nobody wants any more.
func (in *Input) pump(r io.Reader) {
	for {
		var buf []byte
		select {
		case buf = <-in.free:
		case <-in.stop:
			return
		}
		if buf == nil {
			buf = make([]byte, blockSize)
		}
		n, err := r.Read(buf[:blockSize])
		if n > 0 && !in.send(block{data: buf[:n]}) {
			return
		}
		if n == 0 {
			in.free <- buf
		}
		if err != nil {
			in.send(block{err: in.wrap(err)})
			return
		}
	}
}

func (in *Input) send(b block) bool {
	select {
	case in.blocks <- b:
		return true
	case <-in.stop:
		return false
	}
}

// Name is what messages call the input: its path, or "stdin".
func (in *Input) Name() string { return in.name }

// OnIdle sets what Read calls, on its caller's goroutine, before it waits
// because the source has nothing ready: the place to flush.
func (in *Input) OnIdle(fn func() error) { in.onIdle = fn }

// Read implements io.Reader. Once the context is done it returns its cause,
// even while data is left. Every error stays.
func (in *Input) Read(p []byte) (int, error) {
	for {
		if in.err == nil && in.ctx.Err() != nil {
			in.err = context.Cause(in.ctx)
		}
		if in.err != nil {
			return 0, in.err
		}
		if len(in.rest) > 0 {
			n := copy(p, in.rest)
			in.rest = in.rest[n:]
			return n, nil
		}
		if in.pipe != nil && !in.asked && len(p) >= directSize && ready(in.pipe) {
			n, err := in.pipe.Read(p)
			in.meter.AddBytes(n)
			in.err = in.wrap(err)
			return n, in.err
		}
		in.next()
	}
}

// directSize is the shortest read that a pipe is asked for by itself.
const directSize = 16 << 10

// wrap is the error of a read, with what was read. io.EOF is none.
func (in *Input) wrap(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("read %s: %w", in.name, bare(err))
}

// next waits for the next block or the end of the context.
func (in *Input) next() {
	in.ask()
	select {
	case b := <-in.blocks:
		if b.idle && in.onIdle != nil {
			b.err = in.onIdle()
		}
		in.buf, in.rest, in.err = b.data, b.data, b.err
		in.asked = in.asked && (in.pipe == nil || b.idle)
	case <-in.ctx.Done():
	}
}

// ask gives the pump memory: for one block of a pipe, else for several.
func (in *Input) ask() {
	switch {
	case in.asked && in.buf == nil: // it has it all
	case in.asked, in.pipe != nil:
		in.free <- in.buf
	default:
		for range cap(in.free) {
			in.free <- nil
		}
	}
	in.asked, in.buf = true, nil
}

// Close lets the pump end. It does not wait for a read that is under way:
// nothing can interrupt a read of a terminal or a pipe.
func (in *Input) Close() error {
	in.once.Do(func() { close(in.stop) })
	return nil
}

// ready reports whether a read of r would return at once. What is no file is
// taken to be ready, as a regular file always is.
func ready(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return true
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return true
	}
	ready := true
	_ = conn.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, 0); err == nil {
			ready = n > 0
		}
	})
	return ready
}
