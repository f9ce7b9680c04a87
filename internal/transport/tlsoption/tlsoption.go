// Package tlsoption reads the options of a URL that say how a connection is
// encrypted. They are the same for every transport that has TLS.
package tlsoption

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"pipeworks/internal/transport"
)

// Options are those of a URL. The modes have the names that sqlpipe's database
// URLs have.
var Options = []transport.Option{
	{Name: "tls", Usage: "disabled (the default), required (encrypted, whoever it is), verify-ca, verify-identity (the default with another tls- option)"},
	{Name: "tls-ca", Usage: "file of the certificates to trust; where one listens: whose clients are let in"},
	{Name: "tls-cert", Usage: "file of the own certificate"},
	{Name: "tls-key", Usage: "file of its key"},
}

var modes = []string{"disabled", "required", "verify-ca", "verify-identity"}

// mode is what the options ask for. What would be encrypted but for a slip of
// the pen is an error.
func mode(u transport.URL) (string, error) {
	preset := "disabled"
	for _, o := range Options[1:] {
		switch {
		case !u.Query.Has(o.Name):
		case u.Option(o.Name) == "":
			return "", u.Errorf("option %s=: it is the name of a file", o.Name)
		case u.Option("tls") == "disabled":
			return "", u.Errorf("option %s goes with no tls=disabled", o.Name)
		default:
			preset = "verify-identity"
		}
	}
	if u.Query.Has("tls-key") && !u.Query.Has("tls-cert") {
		return "", u.Errorf("option tls-key goes with tls-cert")
	}
	if !u.Query.Has("tls") {
		return preset, nil
	}
	m := u.Option("tls")
	if !slices.Contains(modes, m) {
		return "", u.Errorf("option tls=%s: it is one of %s", m, strings.Join(modes, ", "))
	}
	return m, nil
}

// Client is the configuration of who connects; nil: not encrypted.
func Client(u transport.URL) (*tls.Config, error) {
	m, err := mode(u)
	if err != nil || m == "disabled" {
		return nil, err
	}
	host, _, err := net.SplitHostPort(u.Host)
	if err != nil {
		host = u.Host
	}
	if host == "" {
		host = "localhost"
	}
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if c.RootCAs, err = authorities(u); err != nil {
		return nil, err
	}
	if u.Option("tls-cert") != "" {
		if err := ownCertificate(c, u); err != nil {
			return nil, err
		}
	}
	if m != "verify-identity" {
		c.InsecureSkipVerify = true // verified below, or not asked for
	}
	if m == "verify-ca" {
		roots := c.RootCAs
		c.VerifyConnection = func(s tls.ConnectionState) error {
			o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
			for _, cert := range s.PeerCertificates[1:] {
				o.Intermediates.AddCert(cert)
			}
			_, err := s.PeerCertificates[0].Verify(o)
			return err
		}
	}
	return c, nil
}

// Server is the configuration of who listens; nil: not encrypted. With tls-ca
// only clients with a certificate of those authorities are let in.
func Server(u transport.URL) (*tls.Config, error) {
	m, err := mode(u)
	if err != nil || m == "disabled" {
		return nil, err
	}
	if u.Option("tls-cert") == "" {
		return nil, u.Errorf("to listen with TLS takes the options tls-cert and tls-key")
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if err := ownCertificate(c, u); err != nil {
		return nil, err
	}
	if c.ClientCAs, err = authorities(u); err != nil {
		return nil, err
	}
	if c.ClientCAs != nil {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

func ownCertificate(c *tls.Config, u transport.URL) error {
	key := u.Option("tls-key")
	if key == "" {
		key = u.Option("tls-cert") // which may hold both
	}
	pair, err := tls.LoadX509KeyPair(u.Option("tls-cert"), key)
	if err != nil {
		return u.Errorf("options tls-cert and tls-key: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return nil
}

// authorities are those of tls-ca; nil: the system's.
func authorities(u transport.URL) (*x509.CertPool, error) {
	path := u.Option("tls-ca")
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, u.Errorf("option tls-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, u.Errorf("option tls-ca: no certificate in %s", path)
	}
	return pool, nil
}

// handshakeTime is how long the other side may take.
const handshakeTime = 10 * time.Second

// Handshake makes c, which it closes if it fails, an encrypted connection.
func Handshake(ctx context.Context, c *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	err := c.HandshakeContext(ctx)
	if err == nil {
		return nil
	}
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &plain):
		err = errors.New("TLS: the other side speaks without it")
	case ctx.Err() != nil:
		err = errors.New("TLS: no answer: does the other side speak it?")
	case Refusal(err) != nil:
		err = Refusal(err)
	default:
		err = fmt.Errorf("TLS: %w", err)
	}
	leave(c.NetConn())
	return err
}

// leave closes a connection behind what was said last: at once, the rest of what
// the other side sends would take that with it.
func leave(c net.Conn) {
	defer c.Close()
	if tcp, ok := c.(*net.TCPConn); ok && tcp.CloseWrite() == nil && tcp.SetReadDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}

// Refusal is what the other side has against this one, such as its certificate,
// if err is that. It may come only when the connection is in use.
func Refusal(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return fmt.Errorf("TLS: the other side says: %s", strings.TrimPrefix(op.Err.Error(), "tls: "))
	}
	return nil
}
