package plain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"pipeworks/internal/fifo"
	"pipeworks/internal/framing"
	"pipeworks/internal/stream"
	"pipeworks/internal/transport"
)

// FIFO is fifo:, a named pipe.
var FIFO = transport.Transport{
	Scheme:   "fifo",
	Form:     "fifo:PATH",
	Summary:  "a named pipe, made if missing; any number of senders",
	Blocks:   true,
	Sender:   fifoSender,
	Receiver: fifoReceiver,
	List:     fifoList,
	Remove:   func(_ context.Context, u transport.URL, _ transport.Options) error { return removeFIFO(u.Path) },
}

func fifoPath(u transport.URL) (string, error) {
	if u.Path == "" || u.Host != "" {
		return "", u.Errorf("it is written fifo:PATH")
	}
	_, err := fifo.Make(u.Path, 0o600)
	return u.Path, err
}

func fifoSender(ctx context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	path, err := fifoPath(u)
	if err != nil {
		return nil, err
	}
	waiting, cancel := fifo.Within(ctx, o.Timeout, fmt.Errorf("waited %v", o.Timeout))
	defer cancel()
	f, err := fifo.OpenWhenRead(waiting, path) // to see what was taken
	if err != nil {
		return nil, err
	}
	stream.WidenPipe(f, stream.WidePipe)
	s := &sender{o: o, flush: func(ctx context.Context) error { return fifo.Taken(ctx, f) }}
	if o.Stream || o.Framing == framing.Length {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		w := fifo.NewWriter(ctx, path)
		s.write = func(ctx context.Context, b []byte) error {
			defer context.AfterFunc(ctx, cancel)()
			_, err := w.Write(b)
			if err != nil && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		s.close = func(_ context.Context, cause error) error {
			if cause != nil {
				cancel()
				_ = w.Close()
				return f.Close()
			}
			err := w.Finish()
			cancel()
			return errors.Join(err, f.Close())
		}
		return s, nil
	}
	w, err := fifo.OpenShared(ctx, path, o.Framing.Terminator(), o.Timeout)
	if err != nil {
		f.Close()
		return nil, err
	}
	s.write = w.Write
	s.close = func(ctx context.Context, cause error) error {
		err := w.Close(ctx)
		if cause != nil {
			err = nil // it is told already
		}
		return errors.Join(err, f.Close())
	}
	return s, nil
}

func fifoReceiver(_ context.Context, u transport.URL, o transport.Options) (transport.Receiver, error) {
	if err := oneReceiver(u, o); err != nil {
		return nil, err
	}
	path, err := fifoPath(u)
	if err != nil {
		return nil, err
	}
	in, err := fifo.OpenReader(path)
	if err != nil {
		return nil, err
	}
	var from io.Reader = in
	if o.Follow {
		from = endless{in}
	}
	r := newReceiver(from, 0, o, in.Close)
	go r.run()
	return r, nil
}

// endless waits for the next writer when the last has left.
type endless struct{ in io.Reader }

func (e endless) Read(p []byte) (int, error) {
	for {
		if n, err := e.in.Read(p); err != io.EOF {
			return n, err
		}
	}
}

func fifoList(_ context.Context, u transport.URL, _ transport.Options) ([]transport.Resource, error) {
	if err := fifo.Check(u.Path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return nil, err
	}
	return []transport.Resource{{URL: u.String()}}, nil
}

func removeFIFO(path string) error {
	if err := fifo.Check(path); err != nil {
		return err
	}
	return os.Remove(path)
}
