package dburl

import (
	"cmp"
	"fmt"

	"pipeworks/internal/sqltext"
)

// Settings are what completes a MySQL URL. What the URL itself says wins, then
// come the variables that the mysql client knows (MYSQL_PWD, MYSQL_HOST,
// MYSQL_TCP_PORT, MYSQL_UNIX_PORT), then its option files, then defaults.
type Settings struct {
	Getenv func(name string) string
	Warn   func(message string) // of an option file that is not read

	NoDefaults        bool   // read no option files
	DefaultsFile      string // read this one alone
	DefaultsExtraFile string // read this one, too, before the user's own

	Password func() (Secret, error) // wins over every other; nil: there is none
	Ask      func() (Secret, error) // for an option file that says password and not which
}

// given reports whether somebody asked for any of it.
func (s Settings) given() bool {
	return s.NoDefaults || s.DefaultsFile != "" || s.DefaultsExtraFile != "" || s.Password != nil
}

// Complete is u, as Resolve returns it, with all that it leaves open.
func (s Settings) Complete(u URL) (URL, error) {
	if u.Dialect != sqltext.MySQL {
		if s.given() {
			return u, &usageError{
				fmt.Sprintf("option files and passwords are for MySQL, and the database is %v", u),
				"--db or $" + Env + " names another: mysql:// is the one of the option files",
			}
		}
		return u, nil
	}
	files := newOptionFiles(s.Getenv, s.Warn)
	var err error
	switch {
	case s.NoDefaults:
	case s.DefaultsFile != "":
		err = files.read(s.DefaultsFile, 0)
	default:
		err = files.readDefaults(s.Getenv, s.DefaultsExtraFile)
	}
	if err != nil {
		return u, unreadable(err)
	}
	d, err := newDefaults(files.options, s.Getenv)
	if err != nil {
		return u, err
	}
	d.fill(&u)
	switch {
	case s.Password != nil:
		u.Password, err = s.Password()
	case u.Password == "" && d.ask && s.Ask != nil:
		u.Password, err = s.Ask()
	}
	return u, err
}

// defaults are what a URL need not say.
type defaults struct {
	URL          // Host may be localhost: the unix socket, as for the client
	tcp    bool  // localhost too
	socket bool  // whatever Host says
	verify *bool // who the server is
	ask    bool  // for the password
}

func newDefaults(options []option, getenv func(string) string) (*defaults, error) {
	d := &defaults{}
	for _, o := range options {
		if err := d.apply(o); err != nil {
			return nil, &usageError{fmt.Sprintf("%s: option %s: %v", o.where, o.name, err), hintOptionFile}
		}
	}
	d.setTLS()
	if host := getenv("MYSQL_HOST"); host != "" {
		d.Host, d.socket = host, false
	}
	d.Socket = cmp.Or(getenv("MYSQL_UNIX_PORT"), d.Socket)
	d.User = cmp.Or(d.User, getenv("USER"), getenv("LOGNAME"))
	if password := getenv("MYSQL_PWD"); password != "" {
		d.Password, d.ask = Secret(password), false
	}
	if port := getenv("MYSQL_TCP_PORT"); port != "" {
		var err error
		if d.Port, err = parsePort(port); err != nil {
			return nil, &usageError{"$MYSQL_TCP_PORT: " + err.Error(), ""}
		}
	}
	return d, nil
}

// fill sets what u leaves open.
func (d *defaults) fill(u *URL) {
	u.User = cmp.Or(u.User, d.User)
	u.Password = cmp.Or(u.Password, d.Password)
	u.Database = cmp.Or(u.Database, d.Database)
	if u.Host == "" && u.Socket == "" {
		switch {
		case d.tcp:
			u.Host = cmp.Or(d.Host, "localhost")
		case !d.socket && d.Host != "localhost":
			u.Host = d.Host
		}
	}
	if u.Host != "" {
		u.Port = cmp.Or(u.Port, d.Port, defaultPort)
	} else {
		u.Socket = cmp.Or(u.Socket, d.Socket, DefaultSocket)
	}
	if u.TLS == "" && u.TLSCA == "" && u.Host != "" { // a unix socket has no listeners, and its server no name
		u.TLS, u.TLSCA = d.TLS, d.TLSCA
	}
	if u.TLSCert == "" && u.TLSKey == "" {
		u.TLSCert, u.TLSKey = d.TLSCert, d.TLSKey
	}
	if u.TLS == "" {
		switch {
		case u.TLSCA != "":
			u.TLS = TLSVerifyIdentity
		case u.Local():
			u.TLS = TLSDisabled
		default:
			u.TLS = TLSPreferred
		}
	}
	u.Timeout = cmp.Or(u.Timeout, d.Timeout)
	u.Compress = u.Compress || d.Compress
}

const defaultPort = 3306
