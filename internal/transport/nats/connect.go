package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/tlsoption"
)

const connectTime = 5 * time.Second // that one attempt may take

// client is a connection that is made anew when it breaks.
type client struct {
	*nats.Conn
	cfg config
	o   transport.Options

	up          atomic.Bool // what is published now does not overtake what is sent again
	reconnected func()      // by whom it is used; may be nil

	mu      sync.Mutex // also of who uses it
	changed sync.Cond
	err     error         // there is no connection, and will be none
	gone    chan struct{} // closed then
	lost    *time.Timer

	lines map[*broker.Line]struct{} // that are open; with the last one goes the connection,
	kept  bool                      // unless it is kept
}

// connect connects to one of the servers of the URL, and waits for one.
func connect(ctx context.Context, cfg config, o transport.Options) (*client, error) {
	c := &client{cfg: cfg, o: o, gone: make(chan struct{}), lines: make(map[*broker.Line]struct{})}
	c.changed.L = &c.mu
	options, err := c.options(ctx)
	if err != nil {
		return nil, err
	}
	var servers []string
	for host := range strings.SplitSeq(cfg.url.Host, ",") {
		servers = append(servers, "nats://"+host)
	}
	err = link.Retry(ctx, o, cfg.url.String(), func() error {
		if c.Conn, err = nats.Connect(strings.Join(servers, ","), options...); err != nil {
			return c.connectError(err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.up.Store(true)
	return c, nil
}

func (c *client) options(ctx context.Context) ([]nats.Option, error) {
	options := []nats.Option{
		nats.Name("relay"),
		nats.Timeout(connectTime),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectBufSize(-1), // what may have to be sent again is kept here
		nats.PingInterval(10 * time.Second),
		nats.SetCustomDialer(c),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { c.disconnected(err) }),
		nats.ReconnectHandler(func(*nats.Conn) { c.connectedAgain() }),
		nats.ClosedHandler(func(nc *nats.Conn) { c.fail(c.connectError(nc.LastError())) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.told(err) }),
	}
	config, err := tlsoption.Client(c.cfg.url)
	if err != nil {
		return nil, err
	}
	if config != nil {
		config.ServerName = "" // that of the server at hand
		options = append(options, nats.Secure(config))
	}
	if file := c.cfg.url.Option("creds"); file != "" {
		options = append(options, nats.UserCredentials(file))
	}
	password := ""
	if c.o.Password != nil {
		if password, err = c.o.Password(ctx); err != nil {
			return nil, err
		}
	}
	switch {
	case c.cfg.url.User != "":
		options = append(options, nats.UserInfo(c.cfg.url.User, password))
	case password != "":
		options = append(options, nats.Token(password))
	}
	return options, nil
}

// Dial is called before there can be a new connection: what was published and
// not confirmed comes first then.
func (c *client) Dial(network, address string) (net.Conn, error) {
	c.up.Store(false)
	return (&net.Dialer{Timeout: connectTime}).Dial(network, address)
}

// connectError says what is wrong, and whether waiting could mend it.
func (c *client) connectError(err error) error {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, isTLS := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case err == nil:
		return nats.ErrConnectionClosed
	case errors.Is(err, nats.ErrNoServers):
		return errors.New("nobody listens there (connection refused)")
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return link.Permanent(&accessError{fmt.Errorf("connect to %s: %w", c.cfg.url, err), c.cfg.url.User})
	case isDNS && dns.IsNotFound:
		return link.Permanent(fmt.Errorf("connect to %s: unknown host %s", c.cfg.url, dns.Name))
	case isTLS, errors.Is(err, nats.ErrSecureConnRequired), errors.Is(err, nats.ErrSecureConnWanted):
		return link.Permanent(fmt.Errorf("connect to %s: %w", c.cfg.url, err))
	}
	return err
}

// accessError is a server that does not let us in.
type accessError struct {
	error
	user string
}

func (e *accessError) Unwrap() error { return e.error }

func (e *accessError) Hint() string {
	if e.user == "" {
		return "give a user as in nats://USER@HOST/SUBJECT and the password by --password-file, a token by --password-file alone, or a file by ?creds=FILE"
	}
	return "is it the password of user " + e.user + "? It comes from --password-file, --password-command or $RELAY_PASSWORD"
}

// disconnected waits for another connection, as long as the options say.
func (c *client) disconnected(err error) {
	if c.IsClosed() {
		return
	}
	if err == nil {
		err = errors.New("it was closed")
	}
	c.o.Warnf("%s: the connection broke, trying again: %v", c.cfg.url, err)
	if c.o.Timeout > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lost = time.AfterFunc(c.o.Timeout, func() {
			c.fail(fmt.Errorf("%s: no connection for %v: %w", c.cfg.url, c.o.Timeout, err))
			c.Conn.Close()
		})
	}
}

func (c *client) connectedAgain() {
	c.o.Warnf("%s: connected again", c.cfg.url)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost != nil {
		c.lost.Stop()
	}
	c.up.Store(true)
	if c.reconnected != nil {
		c.reconnected()
	}
	c.changed.Broadcast()
}

// told is what the server says by itself.
func (c *client) told(err error) {
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		c.fail(fmt.Errorf("%s: %w", c.cfg.url, err))
	case errors.Is(err, nats.ErrSlowConsumer):
		c.o.Warnf("%s: messages were lost: they came faster than they were taken", c.cfg.url)
	default:
		c.o.Warnf("%s: %v", c.cfg.url, err)
	}
}

// fail ends every wait with err.
func (c *client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed(err)
}

// failed is fail for who holds the lock.
func (c *client) failed(err error) {
	if c.err == nil {
		c.err = err
		close(c.gone)
		c.breakLines()
	}
	c.changed.Broadcast()
}

// wait is transport.Wait, also for the end of all connections.
func (c *client) wait(ctx context.Context, while func() bool) error {
	return transport.Wait(ctx, &c.changed, &c.err, while)
}

func (c *client) close() {
	c.Conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost != nil {
		c.lost.Stop()
	}
}

// tooLong refuses a message that the server would.
func (c *client) tooLong(size, limit int) error {
	return &transport.TooLongError{Size: size, Limit: limit, By: "the server's max_payload, in its configuration"}
}
