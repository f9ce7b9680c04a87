package crawl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Credentials are what the user gave to show to servers. Each goes only where it
// was given for: headers to the origins of the input's URLs, cookies and logins
// to the hosts that their files name.
type Credentials struct {
	headers http.Header
	cookies []cookie
	logins  map[string]login
}

type login struct{ name, password string }

// AddHeader reads a line of the form "Name: value". One that begins with @ names a
// file of such lines, so that no secret has to stand in an argument.
func (c *Credentials) AddHeader(line string) error {
	path, isFile := strings.CutPrefix(line, "@")
	if !isFile {
		return c.addHeader(line)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := c.addHeader(line); err != nil {
			return fmt.Errorf("%s: line %d: %w", path, i+1, err)
		}
	}
	return nil
}

var errHeader = errors.New(`not a header: it is written "Name: value"`)

// addHeader does not repeat the line, which may hold a secret.
func (c *Credentials) addHeader(line string) error {
	name, value, ok := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	if !ok || !isToken(name) || strings.ContainsFunc(value, unicode.IsControl) {
		return errHeader
	}
	if c.headers == nil {
		c.headers = http.Header{}
	}
	c.headers.Add(name, value)
	return nil
}

// isToken reports whether a header may have the name (RFC 9110, section 5.6.2).
func isToken(name string) bool {
	const others = "!#$%&'*+-.^_`|~"
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r >= unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(others, r)
	})
}

// add puts into a request what its server may see.
func (c *Credentials) add(r *http.Request, t *task) {
	for i := range c.cookies {
		if k := &c.cookies[i]; k.fits(t.to) {
			r.AddCookie(&http.Cookie{Name: k.name, Value: k.value})
		}
	}
	if l, ok := c.logins[t.to.host]; ok && r.Header.Get("Authorization") == "" {
		r.SetBasicAuth(l.name, l.password)
	}
	if t.rules != nil || t.home != t.to.origin {
		return
	}
	for name, values := range c.headers {
		r.Header[name] = values
		if name == "Host" {
			r.Host = values[0]
		}
	}
}

// cookie is a line of a Netscape cookie file.
type cookie struct {
	domain      string
	subdomains  bool
	path        string
	secure      bool
	expires     int64 // in Unix seconds; 0: never
	name, value string
}

// ReadCookies reads the cookie file that browsers and curl write.
func (c *Credentials) ReadCookies(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if c.cookies, err = parseCookies(f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func parseCookies(r io.Reader) (cookies []cookie, err error) {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimPrefix(strings.TrimRight(lines.Text(), "\r"), "#HttpOnly_")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) == 6 { // of a cookie without a value
			f = append(f, "")
		}
		if len(f) != 7 {
			return nil, fmt.Errorf("line %d: %d fields between tabs, a cookie has 7", n, len(f))
		}
		expires, err := strconv.ParseInt(f[4], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: the time %q is not a number", n, f[4])
		}
		cookies = append(cookies, cookie{
			domain:     strings.ToLower(strings.TrimPrefix(f[0], ".")),
			subdomains: strings.EqualFold(f[1], "TRUE"),
			path:       f[2],
			secure:     strings.EqualFold(f[3], "TRUE"),
			expires:    expires,
			name:       f[5], value: f[6],
		})
	}
	return cookies, lines.Err()
}

// fits reports whether the cookie is one for the address: RFC 6265, section 5.4.
func (c *cookie) fits(a *address) bool {
	if c.secure && !strings.HasPrefix(a.origin, "https:") || c.expires > 0 && c.expires < time.Now().Unix() {
		return false
	}
	if a.host != c.domain && !(c.subdomains && strings.HasSuffix(a.host, "."+c.domain)) {
		return false
	}
	path, _, _ := strings.Cut(a.href[len(a.origin):], "?")
	rest, ok := strings.CutPrefix(path, c.path)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(c.path, "/"))
}

// ReadNetrc reads the logins of a file in the form of ~/.netrc, by machine.
func (c *Credentials) ReadNetrc(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if c.logins, err = parseNetrc(string(text)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// parseNetrc reads words as the ftp command does: a macro ends with an empty line,
// a login without a machine is for any and is not read.
func parseNetrc(text string) (map[string]login, error) {
	logins := map[string]login{}
	machine, inMacro := "", false
	for line := range strings.Lines(text) {
		if inMacro {
			inMacro = strings.TrimSpace(line) != ""
			continue
		}
		words := strings.Fields(line)
		for len(words) > 0 {
			word := words[0]
			words = words[1:]
			if strings.HasPrefix(word, "#") {
				break
			}
			if word == "default" {
				machine = ""
				continue
			}
			if word == "macdef" {
				inMacro = true
				break
			}
			if len(words) == 0 {
				return nil, fmt.Errorf("nothing behind %q", word)
			}
			value := words[0]
			words = words[1:]
			switch word {
			case "machine":
				machine = strings.ToLower(value)
				logins[machine] = login{}
			case "login", "password":
				l, ok := logins[machine]
				if !ok {
					continue
				}
				if word == "login" {
					l.name = value
				} else {
					l.password = value
				}
				logins[machine] = l
			case "account":
			default:
				return nil, fmt.Errorf("unknown word %q", word)
			}
		}
	}
	return logins, nil
}
