package transport

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// URL says which way to talk, and with whom.
type URL struct {
	Scheme string
	User   string
	Host   string // with its port: "localhost:9000", ":9000"
	Path   string // tcp://host/PATH, fifo:PATH, shm:PATH; percent-decoded
	Query  url.Values
}

// errPassword is a URL that everybody on the machine could read.
var errPassword = errors.New("a password in a URL on the command line can be read by everybody on the machine")

// ParseURL parses scheme://[user@]host[:port][/path][?options] and
// scheme:path[?options]. A password in it is refused.
func ParseURL(s string) (URL, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" {
		return URL{}, fmt.Errorf("%q is no URL: it begins with a scheme, such as tcp://host:9000 or fifo:PATH", s)
	}
	u := URL{Scheme: strings.ToLower(scheme)}
	if !strings.HasPrefix(rest, "//") {
		path, query, _ := strings.Cut(rest, "?")
		var err error
		if u.Path, err = url.PathUnescape(path); err != nil {
			return u, fmt.Errorf("%s: %w", s, err)
		}
		u.Query, err = url.ParseQuery(query)
		return u, err
	}
	parsed, err := url.Parse(s)
	if err != nil {
		if cause, ok := errors.AsType[*url.Error](err); ok { // it has the whole URL in its text, and with it a password
			err = cause.Err
		}
		return u, fmt.Errorf("%s URL: %w", u.Scheme, err)
	}
	if parsed.User != nil {
		if _, has := parsed.User.Password(); has {
			return u, errPassword
		}
		u.User = parsed.User.Username()
	}
	u.Host, u.Path = parsed.Host, parsed.Path
	u.Query, err = url.ParseQuery(parsed.RawQuery)
	return u, err
}

// IsPassword reports whether err is that of a password in a URL.
func IsPassword(err error) bool { return errors.Is(err, errPassword) }

// String is the URL without its options.
func (u URL) String() string {
	if u.Host == "" && u.User == "" {
		return u.Scheme + ":" + u.Path
	}
	if u.User != "" {
		return u.Scheme + "://" + url.PathEscape(u.User) + "@" + u.Host + u.Path
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// Name is the path without the slash that separates it from the host.
func (u URL) Name() string { return strings.TrimPrefix(u.Path, "/") }

// Option is the value of an option; empty if it is not given.
func (u URL) Option(name string) string { return u.Query.Get(name) }

// Errorf is an error in how the URL is written: nothing was done.
func (u URL) Errorf(format string, args ...any) error {
	return &formError{fmt.Errorf("%s: "+format, append([]any{u}, args...)...)}
}

type formError struct{ error }

func (e *formError) Unwrap() error   { return e.error }
func (e *formError) ExitStatus() int { return 2 }

// Check refuses options that t does not know, or that say two things.
func (u URL) Check(t Transport) error {
	for name, values := range u.Query {
		if len(values) > 1 {
			return u.Errorf("option %s is given twice", name)
		}
		if !slices.ContainsFunc(t.Options, func(o Option) bool { return o.Name == name }) {
			var known []string
			for _, o := range t.Options {
				known = append(known, o.Name)
			}
			if known == nil {
				return u.Errorf("unknown option %q: %s has none", name, t.Scheme)
			}
			return u.Errorf("unknown option %q: it is one of %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// Bool is the value of an option that is on or off: "1", "true", or nothing
// behind its name is on.
func (u URL) Bool(name string) (bool, error) {
	if !u.Query.Has(name) {
		return false, nil
	}
	if u.Option(name) == "" {
		return true, nil
	}
	on, err := strconv.ParseBool(u.Option(name))
	if err != nil {
		return false, u.Errorf("option %s=%s: it is true or false", name, u.Option(name))
	}
	return on, nil
}

// Int is the value of an option that is a number from least on, preset if it is
// not given.
func (u URL) Int(name string, preset, least int) (int, error) {
	if !u.Query.Has(name) {
		return preset, nil
	}
	n, err := strconv.Atoi(u.Option(name))
	if err != nil || n < least {
		return 0, u.Errorf("option %s=%s: it is a number from %d on", name, u.Option(name), least)
	}
	return n, nil
}

// Duration is the value of an option that is a time, preset if it is not given.
func (u URL) Duration(name string, preset time.Duration) (time.Duration, error) {
	if !u.Query.Has(name) {
		return preset, nil
	}
	d, err := time.ParseDuration(u.Option(name))
	if err != nil || d < 0 {
		return 0, u.Errorf("option %s=%s: times are written 500ms, 10s, 2m", name, u.Option(name))
	}
	return d, nil
}
