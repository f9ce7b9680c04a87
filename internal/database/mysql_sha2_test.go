package database

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"testing"

	"pipeworks/internal/dburl"
)

// TestCachingSHA2 logs in to a server that knows passwords as MySQL 8 does by
// default, over a connection without TLS: by a digest if the server has the
// password in its cache, else encrypted for the public key that it is asked
// for.
func TestCachingSHA2(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	const nonce, password = "abcdefghijklmnopqrst", "pass word"
	for _, tt := range []struct {
		name, password string
		cached         bool
		want           string
	}{
		{"in the cache", password, true, ""},
		{"not in the cache", password, false, ""},
		{"wrong", "hunter2", false, "ERROR 1045 (28000): no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sequence byte
			write := func(c net.Conn, packet []byte) error {
				defer func() { sequence++ }()
				return writePacket(c, sequence, packet)
			}
			read := func(c net.Conn) []byte {
				sequence++
				packet, _ := readPacket(c)
				return packet
			}
			login := func(c net.Conn) error {
				sequence = 0
				if err := write(c, greeting("caching_sha2_password")); err != nil {
					return err
				}
				answer := read(c)
				if tt.cached {
					if !bytes.Contains(answer, scramble(password, nonce)) {
						return errors.New("another password")
					}
					return errors.Join(write(c, []byte{1, 3}), write(c, packetOK))
				}
				if err := write(c, []byte{1, 4}); err != nil { // the password itself, please
					return err
				}
				if !bytes.Equal(read(c), []byte{2}) {
					return errors.New("the client does not ask for the key")
				}
				der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
				if err != nil {
					return err
				}
				if err := write(c, append([]byte{1}, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)); err != nil {
					return err
				}
				plain, err := rsa.DecryptOAEP(sha1.New(), nil, key, read(c), nil)
				if err != nil {
					return err
				}
				for i := range plain {
					plain[i] ^= nonce[i%len(nonce)]
				}
				if string(plain) != password+"\x00" {
					return errors.Join(errors.New("another password"), write(c, []byte("\xff\x15\x04#28000no")))
				}
				return write(c, packetOK)
			}
			u := newServer(t, login, nil).url
			u.Password, u.MaxPacket = dburl.Secret(tt.password), 1<<20
			cfg, err := mysqlConfig(u, Options{})
			if err != nil {
				t.Fatal(err)
			}
			conn, _, err := dial(t.Context(), cfg)
			if err == nil {
				conn.Close()
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// scramble is what the client sends at once.
func scramble(password, nonce string) []byte {
	once := sha256.Sum256([]byte(password))
	twice := sha256.Sum256(once[:])
	with := sha256.Sum256(append(twice[:], nonce...))
	for i := range with {
		with[i] ^= once[i]
	}
	return with[:]
}
