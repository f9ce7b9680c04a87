// Package broker is what the transports over message brokers share: a sender
// that publishes again what was not confirmed when a line broke, a receiver that
// goes on over the next line, and the connection below both.
package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/tlsoption"
)

// How long the beginning of a line may take, and its orderly end.
const (
	ConnectTime = 10 * time.Second
	GoodbyeTime = 5 * time.Second
)

// gathered is how much waits to be written: enough for a large write, too little
// to notice.
const gathered = 128 << 10

// Conn is a connection that gathers small writes: what is written while the
// system is busy with the last write goes with the next one.
type Conn struct {
	net.Conn
	mu      sync.Mutex
	changed sync.Cond
	pending []byte
	closing bool
	err     error
	done    chan struct{}
}

// Dial connects to the host of a URL, with TLS if it says so. port is that of a
// URL without one.
func Dial(ctx context.Context, u transport.URL, port string) (*Conn, error) {
	address := u.Host
	if u.Host == "" {
		address = "localhost"
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, port)
	}
	config, err := tlsoption.Client(u)
	if err != nil {
		return nil, link.Permanent(err)
	}
	ctx, cancel := context.WithTimeout(ctx, ConnectTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case isDNS && dns.IsNotFound:
		return nil, link.Permanent(fmt.Errorf("connect to %s: unknown host %s", u, dns.Name))
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, errors.New("nobody listens there (connection refused)")
	case err != nil:
		return nil, err
	}
	if config != nil {
		encrypted := tls.Client(conn, config)
		if err := tlsoption.Handshake(ctx, encrypted); err != nil {
			return nil, link.Permanent(fmt.Errorf("connect to %s: %w", u, err))
		}
		conn = encrypted
	}
	c := &Conn{Conn: conn, done: make(chan struct{})}
	c.changed.L = &c.mu
	go c.write()
	return c, nil
}

// Write returns when there is room for p. An error may be that of an earlier one.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) > 0 && len(c.pending)+len(p) > gathered && c.err == nil {
		c.changed.Wait()
	}
	if c.err != nil {
		return 0, c.err
	}
	if c.closing {
		return 0, net.ErrClosed
	}
	c.pending = append(c.pending, p...)
	c.changed.Broadcast()
	return len(p), nil
}

// SetDeadline is that of reads: what is written is on its way later, and a
// broker may rightly let it wait.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// write writes what is pending, until the connection is closed.
func (c *Conn) write() {
	defer close(c.done)
	var spare []byte
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil {
		if len(c.pending) == 0 {
			if c.closing {
				return
			}
			c.changed.Wait()
			continue
		}
		block := c.pending
		c.pending = spare[:0]
		c.changed.Broadcast()
		c.mu.Unlock()
		_, err := c.Conn.Write(block)
		c.mu.Lock()
		if spare = block; cap(spare) > 2*gathered {
			spare = nil
		}
		c.err = err
	}
	c.changed.Broadcast()
}

// Close writes what is pending if the other side takes it soon.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.closing = true
	c.changed.Broadcast()
	c.mu.Unlock()
	select {
	case <-c.done:
	case <-time.After(GoodbyeTime):
	}
	return c.Abort()
}

// Abort closes the connection at once.
func (c *Conn) Abort() error {
	err := c.Conn.Close()
	c.mu.Lock()
	if c.err == nil {
		c.err = net.ErrClosed
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	<-c.done
	return err
}

// Check refuses what no queue can do.
func Check(u transport.URL, o transport.Options) error {
	switch {
	case o.Dedupe:
		return u.Errorf("the broker does not know a message that it has had: JetStream and Kafka do")
	case o.Group != "":
		return u.Errorf("a queue has no groups: all its receivers share its messages")
	}
	return nil
}

// Password is that of the options; empty: there is none.
func Password(ctx context.Context, o transport.Options) (string, error) {
	if o.Password == nil {
		return "", nil
	}
	return o.Password(ctx)
}

// AccessError is a broker that does not let us in.
type AccessError struct {
	URL transport.URL
	Err error
}

func (e *AccessError) Error() string { return fmt.Sprintf("connect to %s: %v", e.URL, e.Err) }

func (e *AccessError) Unwrap() error { return e.Err }

// Hint is the cure.
func (e *AccessError) Hint() string {
	if e.URL.User == "" {
		return "give a user as in " + e.URL.Scheme + "://USER@HOST/QUEUE, and the password by --password-file, --password-command or $RELAY_PASSWORD"
	}
	return "is it the password of user " + e.URL.User + "? It comes from --password-file, --password-command or $RELAY_PASSWORD"
}

// RabbitMQLimit is who sets the limit of LimitOf.
const RabbitMQLimit = "RabbitMQ's max_message_size, in its configuration"

// LimitOf is the longest message of a broker that has not been told otherwise,
// since RabbitMQ does not say; 0: it is not known. 3.8 and 4.0 have each set one.
func LimitOf(product, version any) int {
	text, _ := version.(string)
	major, _, _ := strings.Cut(text, ".")
	switch n, err := strconv.Atoi(major); {
	case product != "RabbitMQ" || err != nil:
		return 0
	case n < 4:
		return 128 << 20
	}
	return 16 << 20
}
