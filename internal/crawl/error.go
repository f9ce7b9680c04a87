package crawl

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"pipeworks/internal/record"
)

// kind says at which step a page could not be had.
type kind string

// The kinds are a closed set: what a pipeline can tell apart.
const (
	kindURL      kind = "url"      // the input is no http or https URL
	kindRobots   kind = "robots"   // robots.txt forbids it, or answers 5xx
	kindDNS      kind = "dns"      // the host's name could not be looked up
	kindConnect  kind = "connect"  // no connection to the host
	kindAddress  kind = "address"  // the host's address is one that must not be connected to
	kindTLS      kind = "tls"      // no secure connection to it
	kindTimeout  kind = "timeout"  // the answer was not whole in time
	kindProtocol kind = "protocol" // the connection broke, or the answer was not HTTP
	kindRedirect kind = "redirect" // too many redirects, or one to what is no URL
	kindHTTP     kind = "http"     // status 400 or above
	kindBusy     kind = "busy"     // the host asked to be left alone for longer than we wait
	kindBody     kind = "body"     // too long, cut short, or wrongly compressed
	kindParse    kind = "parse"    // the page could not be parsed
)

// pageError is why a page could not be had: the record's error field.
type pageError struct {
	Kind      kind   `json:"kind"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"` // whether it may be had later
}

func newError(k kind, retryable bool, format string, args ...any) *pageError {
	return &pageError{k, fmt.Sprintf(format, args...), retryable}
}

// value is the error as a field of a record.
func (e *pageError) value() record.Value {
	if e == nil {
		return record.Value{}
	}
	return jsonValue(e, "")
}

// jsonValue is v, a struct or a slice of such, as a field of a record: empty if it
// is an empty slice.
func jsonValue(v any, empty string) record.Value {
	text, err := json.Marshal(v)
	if err != nil || string(text) == "null" {
		text = []byte(empty)
	}
	return record.Value{Kind: record.JSON, Bytes: text}
}

// requestError tells why a request had no answer, or not a whole one: reading
// says that its head was there.
func requestError(err error, reading bool) *pageError {
	var (
		timeout     net.Error
		dns         *net.DNSError
		op          *net.OpError
		call        *os.SyscallError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		authority   x509.UnknownAuthorityError
		refused     *addressError
	)
	switch {
	case errors.As(err, &refused):
		return newError(kindAddress, false, "connection refused: %v", refused)
	case errors.Is(err, errIdle), errors.Is(err, errTimeout), errors.Is(err, errSlow):
		return newError(kindTimeout, true, "%v", err)
	case errors.As(err, &dns):
		return newError(kindDNS, !dns.IsNotFound, "look up %s: %s", dns.Name, dns.Err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return newError(kindTimeout, true, "%v", errTimeout)
	case errors.As(err, &certificate), errors.As(err, &authority), errors.As(err, &record), errors.As(err, &alert):
		return newError(kindTLS, false, "%v", err)
	case errors.As(err, &op) && op.Op == "dial" && errors.As(err, &call):
		return newError(kindConnect, true, "connect to %v: %v", op.Addr, call.Err)
	case errors.As(err, &op) && op.Op == "dial":
		return newError(kindConnect, true, "%v", err)
	case reading:
		return newError(kindBody, true, "%v", err)
	}
	return newError(kindProtocol, true, "%v", err)
}
