package dburl

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/sqltext"
)

// show is the URL's parts in one line, the password included.
func show(u URL) string {
	if u.Dialect == sqltext.SQLite {
		return "file=" + u.File
	}
	return fmt.Sprintf("user=%s password=%s at=%s db=%s tls=%s", u.User, string(u.Password), u.Address(), u.Database, u.TLS)
}

var parseTests = []struct {
	url, want, shown string
}{
	{"mysql://root@db.example:3307/shop", "user=root password= at=db.example:3307 db=shop tls=preferred", "mysql://root@db.example:3307/shop"},
	{"mariadb://root@db.example/shop", "user=root password= at=db.example:3306 db=shop tls=preferred", "mysql://root@db.example:3306/shop"},
	{"mysql://db.example", "user= password= at=db.example:3306 db= tls=preferred", "mysql://db.example:3306/"},
	{"mysql://db.example?tls=required", "user= password= at=db.example:3306 db= tls=required", "mysql://db.example:3306/"},
	{"mysql://u:pw@localhost/d", "user=u password=pw at=localhost:3306 db=d tls=disabled", "mysql://u@localhost:3306/d"},
	{"mysql://u:p%40s%2Fs%3A%25%23@127.0.0.2/d", "user=u password=p@s/s:%# at=127.0.0.2:3306 db=d tls=disabled", "mysql://u@127.0.0.2:3306/d"},
	{"mysql://u:a@b:c@h/d", "user=u password=a@b:c at=h:3306 db=d tls=preferred", "mysql://u@h:3306/d"},
	{"mysql://u%40x:pw@[::1]:99/d%2Fe", "user=u@x password=pw at=[::1]:99 db=d/e tls=disabled", "mysql://u@x@[::1]:99/d%2Fe"},
	{"mysql://[2001:db8::1]/", "user= password= at=[2001:db8::1]:3306 db= tls=preferred", "mysql://[2001:db8::1]:3306/"},
	{"mysql:///", "user= password= at=/run/mysqld/mysqld.sock db= tls=disabled", "mysql:///?socket=/run/mysqld/mysqld.sock"},
	{"mysql://u@/d?socket=/tmp/a%26b.sock", "user=u password= at=/tmp/a&b.sock db=d tls=disabled", "mysql://u@/d?socket=/tmp/a&b.sock"},
	{"mysql://u:@h/d?tls=false", "user=u password= at=h:3306 db=d tls=disabled", "mysql://u@h:3306/d"},
	{"mysql://u@h/d?tls=true", "user=u password= at=h:3306 db=d tls=verify-identity", "mysql://u@h:3306/d"},
	{"mysql://u@h/d?tls=skip-verify", "user=u password= at=h:3306 db=d tls=required", "mysql://u@h:3306/d"},
	{"mysql://u@localhost/d?tls-ca=/ca.pem", "user=u password= at=localhost:3306 db=d tls=verify-identity", "mysql://u@localhost:3306/d"},

	{"u:pw@tcp(db.example:3307)/d", "user=u password=pw at=db.example:3307 db=d tls=preferred", "mysql://u@db.example:3307/d"},
	{"u:p@a/s(:s%@tcp(h)/d?parseTime=true&loc=Local", "user=u password=p@a/s(:s% at=h:3306 db=d tls=preferred", "mysql://u@h:3306/d"},
	{"u@unix(/tmp/m.sock)/d", "user=u password= at=/tmp/m.sock db=d tls=disabled", "mysql://u@/d?socket=/tmp/m.sock"},
	{"u@tcp/d", "user=u password= at=127.0.0.1:3306 db=d tls=disabled", "mysql://u@127.0.0.1:3306/d"},
	{"u@/d", "user=u password= at=127.0.0.1:3306 db=d tls=disabled", "mysql://u@127.0.0.1:3306/d"},
	{"tcp([::1]:3306)/", "user= password= at=[::1]:3306 db= tls=disabled", "mysql://[::1]:3306/"},
	{"u:mysql://x@tcp(h)/d", "user=u password=mysql://x at=h:3306 db=d tls=preferred", "mysql://u@h:3306/d"},

	{"sqlite:a b%20.db", "file=a b%20.db", "sqlite:a b%20.db"},
	{"sqlite:/var/x.db?y", "file=/var/x.db?y", "sqlite:/var/x.db?y"},
	{"sqlite:///var/x.db", "file=/var/x.db", "sqlite:/var/x.db"},
	{"sqlite::memory:", "file=:memory:", "sqlite::memory:"},
	{"sqlite:file:x.db?mode=ro", "file=file:x.db?mode=ro", "sqlite:file:x.db?mode=ro"},
}

