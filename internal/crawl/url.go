package crawl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	whatwgerrors "github.com/nlnwa/whatwg-url/errors"
	whatwg "github.com/nlnwa/whatwg-url/url"
)

// address is an http or https URL, parsed and normalised by the rules that
// browsers go by (the WHATWG URL standard).
type address struct {
	href   string // without credentials and fragment
	origin string // scheme, host and port: what href begins with
	host   string // its name or IP address alone
	login  *url.Userinfo
}

// maxURL is longer than any server takes.
const maxURL = 64 << 10

// scheme is what a URL begins with if it names its scheme. The port of
// "localhost:8080" is none.
var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:(?:[^0-9]|$)`)

// parseAddress reads a URL as people write it in lists: http:// may be
// missing where the host is plain to see.
func parseAddress(text string) (*address, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil, errors.New("the URL is empty")
	case strings.HasPrefix(text, "//"):
		text = "http:" + text
	case !scheme.MatchString(text):
		if !startsWithHost(text) {
			return nil, errors.New("not a URL: no scheme and no host name")
		}
		text = "http://" + text
	}
	return resolve("", text)
}

// startsWithHost reports whether the text begins with what can only be a
// host: a name with a dot, an IP address, localhost, or any name with a port.
func startsWithHost(text string) bool {
	name := text
	if i := strings.IndexAny(text, "/?#"); i >= 0 {
		name = text[:i]
	}
	if strings.HasPrefix(name, "[") {
		return true
	}
	host, port, _ := strings.Cut(name, ":")
	host = strings.TrimSuffix(host, ".")
	dot := strings.LastIndexByte(host, '.')
	if strings.Trim(host[dot+1:], "0123456789") == "" { // a number in a list is no short form of an IP address
		return net.ParseIP(host) != nil
	}
	if strings.Contains(host, "@") { // an e-mail address
		return false
	}
	return dot > 0 || port != "" || strings.EqualFold(host, "localhost")
}

// resolve reads a reference in a page or a header, where base is the URL that
// it stands in, "" for an absolute URL.
func resolve(base, ref string) (*address, error) {
	if len(ref) > maxURL {
		return nil, fmt.Errorf("the URL is longer than %d bytes", maxURL)
	}
	var u *whatwg.Url
	var err error
	if base == "" {
		u, err = whatwg.Parse(ref)
	} else {
		u, err = whatwg.ParseRef(base, ref)
	}
	if err != nil {
		return nil, notURL(err)
	}
	if u.Scheme() != "http" && u.Scheme() != "https" {
		return nil, fmt.Errorf("scheme %s: only http and https can be fetched", u.Scheme())
	}
	a := &address{
		origin: u.Scheme() + "://" + u.Host(),
		host:   strings.TrimSuffix(u.Hostname(), "."),
	}
	if u.Username() != "" || u.Password() != "" {
		name, _ := url.PathUnescape(u.Username())
		password, _ := url.PathUnescape(u.Password())
		a.login = url.UserPassword(name, password)
		u.SetUsername("")
		u.SetPassword("")
	}
	a.href = u.Href(true)
	// The URL standard lets some characters stand in a host that no name has,
	// and that net/http refuses.
	if _, err := http.NewRequest(http.MethodGet, a.origin, nil); err != nil {
		return nil, fmt.Errorf("not a URL: invalid host %q", a.host)
	}
	return a, nil
}

// notURL says what is wrong without repeating the URL, which may hold a
// password.
func notURL(err error) error {
	text := string(whatwgerrors.Type(err))
	if what := whatwgerrors.Description(err); what != "" {
		text += fmt.Sprintf(": %q", what)
	}
	return errors.New("not a URL: " + strings.ToLower(text[:1]) + text[1:])
}

// redirect reads the Location of an answer. The credentials that came with a
// go along to the same origin and to no other.
func (a *address) redirect(location string) (*address, error) {
	to, err := resolve(a.href, location)
	if err != nil {
		return nil, err
	}
	if to.origin == a.origin && to.login == nil {
		to.login = a.login
	}
	return to, nil
}

// robots is where the rules of the address's origin are.
func (a *address) robots() *address {
	return &address{href: a.origin + "/robots.txt", origin: a.origin, host: a.host}
}

// loopback reports whether the address is on this machine, judging by its
// name.
func (a *address) loopback() bool {
	if a.host == "localhost" || strings.HasSuffix(a.host, ".localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(a.host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// request is a GET of the address, byte for byte.
func (a *address) request(ctx context.Context) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.origin+"/", nil)
	if err != nil {
		return nil, err
	}
	target := a.href[len(a.origin):]
	if u, err := url.Parse(a.href); err == nil && u.RequestURI() == target {
		r.URL = u
	} else {
		// Browsers, and so the URL standard, let more characters stand as they
		// are than net/url does.
		if strings.HasPrefix(target, "//") { // net/url would take it for a host
			target = a.href
		}
		var query bool
		r.URL.Opaque, r.URL.RawQuery, query = strings.Cut(target, "?")
		r.URL.ForceQuery = query && r.URL.RawQuery == ""
	}
	if a.login != nil {
		password, _ := a.login.Password()
		r.SetBasicAuth(a.login.Username(), password)
	}
	return r, nil
}
