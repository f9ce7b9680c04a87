package tlsoption_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/grpc"
	"pipeworks/internal/transport/rpc"
	"pipeworks/internal/transport/socket"
	"pipeworks/internal/transport/thrift"
)

// certify writes NAME.pem, a certificate of a host that an authority of its own
// has signed, NAME.key, its key, and NAME.ca, the authority's certificate.
func certify(t *testing.T, dir, name, host string) {
	t.Helper()
	sign := func(template, by *x509.Certificate, byKey *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if by == nil {
			by, byKey = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, by, &key.PublicKey, byKey)
		if err != nil {
			t.Fatal(err)
		}
		return der, key
	}
	template := func(serial int64, isCA bool) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: isCA, BasicConstraintsValid: true, DNSNames: []string{host},
		}
	}
	ca := template(1, true)
	caDER, caKey := sign(ca, nil, nil)
	der, key := sign(template(2, false), ca, caKey)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".ca":  {Type: "CERTIFICATE", Bytes: caDER},
		name + ".pem": {Type: "CERTIFICATE", Bytes: der},
		name + ".key": {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What TLS does not let pass is said clearly, over each transport that listens
// with it.
func TestCalls(t *testing.T) {
	dir := t.TempDir()
	certify(t, dir, "server", "localhost")
	certify(t, dir, "elsewhere", "example.com")
	certify(t, dir, "client", "client")
	certify(t, dir, "stranger", "stranger")
	options := func(words string) url.Values {
		q := url.Values{}
		for word := range strings.FieldsSeq(words) {
			name, value, _ := strings.Cut(word, "=")
			if name != "tls" {
				value = filepath.Join(dir, value)
			}
			q.Set(name, value)
		}
		return q
	}
	const server = "tls-cert=server.pem tls-key=server.key"
	const mutual = server + " tls-ca=client.ca"
	for _, tt := range []struct{ name, server, client, err string }{
		{"verified", server, "tls-ca=server.ca", ""},
		{"encrypted", server, "tls=required", ""},
		{"mutual", mutual, "tls-ca=server.ca tls-cert=client.pem tls-key=client.key", ""},
		{"wrong authority", server, "tls-ca=stranger.ca", "TLS: tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		{"wrong authority, any host", server, "tls=verify-ca tls-ca=stranger.ca", "TLS: x509: certificate signed by unknown authority"},
		{"wrong host", "tls-cert=elsewhere.pem tls-key=elsewhere.key", "tls-ca=elsewhere.ca", "TLS: tls: failed to verify certificate: x509: certificate is valid for example.com, not localhost"},
		{"any host", "tls-cert=elsewhere.pem tls-key=elsewhere.key", "tls=verify-ca tls-ca=elsewhere.ca", ""},
		{"no client certificate", mutual, "tls-ca=server.ca", "certificate required"},
		{"a stranger's certificate", mutual, "tls-ca=server.ca tls-cert=stranger.pem tls-key=stranger.key", "certificate required"},
		{"plain server", "", "tls-ca=server.ca", "TLS: "},
		{"plain client", server, "", ""},
	} {
		for _, tr := range []transport.Transport{socket.TCP, grpc.Transport, thrift.Transport} {
			t.Run(tt.name+"/"+tr.Scheme, func(t *testing.T) {
				t.Parallel()
				u := transport.URL{Scheme: tr.Scheme, Host: "127.0.0.1:0", Query: options(tt.server)}
				l, err := tr.Listen(t.Context(), u, transport.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				go func() {
					for {
						conn, err := l.Accept(context.Background())
						if err != nil {
							return
						}
						go func() {
							_ = rpc.Serve(context.Background(), conn, func(context.Context, *rpc.Incoming) rpc.Exit { return rpc.Exit{} })
						}()
					}
				}()
				at, err := transport.ParseURL(l.Addr())
				if err != nil {
					t.Fatal(err)
				}
				at.Host, at.Query = strings.Replace(at.Host, "127.0.0.1", "localhost", 1), options(tt.client)
				conn, err := tr.Dial(t.Context(), at, transport.Options{Timeout: time.Second})
				if err == nil {
					_, _, err = rpc.Call(t.Context(), conn, rpc.Request{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard})
				}
				switch {
				case tt.name == "plain client":
					if err == nil {
						t.Error("no error")
					}
				case tt.err == "" && err != nil, tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
					t.Errorf("got %v", err)
				}
			})
		}
	}
}
