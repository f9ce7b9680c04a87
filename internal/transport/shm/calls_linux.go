package shm

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"pipeworks/internal/shm"
	"pipeworks/internal/transport"
)

// callSize is the preset ring of a call, of which there may be many.
const callSize = 256 << 10

// Before the data of a frame stand its length (4 bytes), its kind (1), three
// zeros, and its number (8).
const headSize = 16

// conn is a transport.Conn over a line.
type conn struct {
	line   *shm.Line
	peer   string
	max    int
	heads  []byte
	pieces [][]byte
	head   [headSize]byte // that is being read
}

func newConn(l *shm.Line, u transport.URL, o transport.Options) *conn {
	c := &conn{line: l, peer: u.String(), max: o.MaxRecord}
	if c.max == 0 {
		c.max = defaultLongest
	}
	c.max += 4 << 10 // what relay adds to a record
	return c
}

func (c *conn) Peer() string { return c.peer }

// Send implements transport.Conn.
func (c *conn) Send(frames ...transport.Frame) error {
	if cap(c.heads) < len(frames)*headSize { // the pieces point into it: it must not move
		c.heads = make([]byte, 0, len(frames)*headSize)
	}
	heads, pieces := c.heads[:0], c.pieces[:0]
	for _, f := range frames {
		begin := len(heads)
		heads = binary.NativeEndian.AppendUint32(heads, uint32(len(f.Data)))
		heads = append(heads, byte(f.Kind), 0, 0, 0)
		heads = binary.NativeEndian.AppendUint64(heads, f.Seq)
		pieces = append(pieces, heads[begin:], f.Data)
	}
	err := c.line.Write(pieces...)
	clear(pieces)
	c.pieces = pieces
	return err
}

// Receive implements transport.Conn.
func (c *conn) Receive(buf []byte) (f transport.Frame, err error) {
	if err := c.read(c.head[:]); err != nil {
		return f, err
	}
	n := int(binary.NativeEndian.Uint32(c.head[:]))
	if n > c.max {
		return f, fmt.Errorf("a message of %d bytes is longer than --max-record allows", n)
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	f = transport.Frame{Kind: transport.FrameKind(c.head[4]), Seq: binary.NativeEndian.Uint64(c.head[8:]), Data: buf[:n]}
	if err = c.read(f.Data); err == io.EOF && n > 0 {
		err = io.ErrUnexpectedEOF
	}
	return f, err
}

func (c *conn) read(p []byte) error {
	_, err := io.ReadFull(c.line, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the line broke off in a message")
	}
	return err
}

// Close implements transport.Conn.
func (c *conn) Close() error {
	c.line.Close()
	return nil
}

func callConfig(u transport.URL, o transport.Options, prefix string) (shm.Config, error) {
	c, err := config(u, o, prefix)
	c.Stream = false
	if c.Size == 0 {
		c.Size = callSize
	}
	return c, err
}

// dial makes a line and leaves its name with who listens.
func dial(ctx context.Context, u transport.URL, o transport.Options) (transport.Conn, error) {
	at, err := callConfig(u, o, calls)
	if err != nil {
		return nil, err
	}
	own, err := callConfig(u, o, lines)
	if err != nil {
		return nil, err
	}
	var random [(lineSuffix - 1) / 2]byte
	_, _ = rand.Read(random[:]) // it never fails
	own.Path += "." + hex.EncodeToString(random[:])
	line, err := shm.MakeLine(ctx, own)
	if err != nil {
		return nil, err
	}
	if err = ask(ctx, at, filepath.Base(own.Path)); err == nil {
		err = line.Joined(ctx, o.Timeout)
	}
	if err != nil {
		line.Close()
		return nil, err
	}
	return newConn(line, u, o), nil
}

// ask leaves the name of a line with who listens, and waits until it was taken.
func ask(ctx context.Context, at shm.Config, name string) error {
	w, err := shm.OpenWriter(ctx, at)
	if err != nil {
		return err
	}
	defer w.Close("")
	if err := w.Begin(ctx); err != nil {
		return err
	}
	err = w.Put(ctx, shm.Record{Body: []byte(name)})
	w.End()
	if err != nil {
		return err
	}
	return w.Flush(ctx)
}

// listener takes the names of lines.
type listener struct {
	r *shm.Reader
	u transport.URL
	o transport.Options
	c shm.Config
}

// longestName is that of a line.
const longestName = 255

func listen(ctx context.Context, u transport.URL, o transport.Options) (transport.Listener, error) {
	c, err := callConfig(u, o, calls)
	if err != nil {
		return nil, err
	}
	c.Timeout = 0 // who serves waits for ever
	r, err := shm.OpenReader(ctx, c, longestName)
	if err != nil {
		return nil, err
	}
	return &listener{r, u, o, c}, nil
}

// Accept implements transport.Listener.
func (l *listener) Accept(ctx context.Context) (transport.Conn, error) {
	for {
		var name string
		err := l.r.Receive(ctx, 1, func(record shm.Record) {
			name = string(record.Body)
			l.r.Ack(record.Taken)
		})
		if aborted := new(shm.AbortedError); err == io.EOF || errors.As(err, &aborted) {
			continue // the callers of before are gone
		}
		if err != nil {
			return nil, err
		}
		c := l.c
		c.Path = filepath.Join(filepath.Dir(c.Path), filepath.Base(name))
		line, err := shm.JoinLine(ctx, c)
		switch {
		case errors.Is(err, os.ErrNotExist): // who called has hung up
		case err != nil:
			l.o.Warnf("%v", err)
		default:
			return newConn(line, l.u, l.o), nil
		}
	}
}

// Addr implements transport.Listener.
func (l *listener) Addr() string { return l.u.String() }

// Close implements transport.Listener.
func (l *listener) Close() error {
	l.r.Close()
	return nil
}
