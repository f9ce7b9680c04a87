package socket

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/tlsoption"
)

// preamble is what both sides say first, so that one that is no relay is
// recognised.
const preamble = "relay/1\n"

// Before the data of a frame stand its length (4 bytes), its kind (1), three
// zeros, and its number (8), the highest byte first.
const headSize = 16

// conn is a transport.Conn over a byte stream.
type conn struct {
	io.ReadWriteCloser
	peer string
	max  int // bytes of a frame's data

	r       *bufio.Reader
	greeted bool // its preamble was read

	heads   []byte      // of what is being sent
	buffers net.Buffers // the same memory, time and again
	said    bool        // our preamble was sent
}

// NewConn makes frames of at most max bytes of a byte stream. A max of 0 is
// 64 MiB.
func NewConn(c io.ReadWriteCloser, peer string, max int) transport.Conn {
	if max == 0 {
		max = 64 << 20
	}
	return &conn{ReadWriteCloser: c, peer: peer, max: max + 4096, r: bufio.NewReaderSize(c, readAhead)}
}

// readAhead is enough for many short frames. Of a long one the rest is read to
// where it belongs.
const readAhead = 16 << 10

func (c *conn) Peer() string { return c.peer }

// smallFrame is one that is copied behind its head: one piece is written faster
// than two.
const smallFrame = 4 << 10

// Send implements transport.Conn: all frames in one write.
func (c *conn) Send(frames ...transport.Frame) error {
	size := len(preamble)
	for _, f := range frames {
		size += headSize
		if len(f.Data) <= smallFrame {
			size += len(f.Data)
		}
	}
	if cap(c.heads) < size { // pieces of it are in buffers: it must not move
		c.heads = make([]byte, 0, 2*size)
	}
	b, begin := c.heads[:0], 0
	if !c.said {
		b = append(b, preamble...)
		c.said = true
	}
	c.buffers = c.buffers[:0]
	for _, f := range frames {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f.Data)))
		b = append(b, byte(f.Kind), 0, 0, 0)
		b = binary.BigEndian.AppendUint64(b, f.Seq)
		if len(f.Data) <= smallFrame {
			b = append(b, f.Data...)
			continue
		}
		c.buffers = append(c.buffers, b[begin:], f.Data)
		begin = len(b)
	}
	if begin < len(b) {
		c.buffers = append(c.buffers, b[begin:])
	}
	all := c.buffers // WriteTo eats them
	_, err := all.WriteTo(c.ReadWriteCloser)
	clear(c.buffers)
	return c.named(err)
}

// Receive implements transport.Conn.
func (c *conn) Receive(buf []byte) (f transport.Frame, err error) {
	if !c.greeted {
		if err := c.recognise(); err != nil {
			return f, err
		}
		c.greeted = true
	}
	head, err := c.r.Peek(headSize)
	if err != nil {
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return f, c.named(err)
	}
	n := int(binary.BigEndian.Uint32(head))
	f.Kind, f.Seq = transport.FrameKind(head[4]), binary.BigEndian.Uint64(head[8:])
	if head[5]|head[6]|head[7] != 0 || n > transport.MaxFrame {
		return f, errors.New("what came is no frame: the line is garbled")
	}
	if n > c.max {
		return f, fmt.Errorf("a message of %d bytes is longer than --max-record allows", n)
	}
	_, _ = c.r.Discard(headSize) // it was there
	f.Data, err = c.read(buf[:0], n)
	return f, c.named(err)
}

// read appends n bytes to b. Memory grows as they come: a length alone costs
// nothing.
func (c *conn) read(b []byte, n int) ([]byte, error) {
	for len(b) < n {
		if cap(b) == len(b) {
			grown := make([]byte, len(b), min(n, max(2*cap(b), 1<<20)))
			copy(grown, b)
			b = grown
		}
		piece := b[len(b):min(n, cap(b))]
		if _, err := io.ReadFull(c.r, piece); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return b, err
		}
		b = b[:len(b)+len(piece)]
	}
	return b, nil
}

// recognise reads the other side's preamble.
func (c *conn) recognise() error {
	said := make([]byte, len(preamble))
	n, err := io.ReadFull(c.r, said)
	if n > 0 && !strings.HasPrefix(preamble, string(said[:n])) {
		return fmt.Errorf("it is no relay: it says %q", said[:n])
	}
	if err != nil && err != io.EOF {
		return c.named(err)
	}
	return err
}

// named leaves of an error of the line what happened.
func (c *conn) named(err error) error {
	switch {
	case err == nil, err == io.EOF:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the line broke off in a message")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errors.New("the other side is gone")
	}
	if refusal := tlsoption.Refusal(err); refusal != nil {
		return link.Permanent(refusal)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}
