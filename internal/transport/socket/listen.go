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
	"pipeworks/internal/transport/tlsoption"
)

// listener is a transport.Listener of a socket.
type listener struct {
	net.Listener
	url     transport.URL
	tls     *tls.Config // nil: none
	o       transport.Options
	accepts chan transport.Conn
	closed  chan struct{}
	once    sync.Once
}

func listen(ctx context.Context, u transport.URL, o transport.Options) (transport.Listener, error) {
	l := &listener{url: u, o: o, accepts: make(chan transport.Conn), closed: make(chan struct{})}
	var err error
	if u.Scheme == "tcp" {
		if l.tls, err = tlsoption.Server(u); err != nil {
			return nil, err
		}
	}
	if l.Listener, err = Bind(ctx, u); err != nil {
		return nil, err
	}
	if u.Scheme == "tcp" {
		l.url.Host = l.Listener.Addr().String()
	}
	go l.run()
	return l, nil
}

// Bind listens where a URL leads, without TLS.
func Bind(ctx context.Context, u transport.URL) (l net.Listener, err error) {
	network, address, err := Address(u)
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
	mode := uint64(0o600)
	if text := u.Option("mode"); text != "" {
		var err error
		if mode, err = strconv.ParseUint(text, 8, 9); err != nil {
			return nil, fmt.Errorf("option mode=%s: permissions are written 0600, 0660", text)
		}
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
	var err error
	if u.Scheme == "unixgram" {
		l, err = listenDatagrams(u.Path)
	} else {
		l, err = net.Listen("unix", u.Path)
	}
	syscall.Umask(before)
	if err == nil && mode != 0o600 {
		if err = os.Chmod(u.Path, fs.FileMode(mode)); err != nil {
			_ = l.Close()
		}
	}
	return l, err
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

// run accepts until the listener is closed.
func (l *listener) run() {
	for pause := time.Millisecond; ; {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			pause = time.Millisecond
			go l.handshake(c)
		case errors.Is(err, net.ErrClosed):
			return
		default: // too many open files, and the like: it passes
			l.o.Warnf("%s: %v", l.url, err)
			select {
			case <-time.After(pause):
				pause = min(2*pause, time.Second)
			case <-l.closed:
			}
		}
	}
}

// handshake hands over a connection once TLS has let it in.
func (l *listener) handshake(c net.Conn) {
	peer := l.url.String()
	if l.url.Scheme == "tcp" {
		peer = c.RemoteAddr().String()
	}
	if l.tls != nil {
		ctx, cancel := context.WithTimeout(context.Background(), connectTime)
		defer cancel()
		secured := tls.Server(c, l.tls)
		if err := tlsoption.Handshake(ctx, secured); err != nil {
			l.o.Warnf("%s: %v", peer, err)
			return
		}
		c = secured
	}
	select {
	case l.accepts <- NewConn(c, peer, l.o.MaxRecord):
	case <-l.closed:
		c.Close()
	}
}

// Accept implements transport.Listener.
func (l *listener) Accept(ctx context.Context) (transport.Conn, error) {
	select {
	case c := <-l.accepts:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Addr implements transport.Listener.
func (l *listener) Addr() string { return l.url.String() }

// Close implements transport.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
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
