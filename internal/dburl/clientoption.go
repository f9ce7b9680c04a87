package dburl

import (
	"errors"
	"strconv"
	"strings"
)

// apply takes an option of the mysql client that concerns the connection, and
// passes over the others. Its character set is one of them: rows are UTF-8. So
// is its longest packet: the server is asked for it.
func (d *defaults) apply(o option) (err error) {
	name := strings.TrimPrefix(strings.ReplaceAll(o.name, "_", "-"), "loose-")
	if fields := map[string]*string{
		"user": &d.User, "host": &d.Host, "socket": &d.Socket, "database": &d.Database,
		"ssl-ca": &d.TLSCA, "ssl-cert": &d.TLSCert, "ssl-key": &d.TLSKey,
	}; fields[name] != nil {
		if o.bare {
			return errors.New("it needs a value")
		}
		*fields[name] = o.value
		return nil
	}
	off := false
	for _, no := range []string{"skip-", "disable-"} {
		if strings.HasPrefix(name, no) {
			name, off = name[len(no):], true
		}
	}
	on := !off && (o.bare || o.value == "1" || strings.EqualFold(o.value, "on") || strings.EqualFold(o.value, "true"))
	switch name {
	case "password":
		d.Password, d.ask = Secret(o.value), o.bare && !off
		if off {
			d.Password = ""
		}
	case "port":
		d.Port, err = parsePort(o.value)
	case "protocol":
		d.tcp, d.socket = strings.EqualFold(o.value, "tcp"), strings.EqualFold(o.value, "socket")
		if !d.tcp && !d.socket {
			err = errors.New("it is tcp or socket here")
		}
	case "connect-timeout":
		d.Timeout, err = parseDuration(o.value)
	case "compress":
		d.Compress = on
	case "ssl":
		d.TLS = TLSDisabled
		if on {
			d.TLS = TLSRequired
		}
	case "ssl-mode":
		d.TLS, err = parseTLS(strings.ToLower(strings.ReplaceAll(o.value, "_", "-")))
	case "ssl-verify-server-cert":
		d.verify = &on
	case "ssl-capath", "ssl-crl", "ssl-crlpath":
		err = errors.New("there is no such option here, and without it less would be verified")
	}
	return err
}

// setTLS makes a mode of the options, each of which implies others. A
// certificate of an authority is for verifying.
func (d *defaults) setTLS() {
	switch {
	case d.TLS == TLSDisabled || d.TLS == TLSVerifyIdentity:
	case d.verify != nil && *d.verify:
		d.TLS = TLSVerifyIdentity
	case d.TLSCA != "" && d.verify == nil:
		d.TLS = TLSVerifyCA
	case d.TLS == "" && (d.TLSCA != "" || d.TLSCert != ""):
		d.TLS = TLSRequired
	}
}

func parsePort(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, errors.New("the port is not a number from 1 to 65535")
	}
	return int(n), nil
}