func TestParse(t *testing.T) {
	for _, tt := range parseTests {
		u, err := Parse(tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		if got := show(u); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.url, got, tt.want)
		}
		if got := u.String(); got != tt.shown {
			t.Errorf("%s: shown as %s, want %s", tt.url, got, tt.shown)
		}
	}
}

func TestParseOptions(t *testing.T) {
	u, err := Parse("mysql://h/?timeout=3&read-timeout=1m&writeTimeout=2s&charset=latin1&collation=latin1_bin" +
		"&compress=true&maxAllowedPacket=1024&tls=verify-ca&tls-ca=/c%20a.pem&tls-cert=c&tls-key=k&loc=UTC")
	if err != nil {
		t.Fatal(err)
	}
	want := Options{
		TLS: TLSVerifyCA, TLSCA: "/c a.pem", TLSCert: "c", TLSKey: "k",
		Timeout: 3 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Second,
		Charset: "latin1", Collation: "latin1_bin", Compress: true, MaxPacket: 1024,
	}
	if diff := cmp.Diff(want, u.Options); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

var errorTests = []struct{ url, want string }{
	{"", "this is no database URL"},
	{"x.db", "this is no database URL"},
	{"/var/lib/x.db", "this is no database URL"},
	{"postgres://u:PW@h/d", `unknown scheme "postgres"`},
	{"sqlite:", "the URL names no SQLite file"},
	{"sqlite://x.db", "an SQLite database has no host"},
	{"mysql://u:PW@h:99999/d", "the port is not a number from 1 to 65535"},
	{"mysql://u:PW@h:0/d", "the port is not a number from 1 to 65535"},
	{"mysql://u:PW@h:/d", "the port is not a number from 1 to 65535"},
	{"mysql://u:PW", "the port is not a number from 1 to 65535"},
	{"mysql://u:PW@::1/d", "an IPv6 address stands in brackets"},
	{"mysql://u:PW@[x]/d", "the address in brackets is not an IPv6 address"},
	{"mysql://u:PW@[::1]9/d", "there is text behind the address in brackets"},
	{"mysql://u:PW@a b/d", "the host has a character that no host name has"},
	{"mysql://u:PW@:9/d", "the host has a character that no host name has"},
	{"mysql://u:1/PW@h/d", "a user, password, name or option with / ? # or @ in it needs %2F %3F %23 or %40 for it"},
	{"mysql://u:1?PW=1@h/d", "a user, password, name or option with / ? # or @ in it needs %2F %3F %23 or %40 for it"},
	{"mysql://u:1#PW@h/d", "a user, password, name or option with / ? # or @ in it needs %2F %3F %23 or %40 for it"},
	{"mysql://u:%PW@h/d", "a percent sign is written %25"},
	{"mysql://u:PW@h/d?socket=/s", "the URL names both a host and a socket"},
	{"mysql://u:PW@h/d?x", "an option is name=value"},
	{"mysql://u:PW@h/d?tls=yes", `option "tls": it is one of disabled, preferred, required, verify-ca, verify-identity`},
	{"mysql://u:PW@h/d?timeout=-1s", `option "timeout": it is a time, such as 10s`},
	{"mysql://u:PW@h/d?charset=a,b", `option "charset": it is one name, such as utf8mb4`},
	{"mysql://u:PW@h/d?compress=si", `option "compress": it is true or false`},
	{"mysql://u:PW@h/d?max-packet=1TB", `option "max-packet": it is a number of bytes up to 1073741824`},
	{"mysql://u:PW@h/d?allowAllFiles=true", `option "allowAllFiles": cannot be set here`},
	{"u:PW@tcp(h)/d?multiStatements=true", `option "multiStatements": cannot be set here`},
	{"mysql://u:PW@h/d?color=1", `option "color": unknown: there are socket, tls, tls-ca, tls-cert, tls-key, timeout, read-timeout, write-timeout, charset, collation, compress, max-packet`},
	{"u:PW@udp(h)/d", "the address is neither tcp(host:port) nor unix(path)"},
	{"u:PW@tcp(h)/d?charset=/", "an option with / in it needs %2F for it, or the address no closing parenthesis"},
	{"u:PW@tcp(h:x)/d", "the port is not a number from 1 to 65535"},
}

func TestParseErrors(t *testing.T) {
	for _, tt := range errorTests {
		_, err := Parse(tt.url)
		if err == nil {
			t.Errorf("%s: no error", tt.url)
			continue
		}
		if got, want := err.Error(), "database URL: "+tt.want; got != want {
			t.Errorf("%s:\n got %s\nwant %s", tt.url, got, want)
		}
		var usage interface {
			ExitStatus() int
			Hint() string
		}
		if !errors.As(err, &usage) || usage.ExitStatus() != 2 || usage.Hint() != hintForms {
			t.Errorf("%s: no usage error with a hint: %#v", tt.url, err)
		}
	}
}

func TestResolve(t *testing.T) {
	tests := []struct {
		flag string
		env  map[string]string
		want string
	}{
		{"sqlite:a", map[string]string{Env: "sqlite:b"}, "sqlite:a false"},
		{"", map[string]string{Env: "sqlite:b"}, "sqlite:b false"},
		{"", map[string]string{Env: "mysql://u:pw@h/d"}, "mysql://u@h:3306/d false"},
		{"mysql://h/d", map[string]string{"USER": "me"}, "mysql://me@h:3306/d false"},
		{"mysql://h/d", map[string]string{"LOGNAME": "me"}, "mysql://me@h:3306/d false"},
		{"", map[string]string{"HOME": "/home/me"}, "sqlite:/home/me/.local/share/pipeworks/default.db true"},
		{"", map[string]string{"HOME": "/home/me", "XDG_DATA_HOME": "/data"}, "sqlite:/data/pipeworks/default.db true"},
		{"", map[string]string{"HOME": "/home/me", "XDG_DATA_HOME": "data"}, "sqlite:/home/me/.local/share/pipeworks/default.db true"},
		{"", nil, "no database is named, and there is no $HOME for the default one"},
		{"mysql://u:pw@h/d", nil, "--db: a password in the arguments is seen by every user of the machine"},
		{"u:pw@tcp(h)/d", nil, "--db: a password in the arguments is seen by every user of the machine"},
		{"x", nil, "--db: database URL: this is no database URL"},
		{"", map[string]string{Env: "x"}, "$PIPEWORKS_DB: database URL: this is no database URL"},
	}
	for _, tt := range tests {
		getenv := func(name string) string { return tt.env[name] }
		u, err := Resolve(tt.flag, getenv)
		if err == nil && u.Dialect == sqltext.MySQL {
			u, err = Settings{NoDefaults: true, Getenv: getenv}.Complete(u)
		}
		got := fmt.Sprint(u, " ", u.Default)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("Resolve(%q, %v): %s, want %s", tt.flag, tt.env, got, tt.want)
		}
	}
}

