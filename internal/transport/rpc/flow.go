package rpc

import (
	"fmt"
	"io"
	"sync"

	"pipeworks/internal/transport"
)

// outflow is a stream that is sent: as much as the other side has room for.
type outflow struct {
	line *line
	kind transport.FrameKind

	mu      sync.Mutex
	changed sync.Cond
	room    int // bytes
	err     error
}

func newOutflow(l *line, kind transport.FrameKind) *outflow {
	o := &outflow{line: l, kind: kind, room: window}
	o.changed.L = &o.mu
	return o
}

// reserve waits until at least one byte, and at most want, may be sent.
func (o *outflow) reserve(want int) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.room == 0 && o.err == nil {
		o.changed.Wait()
	}
	n := min(want, o.room, piece)
	o.room -= n
	return n, o.err
}

// grant is what the other side has taken: there is room for as much again.
func (o *outflow) grant(n int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n < 0 || n > window-o.room {
		return fmt.Errorf("%w: %d bytes are taken that were not sent", errSense, n)
	}
	o.room += n
	o.changed.Broadcast()
	return nil
}

// fail ends every Write with err.
func (o *outflow) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	o.changed.Broadcast()
}

// failed reports whether nothing more can be sent.
func (o *outflow) failed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err != nil
}

// Write implements io.Writer.
func (o *outflow) Write(p []byte) (int, error) {
	for written := 0; ; {
		if written == len(p) {
			return written, nil
		}
		n, err := o.reserve(len(p) - written)
		if err != nil {
			return written, err
		}
		if err := o.line.send(transport.Frame{Kind: o.kind, Data: p[written : written+n]}); err != nil {
			o.fail(err)
			return written, err
		}
		written += n
	}
}

// ReadFrom implements io.ReaderFrom, with longer reads than io.Copy has.
func (o *outflow) ReadFrom(r io.Reader) (sent int64, err error) {
	buf := make([]byte, piece)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := o.Write(buf[:n]); err != nil {
				return sent, err
			}
			sent += int64(n)
		}
		if err == io.EOF {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
	}
}

// inflow is a stream that is received. It is read by one goroutine.
type inflow struct {
	line *line
	kind transport.FrameKind

	rest []byte // of what was taken by next
	owed int    // bytes read that the other side has not been told of

	mu      sync.Mutex
	changed sync.Cond
	come    []byte // and not taken: at most a window
	spare   []byte // memory for it
	err     error  // behind what has come
}

func newInflow(l *line, kind transport.FrameKind) *inflow {
	in := &inflow{line: l, kind: kind}
	in.changed.L = &in.mu
	return in
}

// add takes what has come. It does not wait.
func (in *inflow) add(p []byte) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.err == io.EOF:
		return fmt.Errorf("%w: data behind its end", errSense)
	case in.err != nil: // nobody wants it
		return nil
	case len(in.come)+len(p) > window:
		return fmt.Errorf("%w: more data than there is room for", errSense)
	}
	in.come = append(in.come, p...)
	in.changed.Signal()
	return nil
}

// finish says that no more comes: io.EOF, or why.
func (in *inflow) finish(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err == nil {
		in.err = err
	}
	in.changed.Signal()
}

// next waits for more than rest, which is empty.
func (in *inflow) next() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.come) == 0 && in.err == nil {
		in.changed.Wait()
	}
	if len(in.come) == 0 {
		return in.err
	}
	in.rest, in.come, in.spare = in.come, in.spare[:0], in.come
	return nil
}

// Read implements io.Reader.
func (in *inflow) Read(p []byte) (int, error) {
	if len(in.rest) == 0 {
		if err := in.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.rest)
	in.took(n)
	return n, nil
}

// WriteTo implements io.WriterTo.
func (in *inflow) WriteTo(w io.Writer) (written int64, err error) {
	for {
		if len(in.rest) == 0 {
			if err := in.next(); err == io.EOF {
				return written, nil
			} else if err != nil {
				return written, err
			}
		}
		n, err := w.Write(in.rest[:min(len(in.rest), window/4)])
		written += int64(n)
		in.took(n)
		if err != nil {
			return written, err
		}
	}
}

// took tells the other side what was read, when it is worth a frame. That the
// line is broken whoever receives over it finds, too.
func (in *inflow) took(n int) {
	in.rest = in.rest[n:]
	in.owed += n
	if in.owed < window/4 {
		return
	}
	in.mu.Lock()
	over := in.err != nil
	in.mu.Unlock()
	if !over {
		_ = in.line.send(transport.Frame{Kind: taken, Seq: uint64(in.owed), Data: []byte{byte(in.kind)}})
		in.owed = 0
	}
}
