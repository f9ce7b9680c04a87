package crawl

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

const (
	attemptTimeout = 2 * time.Second // to connect to one of several addresses, at least
	lookupLife     = time.Minute     // of what a name resolved to
	maxLookups     = 16              // at once
	maxNames       = 10_000          // whose addresses are kept
)

// dialFunc opens connections; tests have their own.
type dialFunc func(ctx context.Context, to reach, address string) (net.Conn, error)

// reach says which addresses a connection may have.
type reach uint8

const (
	anywhere   reach = iota // but for those that serve nobody but their own machine
	publicOnly              // those of the public internet alone
)

// addressError is an address that must not be connected to.
type addressError struct {
	ip     netip.Addr
	reason string
}

func (e *addressError) Error() string { return fmt.Sprintf("%s is %s", e.ip, e.reason) }

// isPublic is a list of all ranges that are not: the methods of netip.Addr miss
// many, such as 100.64.0.0/10 and what is embedded in addresses of IPv6. Ports
// are free.
var isPublic = ssrf.New(ssrf.WithDeniedV4Prefixes(netip.PrefixFrom(azureWire, 32))).SafeAddr

// azureWire is public by its range, but is what 169.254.169.254 is elsewhere.
var azureWire = netip.AddrFrom4([4]byte{168, 63, 129, 16})

// metadata are the addresses where clouds tell a machine its secrets, beside the
// link-local ones.
var metadata = []netip.Addr{
	azureWire,
	netip.AddrFrom4([4]byte{100, 100, 100, 200}),
	netip.AddrFrom4([4]byte{192, 0, 0, 192}),
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("fd20:ce::254"),
}

// check returns why an address must not be connected to.
func (r reach) check(ip netip.Addr) error {
	ip = ip.Unmap()
	if r == publicOnly {
		if isPublic(ip) != nil {
			return &addressError{ip, "not public"}
		}
		return nil
	}
	switch at := embedded(ip); {
	case at.IsLinkLocalUnicast():
		return &addressError{ip, "link-local"}
	case slices.Contains(metadata, at):
		return &addressError{ip, "that of a metadata service"}
	}
	return nil
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixToFour = netip.MustParsePrefix("2002::/16")    // RFC 3056
)

// embedded is the IPv4 address that an IPv6 address leads to, or else ip itself.
func embedded(ip netip.Addr) netip.Addr {
	switch b := ip.As16(); {
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return ip
}

// control is called with the address that a connection is about to have, behind
// any look-up, so that a name that resolves differently the second time is of no
// use.
func (r reach) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	return r.check(at.Addr())
}

// resolver looks names up, a few at once, and knows the answers for a while.
type resolver struct {
	slots chan struct{}

	mu    sync.Mutex
	names map[string]lookup
}

type lookup struct {
	ips     []netip.Addr
	expires time.Time
}

func newResolver() *resolver {
	return &resolver{slots: make(chan struct{}, maxLookups), names: map[string]lookup{}}
}

func (r *resolver) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	if ips := r.known(host); ips != nil {
		return ips, nil
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.names) >= maxNames {
		clear(r.names)
	}
	r.names[host] = lookup{ips, time.Now().Add(lookupLife)}
	return ips, nil
}

func (r *resolver) known(host string) []netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.names[host]; time.Now().Before(known.expires) {
		return known.ips
	}
	return nil
}

// dialer connects to the addresses of a name, one after the other.
type dialer struct {
	resolver *resolver
	timeout  time.Duration // for one
}

func (d *dialer) dial(ctx context.Context, to reach, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ips, err := d.resolver.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	one := net.Dialer{Control: to.control, Timeout: d.timeout}
	if len(ips) > 1 {
		one.Timeout = max(d.timeout/time.Duration(len(ips)), min(attemptTimeout, d.timeout))
	}
	var first error
	for _, ip := range ips {
		conn, err := one.DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), port))
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}