func TestPasswordIsNotShown(t *testing.T) {
	u, err := Parse("mysql://u:hunter2@h/d")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{u, &u, u.Password, struct{ U URL }{u}} {
			if got := fmt.Sprintf(verb, value); strings.Contains(got, "hunter2") || strings.Contains(got, "68756e74657232") {
				t.Errorf("%s of %T shows the password: %s", verb, value, got)
			}
		}
	}
	if text, err := json.Marshal(u); err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}

// FuzzParse: whatever the password is and whatever follows, no message and no
// printed URL shows it, and a password that was encoded comes back.
func FuzzParse(f *testing.F) {
	for _, tt := range parseTests {
		f.Add("pw", tt.url)
	}
	for _, tt := range errorTests {
		f.Add("1/?#@:%", tt.url)
	}
	f.Fuzz(func(t *testing.T, around, tail string) {
		const marker = "hunter2"
		if strings.Contains(around+tail, marker) {
			t.Skip()
		}
		password := around + marker + around
		for _, s := range []string{
			"mysql://u:" + password + "@" + tail,
			"mysql://u:" + password + "@h/d?" + tail,
			"u:" + password + "@tcp(h)/d",
			"u:" + password + "@" + tail,
		} {
			u, err := Parse(s)
			shown := fmt.Sprint(u)
			if err != nil {
				shown = err.Error()
			}
			if strings.Contains(shown, marker) {
				t.Errorf("%q shows the password: %s", s, shown)
			}
		}
		var encoded strings.Builder
		for _, c := range []byte(password) {
			fmt.Fprintf(&encoded, "%%%02X", c)
		}
		u, err := Parse("mysql://u:" + encoded.String() + "@h/d")
		if err != nil || string(u.Password) != password {
			t.Errorf("password %q came back as %q, %v", password, string(u.Password), err)
		}
	})
}
