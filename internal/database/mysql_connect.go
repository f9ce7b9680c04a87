package database

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"pipeworks/internal/dburl"
)

// mysqlConfig turns a URL into the driver's configuration. What would let the
// server read files, or one statement become two, stays off unless asked for.
func mysqlConfig(u dburl.URL, o Options) (*mysql.Config, error) {
	cfg := mysql.NewConfig()
	cfg.MultiStatements = o.Multi
	cfg.User = u.User
	cfg.Passwd = string(u.Password)
	cfg.Net = "tcp"
	if u.Host == "" {
		cfg.Net = "unix"
	}
	cfg.Addr = u.Address()
	cfg.DBName = u.Database
	cfg.ReadTimeout = u.ReadTimeout
	cfg.WriteTimeout = u.WriteTimeout
	cfg.MaxAllowedPacket = u.MaxPacket // 0: the driver asks the server
	cfg.Logger = &mysql.NopLogger{}    // it would write to stderr

	options := []mysql.Option{mysql.EnableCompression(u.Compress)}
	switch {
	case u.Charset != "":
		options = append(options, mysql.Charset(u.Charset, u.Collation))
	case u.Collation != "":
		options = append(options, mysql.Charset("utf8mb4", u.Collation))
	}
	if err := cfg.Apply(options...); err != nil {
		return nil, err
	}
	var err error
	cfg.TLS, err = tlsConfig(u)
	cfg.AllowFallbackToPlaintext = u.TLS == dburl.TLSPreferred
	return cfg, err
}

// tlsConfig is nil if the connection is not encrypted.
func tlsConfig(u dburl.URL) (*tls.Config, error) {
	if u.TLS == dburl.TLSDisabled {
		return nil, nil
	}
	c := &tls.Config{ServerName: u.Host}
	if u.TLSCA != "" {
		pem, err := os.ReadFile(u.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("tls-ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls-ca: no certificate in %s", u.TLSCA)
		}
	}
	if u.TLSCert != "" || u.TLSKey != "" {
		pair, err := tls.LoadX509KeyPair(u.TLSCert, u.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("tls-cert and tls-key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	switch u.TLS {
	case dburl.TLSPreferred, dburl.TLSRequired:
		c.InsecureSkipVerify = true
	case dburl.TLSVerifyCA:
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(s, c.RootCAs) }
	}
	return c, nil
}

// verifyChain is the verification of crypto/tls without the host's name.
func verifyChain(s tls.ConnectionState, roots *x509.CertPool) error {
	intermediates := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates})
	return err
}

// dial opens a connection. The driver's own dial timeout ends before the
// server has greeted, so ctx is what must end.
func dial(ctx context.Context, cfg *mysql.Config) (conn driver.Conn, s *socket, err error) {
	cfg = cfg.Clone()
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		s, err = newSocket(c)
		return s, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, nil, err
	}
	conn, err = connector.Connect(ctx)
	if err == nil {
		return conn, s, nil
	}
	if serverErr, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return nil, nil, newMySQLError(serverErr)
	}
	if s != nil && s.err != nil {
		return nil, nil, s.err // the driver says "invalid connection"
	}
	return nil, nil, err
}

// connectError is a connection that could not be made.
type connectError struct {
	url dburl.URL // without its password
	err error
}

func newConnectError(u dburl.URL, err error) error {
	u.Password = ""
	return &connectError{u, err}
}

func (e *connectError) Error() string { return fmt.Sprintf("connect to %v: %v", e.url, e.err) }
func (e *connectError) Unwrap() error { return e.err }

// Unreachable reports whether a connection could not be made for a reason that
// may go away: nobody has answered, or the server has no room for it now.
func Unreachable(err error) bool {
	failed, ok := errors.AsType[*connectError](err)
	if !ok {
		return false
	}
	if server, ok := errors.AsType[*Error](failed.err); ok {
		return server.Number == erTooManyConnections || server.ConnectionLost()
	}
	_, network := errors.AsType[net.Error](failed.err)
	return network || errors.Is(failed.err, errNoAnswer)
}

// errNoAnswer is a server that has not let anybody in for a time.
var errNoAnswer = errors.New("no answer")

// Hint is what to look at.
func (e *connectError) Hint() string {
	var (
		server  *Error
		dns     *net.DNSError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		network *net.OpError
	)
	switch {
	case errors.As(e.err, &server):
		return server.Hint()
	case errors.As(e.err, &dns):
		return "is the host's name right?"
	case errors.As(e.err, &network) && errors.Is(network, fs.ErrNotExist):
		return "no server listens there: ?socket=PATH names another socket, mysql://user@127.0.0.1/db takes TCP"
	case errors.Is(e.err, syscall.ECONNREFUSED) && e.url.Host == "localhost":
		return "is the server running? Without a host it is the unix socket: mysql://user@/db"
	case errors.Is(e.err, syscall.ECONNREFUSED):
		return "is the server running, and is this its address?"
	case errors.Is(e.err, mysql.ErrNoTLS):
		return "the server has no TLS; ?tls=disabled sends everything in clear text"
	case errors.As(e.err, &unknown):
		return "?tls-ca=FILE names the authority to trust"
	case errors.As(e.err, &name):
		return "?tls=verify-ca takes a certificate for another name"
	}
	return ""
}
