// Package dburl says which database a URL names, with the option files and
// variables of the mysql client. It opens no database and knows no driver, so
// that a tool that only needs the dialect links none.
//
// The forms:
//
//	mysql://user:password@host:3306/db?option=value&…    mariadb:// is the same
//	mysql://user@/db?socket=/run/mysqld/mysqld.sock      no host: the unix socket
//	user:password@tcp(host:3306)/db?…                    as the Go driver writes it,
//	user@unix(/run/mysqld/mysqld.sock)/db                and only there nothing is percent-encoded
//	mysql://                                             what the option files say
//	sqlite:FILE                                          the path as it is
//	sqlite::memory:
//
// In the first two, a user, password or name with one of :/?#@% in it has them
// percent-encoded. The options are in options.go.
package dburl

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"pipeworks/internal/sqltext"
)

// DefaultSocket is where a local server listens if the URL names neither a
// host nor a socket.
const DefaultSocket = "/run/mysqld/mysqld.sock"

// Env is the environment variable that names the database.
const Env = "PIPEWORKS_DB"

// URL is a parsed database URL.
type URL struct {
	Dialect sqltext.Dialect
	Default bool // nobody named a database: it is the embedded one

	File string // SQLite: a path, :memory:, or a file: URI of SQLite's own

	// The rest is for MySQL.
	User     string
	Password Secret
	Host     string // without brackets; empty: Socket
	Port     int
	Socket   string
	Database string // may be empty
	Options
}

// Secret is a text that no fmt verb shows.
type Secret string

// Format implements fmt.Formatter.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// MarshalText keeps the secret out of JSON, too.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// String is the URL for messages: without password and options.
func (u URL) String() string {
	if u.Dialect == sqltext.SQLite {
		return "sqlite:" + u.File
	}
	var b strings.Builder
	b.WriteString("mysql://")
	if u.User != "" {
		b.WriteString(url.PathEscape(u.User) + "@")
	}
	if u.Host != "" {
		b.WriteString(u.Address())
	}
	b.WriteString("/" + url.PathEscape(u.Database))
	if u.Host == "" {
		b.WriteString("?socket=" + u.Socket)
	}
	return b.String()
}

// Address is the host and port, or the path of the socket.
func (u URL) Address() string {
	if u.Host == "" {
		return u.Socket
	}
	return net.JoinHostPort(u.Host, strconv.Itoa(u.Port))
}

// Local reports whether the server is reached without a network.
func (u URL) Local() bool {
	ip := net.ParseIP(u.Host)
	return u.Host == "" || strings.EqualFold(u.Host, "localhost") || ip != nil && ip.IsLoopback()
}

// Resolve returns the database that a flag names, else the environment, else
// the embedded default. What a MySQL URL leaves open is so: Settings complete
// it. A password in the flag is refused: every user of the machine can read the
// arguments of a process.
func Resolve(flag string, getenv func(string) string) (URL, error) {
	source, s := "--db", flag
	if s == "" {
		source, s = "$"+Env, getenv(Env)
	}
	if s == "" {
		file, err := defaultFile(getenv)
		return URL{Dialect: sqltext.SQLite, Default: true, File: file}, err
	}
	u, err := parse(s)
	if err != nil {
		return URL{}, fmt.Errorf("%s: %w", source, err)
	}
	if flag != "" && u.Password != "" {
		return URL{}, &usageError{
			"--db: a password in the arguments is seen by every user of the machine",
			"put the URL in $" + Env + ", which only you can read",
		}
	}
	return u, nil
}

// defaultFile follows the XDG Base Directory Specification, which says to
// ignore a path that is not absolute.
func defaultFile(getenv func(string) string) (string, error) {
	data := getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) {
		home := getenv("HOME")
		if !filepath.IsAbs(home) {
			return "", &usageError{"no database is named, and there is no $HOME for the default one", hintForms}
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "pipeworks", "default.db"), nil
}

// Parse parses one of the forms above and completes it without option files and
// environment. Its errors quote nothing of what may be a password.
func Parse(s string) (URL, error) {
	u, err := parse(s)
	if err == nil && u.Dialect == sqltext.MySQL {
		new(defaults).fill(&u)
	}
	return u, err
}

func parse(s string) (URL, error) {
	if file, ok := strings.CutPrefix(s, "sqlite:"); ok {
		return parseSQLite(file)
	}
	for _, scheme := range []string{"mysql://", "mariadb://"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok {
			return parseURL(rest)
		}
	}
	if scheme, _, ok := strings.Cut(s, "://"); ok && isScheme(scheme) {
		return URL{}, malformed(fmt.Sprintf("unknown scheme %q", scheme))
	}
	if strings.LastIndexByte(s, '/') > strings.IndexAny(s, "@(") && strings.ContainsAny(s, "@(") {
		return parseDSN(s)
	}
	return URL{}, malformed("this is no database URL")
}

