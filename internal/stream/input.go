// Package stream holds the byte streams at the edge of a tool: inputs that
// know when nothing more is ready and that stop with their context, and the
// output that is created at its first write.
package stream

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// blockSize is the size of one read: what a pipe holds by default.
const blockSize = 64 << 10

// Stdin is the name that messages give to standard input.
const Stdin = "stdin"

// Input is one named source of bytes.
//
// A goroutine reads ahead by a few blocks, so that reading overlaps with the
// work and so that Read can return as soon as the context is done: a read of
// standard input itself cannot be interrupted.
type Input struct {
	ctx    context.Context
	name   string
	blocks chan block
	free   chan []byte
	stop   chan struct{}
	once   sync.Once
	onIdle func() error

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
// Close or the end of ctx. If r is an io.Closer it is closed when reading ends.
func NewInput(ctx context.Context, name string, r io.Reader) *Input {
	return newInput(ctx, name, func() (io.Reader, error) { return r, nil })
}

// newInput opens the source in the pump, since opening a FIFO waits for its
// writer.
func newInput(ctx context.Context, name string, open func() (io.Reader, error)) *Input {
	in := &Input{
		ctx:    ctx,
		name:   name,
		blocks: make(chan block, 2),
		free:   make(chan []byte, 4),
		stop:   make(chan struct{}),
	}
	for range cap(in.free) {
		in.free <- nil
	}
	go in.pump(open)
	return in
}

// pump is the only reader of the source. It ends at the first error, or at the
// first block that nobody wants any more.
func (in *Input) pump(open func() (io.Reader, error)) {
	r, err := open()
	if err != nil {
		in.send(block{err: err})
		return
	}
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
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
		if !ready(r) && !in.send(block{idle: true}) {
			return
		}
		n, err := r.Read(buf[:blockSize])
		if n > 0 && !in.send(block{data: buf[:n]}) {
			return
		}
		if n == 0 {
			in.free <- buf
		}
		if err != nil {
			if err != io.EOF {
				err = fmt.Errorf("read %s: %w", in.name, bare(err))
			}
			in.send(block{err: err})
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
// even while data is left.
func (in *Input) Read(p []byte) (int, error) {
	for len(in.rest) == 0 {
		if in.err != nil {
			return 0, in.err
		}
		in.next()
	}
	n := copy(p, in.rest)
	in.rest = in.rest[n:]
	return n, nil
}

// next takes the next block; every error stays.
func (in *Input) next() {
	if in.buf != nil {
		in.free <- in.buf
		in.buf = nil
	}
	if in.ctx.Err() != nil {
		in.err = context.Cause(in.ctx)
		return
	}
	select {
	case b := <-in.blocks:
		if b.idle && in.onIdle != nil {
			b.err = in.onIdle()
		}
		in.buf, in.rest, in.err = b.data, b.data, b.err
	case <-in.ctx.Done():
		in.err = context.Cause(in.ctx)
	}
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
