package database

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipeworks/internal/dburl"
)

// authority makes certificates in a directory.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue writes NAME.pem and NAME.key.
func (a *authority) issue(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, parentKey := a.cert, a.key
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		a.path(name + ".pem"): {Type: "CERTIFICATE", Bytes: der},
		a.path(name + ".key"): {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// startMySQL starts a server of the test's own, with options, and returns the
// URL of its administrator. stop ends it; so does the end of the test.
func startMySQL(t *testing.T, options ...string) (u dburl.URL, socket string, stop func()) {
	t.Helper()
	if os.Getenv("PIPEWORKS_TEST_MYSQL_SOCKET") == "" {
		t.Skip("only where scripts/mariadb has made a server")
	}
	ctx := context.WithoutCancel(t.Context())
	cmd := osexec.CommandContext(ctx, "../../scripts/mariadb", "run", "--", "sh", "-c", `echo "$PIPEWORKS_TEST_MYSQL"; echo "$PIPEWORKS_TEST_MYSQL_SOCKET"; read -r _`)
	cmd.Env = append(os.Environ(), "PIPEWORKS_TEST_MYSQL=", "PIPEWORKS_TEST_MYSQL_OPTIONS="+strings.Join(options, " "))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		stdin.Close()
		cmd.Wait()
	}
	t.Cleanup(stop)
	lines := bufio.NewScanner(stdout)
	var said []string
	for len(said) < 2 && lines.Scan() {
		said = append(said, lines.Text())
	}
	if len(said) < 2 {
		t.Fatal("no server")
	}
	if u, err = dburl.Parse(said[0]); err != nil {
		t.Fatal(err)
	}
	return u, said[1], stop
}

func TestTLS(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	ours.issue(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	ours.issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	other.issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	good, socket, stop := startMySQL(t, "--ssl-ca="+ours.path("ca.pem"), "--ssl-cert="+ours.path("server.pem"), "--ssl-key="+ours.path("server.key"), "--bind-address=127.0.0.1,::1")
	admin := engine{good}.open(t, Options{})
	exec(t, admin, "CREATE USER certified IDENTIFIED BY 'pw' REQUIRE X509", "CREATE USER encrypted IDENTIFIED BY 'pw' REQUIRE SSL")

	for _, tt := range []struct {
		name      string
		change    func(u *dburl.URL)
		encrypted bool
		err, hint string // instead
	}{
		{"disabled", func(u *dburl.URL) { u.TLS = dburl.TLSDisabled }, false, "", ""},
		{"preferred", func(u *dburl.URL) { u.TLS = dburl.TLSPreferred }, true, "", ""},
		{"required", func(u *dburl.URL) { u.TLS = dburl.TLSRequired }, true, "", ""},
		{"required, on the socket", func(u *dburl.URL) { u.TLS, u.Host, u.Socket = dburl.TLSRequired, "", socket }, true, "", ""},
		{"verify-ca", func(u *dburl.URL) { u.TLS, u.TLSCA = dburl.TLSVerifyCA, ours.path("ca.pem") }, true, "", ""},
		{"verify-ca, by another name", func(u *dburl.URL) { u.TLS, u.TLSCA, u.Host = dburl.TLSVerifyCA, ours.path("ca.pem"), "localhost" }, true, "", ""},
		{"verify-ca, another authority", func(u *dburl.URL) { u.TLS, u.TLSCA = dburl.TLSVerifyCA, other.path("ca.pem") }, false, "certificate signed by unknown authority", "?tls-ca=FILE"},
		{"verify-ca, no authority", func(u *dburl.URL) { u.TLS = dburl.TLSVerifyCA }, false, "certificate signed by unknown authority", "?tls-ca=FILE"},
		{"verify-identity", func(u *dburl.URL) { u.TLS, u.TLSCA = dburl.TLSVerifyIdentity, ours.path("ca.pem") }, true, "", ""},
		{"verify-identity, by another name", func(u *dburl.URL) { u.TLS, u.TLSCA, u.Host = dburl.TLSVerifyIdentity, ours.path("ca.pem"), "localhost" }, false, "certificate is not valid for any names, but wanted to match localhost", "?tls=verify-ca"},
		{"verify-identity, another authority", func(u *dburl.URL) { u.TLS, u.TLSCA = dburl.TLSVerifyIdentity, other.path("ca.pem") }, false, "certificate signed by unknown authority", "?tls-ca=FILE"},
		{"IPv6", func(u *dburl.URL) { u.TLS, u.Host = dburl.TLSRequired, "::1" }, true, "", ""},
		{"a user who needs TLS", func(u *dburl.URL) { u.User, u.Password, u.TLS = "encrypted", "pw", dburl.TLSPreferred }, true, "", ""},
		{"a user who needs TLS, without", func(u *dburl.URL) { u.User, u.Password = "encrypted", "pw" }, false, "ERROR 1045 (28000)", "user and password"},
		{"client certificate", func(u *dburl.URL) {
			u.User, u.Password, u.TLS = "certified", "pw", dburl.TLSRequired
			u.TLSCert, u.TLSKey = ours.path("client.pem"), ours.path("client.key")
		}, true, "", ""},
		{"no client certificate", func(u *dburl.URL) { u.User, u.Password, u.TLS = "certified", "pw", dburl.TLSRequired }, false, "ERROR 1045 (28000)", "user and password"},
		{"client certificate of another authority", func(u *dburl.URL) {
			u.User, u.Password, u.TLS = "certified", "pw", dburl.TLSRequired
			u.TLSCert, u.TLSKey = other.path("client.pem"), other.path("client.key")
		}, false, "connect to ", ""},
		{"no client key", func(u *dburl.URL) { u.TLS, u.TLSCert = dburl.TLSRequired, ours.path("client.pem") }, false, "tls-cert and tls-key: open : no such file or directory", ""},
		{"compressed, too", func(u *dburl.URL) { u.TLS, u.Compress = dburl.TLSRequired, true }, true, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := good
			u.Database = ""
			tt.change(&u)
			conn, err := Open(t.Context(), u, Options{})
			if u.Host == "::1" && errors.Is(err, os.ErrNotExist) {
				t.Skip(err)
			}
			if tt.err != "" {
				var hinted interface{ Hint() string }
				if err == nil || !strings.Contains(err.Error(), tt.err) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), tt.hint) {
					t.Fatalf("got %v, want %s, and the hint %s", err, tt.err, tt.hint)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			cipher := values(t, conn, "SHOW STATUS LIKE 'Ssl_cipher'")[1]
			if encrypted := cipher != "text:"; encrypted != tt.encrypted {
				t.Errorf("the cipher is %q", cipher)
			}
		})
	}

	// The server goes away in mid-statement.
	u := good
	u.TLS = dburl.TLSRequired
	conn, err := Open(t.Context(), u, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	failed := make(chan error, 1)
	go func() {
		_, err := jsonl(context.WithoutCancel(t.Context()), conn, "SELECT SLEEP(1000)")
		failed <- err
	}()
	for values(t, admin, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(1000)' AND id <> CONNECTION_ID()")[0] == "number:0" {
		continue // until it is there
	}
	stop()
	var dbErr *Error
	if err := <-failed; !errors.As(err, &dbErr) || !dbErr.ConnectionLost() {
		t.Errorf("the server has gone: %v", err)
	}
	if _, err := Open(t.Context(), u, Options{}); err == nil {
		t.Error("a server that has gone takes a connection")
	}
}

// A server without TLS gets a connection in clear text only if that was not
// ruled out.
func TestPlaintextServer(t *testing.T) {
	u := mysqlURL(t)
	for mode, want := range map[dburl.TLSMode]string{
		dburl.TLSDisabled:       "",
		dburl.TLSPreferred:      "",
		dburl.TLSRequired:       "TLS requested but server does not support TLS",
		dburl.TLSVerifyCA:       "TLS requested but server does not support TLS",
		dburl.TLSVerifyIdentity: "TLS requested but server does not support TLS",
	} {
		u.TLS = mode
		conn, err := Open(t.Context(), u, Options{})
		if err == nil {
			if cipher := values(t, conn, "SHOW STATUS LIKE 'Ssl_cipher'")[1]; cipher != "text:" {
				t.Skip("this server has TLS")
			}
			conn.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", mode, err, want)
		}
	}
}
