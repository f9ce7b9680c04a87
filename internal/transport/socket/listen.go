package socket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/tlsoption"
)

// Serve makes lines of a connection, which is its own, and hands them over. It
// ends soon when ctx does.
type Serve func(ctx context.Context, wire net.Conn, peer string, lines *link.Arrivals)

// Listener is a transport.Listener of a socket.
type Listener struct {
	*link.Arrivals
	url     transport.URL
	socket  net.Listener
	tls     *tls.Config // nil: none
	o       transport.Options
	serve   Serve
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Listen lets connections in where a URL leads, with TLS if it says so, which is
// told the protocols spoken.
func Listen(ctx context.Context, u transport.URL, o transport.Options, serve Serve, protocols ...string) (*Listener, error) {
	l := &Listener{Arrivals: link.NewArrivals(), url: u, o: o, serve: serve}
	var err error
	if l.tls, err = tlsoption.Server(u); err != nil {
		return nil, err
	}
	if l.tls != nil {
		l.tls.NextProtos = protocols
	}
	if l.socket, err = bind(ctx, u); err != nil {
		return nil, err
	}
	if tcp, ok := l.socket.Addr().(*net.TCPAddr); ok {
		l.url.Host = tcp.String()
	}
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.running.Go(func() { l.accept(ctx) })
	return l, nil
}

// accept accepts until the socket is closed.
func (l *Listener) accept(ctx context.Context) {
	for pause := time.Millisecond; ; {
		wire, err := l.socket.Accept()
		switch {
		case err == nil:
			pause = time.Millisecond
			l.running.Go(func() { l.connection(ctx, wire) })
		case errors.Is(err, net.ErrClosed):
			return
		default: // too many open files, and the like: it passes
			l.o.Warnf("%s: %v", l.url, err)
			select {
			case <-time.After(pause):
				pause = min(2*pause, time.Second)
			case <-ctx.Done():
			}
		}
	}
}

// connection has a connection served once TLS has let it in.
func (l *Listener) connection(ctx context.Context, wire net.Conn) {
	peer := l.url.String()
	if tcp, ok := wire.RemoteAddr().(*net.TCPAddr); ok {
		peer = tcp.String()
	}
	if l.tls != nil {
		secured := tls.Server(wire, l.tls)
		if err := tlsoption.Handshake(ctx, secured); err != nil {
			if ctx.Err() == nil {
				l.o.Warnf("%s: %v", peer, err)
			}
			return
		}
		wire = secured
	}
	l.serve(ctx, wire, peer, l.Arrivals)
}

// Addr implements transport.Listener.
func (l *Listener) Addr() string { return l.url.String() }

// lastWords is how long what was said last may take to be read.
const lastWords = time.Second

// Close implements transport.Listener. Lines that were accepted stay.
func (l *Listener) Close() error {
	l.End()
	err := l.socket.Close()
	late := time.AfterFunc(lastWords, l.stop)
	defer late.Stop()
	l.running.Wait()
	l.stop()
	return err
}

// bind listens where a URL leads, without TLS.
func bind(ctx context.Context, u transport.URL) (l net.Listener, err error) {
	network, address, err := address(u)
	if err != nil {
		return nil, err
	}
	if network == "tcp" {
		lc := net.ListenConfig{KeepAliveConfig: keepAlive}
		l, err = lc.Listen(ctx, network, address)
	} else {
		l, err = listenUnix(u)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		err = errors.New("another process listens there")
	}
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", u, err)
	}
	return l, nil
}

// listenUnix makes the socket. One that nobody listens at any more is replaced.
func listenUnix(u transport.URL) (net.Listener, error) {
	mode, err := permissions(u)
	if err != nil {
		return nil, err
	}
	if stale, err := isStale(u.Path); err != nil {
		return nil, err
	} else if stale {
		if err := os.Remove(u.Path); err != nil {
			return nil, err
		}
	}
	// Nobody may come in before the permissions are right.
	before := syscall.Umask(0o177)
	var l net.Listener
	if u.Scheme == "unixgram" {
		l, err = listenDatagrams(u.Path)
	} else {
		l, err = net.Listen("unix", u.Path)
	}
	syscall.Umask(before)
	if err == nil && mode != 0o600 {
		if err = os.Chmod(u.Path, mode); err != nil {
			_ = l.Close()
		}
	}
	return l, err
}

// permissions are those that the option mode asks for.
func permissions(u transport.URL) (fs.FileMode, error) {
	if !u.Query.Has("mode") {
		return 0o600, nil
	}
	mode, err := strconv.ParseUint(u.Option("mode"), 8, 9)
	if err != nil {
		return 0, u.Errorf("option mode=%s: permissions are written 0600, 0660", u.Option("mode"))
	}
	return fs.FileMode(mode), nil
}

// isStale reports whether path is a socket at which nobody listens.
func isStale(path string) (bool, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case info.Mode()&fs.ModeSocket == 0:
		return false, fmt.Errorf("%s is there, and is no socket", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return false, nil
	}
	return errors.Is(err, syscall.ECONNREFUSED), nil
}

// list is the socket, if it is there.
func list(_ context.Context, u transport.URL, _ transport.Options) ([]transport.Resource, error) {
	info, err := os.Lstat(u.Path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSocket == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	stale, err := isStale(u.Path)
	return []transport.Resource{{URL: u.String(), Stale: stale}}, err
}

func remove(_ context.Context, u transport.URL, _ transport.Options) error {
	if info, err := os.Lstat(u.Path); err != nil {
		return err
	} else if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s is no socket", u.Path)
	}
	return os.Remove(u.Path)
}
