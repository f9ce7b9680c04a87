package dburl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options are what may follow the ? of a MySQL URL:
//
//	socket=PATH        the unix socket, in a URL without host
//	tls=MODE           disabled, preferred, required, verify-ca, verify-identity
//	tls-ca=FILE        the certificates to trust; makes verify-identity the default mode
//	tls-cert=FILE      the client's certificate
//	tls-key=FILE       and its key
//	timeout=TIME       to connect: 10s, 1m, or a number of seconds
//	read-timeout=TIME  to wait for the server in a statement
//	write-timeout=TIME
//	charset=NAME       of the connection
//	collation=NAME
//	compress=true      on the wire
//	max-packet=BYTES   longest statement, if not the server's max_allowed_packet
//
// The Go driver's own spellings of these are taken, too, and its parameters
// that only concern Go values are passed over.
type Options struct {
	TLS                    TLSMode
	TLSCA, TLSCert, TLSKey string
	Timeout                time.Duration // to connect; 0: DefaultTimeout
	ReadTimeout            time.Duration // 0: none
	WriteTimeout           time.Duration // 0: none
	Charset, Collation     string        // empty: utf8mb4
	Compress               bool
	MaxPacket              int // bytes; 0: what the server takes
}

// DefaultTimeout is for a URL without timeout.
const DefaultTimeout = 10 * time.Second

// TLSMode says how a connection is encrypted. The names are those of the
// mysql client's --ssl-mode.
type TLSMode string

// The modes.
const (
	TLSDisabled       TLSMode = "disabled"
	TLSPreferred      TLSMode = "preferred"       // if the server can; against listeners only
	TLSRequired       TLSMode = "required"        // without asking who the server is
	TLSVerifyCA       TLSMode = "verify-ca"       // a certificate of a known authority
	TLSVerifyIdentity TLSMode = "verify-identity" // which is for this host
)

var tlsModes = []TLSMode{TLSDisabled, TLSPreferred, TLSRequired, TLSVerifyCA, TLSVerifyIdentity}

// driverTLS are the Go driver's names for the modes.
var driverTLS = map[string]TLSMode{"false": TLSDisabled, "true": TLSVerifyIdentity, "skip-verify": TLSRequired}

func (u *URL) setOptions(query string) error {
	if query == "" {
		return nil
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, escaped, found := strings.Cut(pair, "=")
		if !found || escaped == "" {
			return malformed("an option is name=value")
		}
		value, err := unescape(escaped)
		if err != nil {
			return err
		}
		if err := u.setOption(name, value); err != nil {
			return malformed(fmt.Sprintf("option %q: %v", name, err))
		}
	}
	return nil
}

func (u *URL) setOption(name, value string) (err error) {
	switch name {
	case "socket":
		u.Socket = value
	case "tls":
		u.TLS, err = parseTLS(value)
	case "tls-ca":
		u.TLSCA = value
	case "tls-cert":
		u.TLSCert = value
	case "tls-key":
		u.TLSKey = value
	case "timeout":
		u.Timeout, err = parseDuration(value)
	case "read-timeout", "readTimeout":
		u.ReadTimeout, err = parseDuration(value)
	case "write-timeout", "writeTimeout":
		u.WriteTimeout, err = parseDuration(value)
	case "charset":
		u.Charset, err = parseName(value)
	case "collation":
		u.Collation, err = parseName(value)
	case "compress":
		u.Compress, err = parseBool(value)
	case "max-packet", "maxAllowedPacket":
		u.MaxPacket, err = parsePacket(value)
	case "parseTime", "loc", "interpolateParams", "checkConnLiveness": // how Go programs get values
	case "allowAllFiles", "multiStatements":
		err = fmt.Errorf("cannot be set here")
	default:
		err = fmt.Errorf("unknown: there are socket, tls, tls-ca, tls-cert, tls-key, timeout, read-timeout, write-timeout, charset, collation, compress, max-packet")
	}
	return err
}

func parseTLS(s string) (TLSMode, error) {
	if mode, ok := driverTLS[s]; ok {
		return mode, nil
	}
	if mode := TLSMode(s); slices.Contains(tlsModes, mode) {
		return mode, nil
	}
	return "", fmt.Errorf("it is one of disabled, preferred, required, verify-ca, verify-identity")
}

func parseDuration(s string) (time.Duration, error) {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("it is a time, such as 10s")
	}
	return d, nil
}

// parseName takes what may stand in SET NAMES without quotes.
func parseName(s string) (string, error) {
	for _, c := range s {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return "", fmt.Errorf("it is one name, such as utf8mb4")
		}
	}
	return s, nil
}

func parseBool(s string) (bool, error) {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, fmt.Errorf("it is true or false")
	}
	return b, nil
}

// parsePacket takes a size up to the protocol's limit of 1 GiB.
func parsePacket(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1<<30 {
		return 0, fmt.Errorf("it is a number of bytes up to 1073741824")
	}
	return n, nil
}