// isScheme reports whether s is a scheme of RFC 3986, in lower case.
func isScheme(s string) bool {
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+.-") == ""
}

func parseSQLite(file string) (URL, error) {
	if rest, ok := strings.CutPrefix(file, "//"); ok {
		if !strings.HasPrefix(rest, "/") {
			return URL{}, malformed("an SQLite database has no host")
		}
		file = rest
	}
	if file == "" {
		return URL{}, malformed("the URL names no SQLite file")
	}
	return URL{Dialect: sqltext.SQLite, File: file}, nil
}

// parseURL parses what follows mysql://.
func parseURL(s string) (u URL, err error) {
	authority, rest := s, ""
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		authority, rest = s[:i], s[i:]
	}
	if strings.ContainsAny(rest, "@#") { // the authority ended too early, perhaps in the password
		return URL{}, malformed("a user, password, name or option with / ? # or @ in it needs %2F %3F %23 or %40 for it")
	}
	host := authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		host = authority[i+1:]
		user, password, _ := strings.Cut(authority[:i], ":")
		if u.User, err = unescape(user); err != nil {
			return URL{}, err
		}
		if password, err = unescape(password); err != nil {
			return URL{}, err
		}
		u.Password = Secret(password)
	}
	path, query, _ := strings.Cut(rest, "?")
	if u.Database, err = unescape(strings.TrimPrefix(path, "/")); err != nil {
		return URL{}, err
	}
	if err := u.setAddress(host); err != nil {
		return URL{}, err
	}
	return u.finish(query)
}

// parseDSN parses [user[:password]@][net[(address)]]/db[?options], where the
// driver takes the last slash and the last at sign before it.
func parseDSN(s string) (u URL, err error) {
	slash := strings.LastIndexByte(s, '/')
	left, right := s[:slash], s[slash+1:]
	at := strings.LastIndexByte(left, '@')
	if at >= 0 {
		user, password, _ := strings.Cut(left[:at], ":")
		u.User, u.Password = user, Secret(password)
	}
	database, query, _ := strings.Cut(right, "?")
	if u.Database, err = unescape(database); err != nil {
		return URL{}, err
	}
	network, address, ok := strings.Cut(left[at+1:], "(")
	if ok {
		if address, ok = strings.CutSuffix(address, ")"); !ok {
			return URL{}, malformed("an option with / in it needs %2F for it, or the address no closing parenthesis")
		}
	}
	switch {
	case network == "unix":
		u.Socket = address
	case network == "tcp" && address != "":
		err = u.setAddress(address)
	case network == "" && !ok, network == "tcp":
		err = u.setAddress("127.0.0.1") // the driver's default
	default:
		return URL{}, malformed("the address is neither tcp(host:port) nor unix(path)")
	}
	if err != nil {
		return URL{}, err
	}
	return u.finish(query)
}

// setAddress takes host, host:port, [ipv6] or [ipv6]:port.
func (u *URL) setAddress(s string) error {
	if s == "" {
		return nil
	}
	var host, port string
	var found bool
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 || net.ParseIP(s[1:end]) == nil {
			return malformed("the address in brackets is not an IPv6 address")
		}
		host = s[1:end]
		if rest := s[end+1:]; rest != "" {
			if port, found = strings.CutPrefix(rest, ":"); !found {
				return malformed("there is text behind the address in brackets")
			}
		}
	} else if host, port, found = strings.Cut(s, ":"); strings.Contains(port, ":") {
		return malformed("an IPv6 address stands in brackets")
	}
	if found {
		n, err := parsePort(port)
		if err != nil { // which quotes nothing: without an @ behind it a password stands here
			return malformed(err.Error())
		}
		u.Port = n
	}
	if host == "" || strings.ContainsAny(host, "%()[] \t\r\n\x00") {
		return malformed("the host has a character that no host name has")
	}
	u.Host = host
	return nil
}

// finish sets the options.
func (u URL) finish(query string) (URL, error) {
	if err := u.setOptions(query); err != nil {
		return URL{}, err
	}
	if u.Host != "" && u.Socket != "" {
		return URL{}, malformed("the URL names both a host and a socket")
	}
	return u, nil
}

// unescape is url.PathUnescape without its error, which quotes the text.
func unescape(s string) (string, error) {
	plain, err := url.PathUnescape(s)
	if err != nil {
		return "", malformed("a percent sign is written %25")
	}
	return plain, nil
}

const hintForms = "the forms are mysql://user@host:3306/db, mysql://user@/db?socket=PATH, user@tcp(host:3306)/db, sqlite:FILE and sqlite::memory:"

// usageError ends a tool before it has done anything.
type usageError struct{ message, hint string }

func malformed(message string) error { return &usageError{"database URL: " + message, hintForms} }

func (e *usageError) Error() string { return e.message }

// Hint is what to do instead.
func (e *usageError) Hint() string { return e.hint }

// ExitStatus is that of wrong usage.
func (e *usageError) ExitStatus() int { return 2 }
