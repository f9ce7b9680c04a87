package dburl

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// optionFileTests are read here and by my_print_defaults, which must agree.
var optionFileTests = []struct{ text, want string }{
	{"", ""},
	{"[client]\nuser=me\n", "--user=me"},
	{"[client]\n\n# c\n ; c\n  user = me \t\n\thost\n", "--user=me|--host"},
	{"[mysqld]\nuser=a\n[mysql]\nuser=b\n[sqlpipe]\nuser=c\n[client-mariadb]\nuser=d\n[mariadb-client]\nuser=e\n[client-server]\nuser=f\n", "--user=b|--user=c|--user=d|--user=e|--user=f"},
	{"[client]\r\nuser=me\r\n", "--user=me"},
	{"[client]\npassword=\"a#b\"\npassword='a;b'\npassword=a#b\npassword=a b # c\npassword=#\n", "--password=a#b|--password=a;b|--password=a|--password=a b|--password="},
	{"[client]\npassword=\"it's\"\npassword='say \"x\"'\npassword=\"\"\npassword=''\npassword='\npassword=\"a'\n", `--password=it's|--password=say "x"|--password=|--password=|--password='|--password="a'`},
	{`[client]` + "\n" + `password=a\tb\sc\\d\"e\'f\xg\` + "\n", "--password=a\tb c\\d\"e'f\\xg\\"},
	{`[client]` + "\n" + `password="a\"#b"` + "\n" + `password="a\\"#b` + "\n" + `password='a\'b'#'` + "\n", `--password=a"#b|--password=a\|--password=a'b`},
	{"[client]\na=b=c\na b = c d\nuser=\n", "--a=b=c|--a b=c d|--user="},
	{"[ client]\nuser=a\n[client ]\nuser=b\n[CLIENT]\nuser=c\n[client] # x\nuser=d\n[client\t]x]\nuser=e\n", "--user=b|--user=c|--user=d|--user=e"},
	{"[client]\nuser=é\nhost =東京 \n", "--user=é|--host=東京"},
	{"[client]\n!nothing x\n! include /no/such.cnf\nuser=me\n", "--user=me"},
	{"[client]\nuser = \"a b\" c\n'user'=x\n", "--user=\"a b\" c|--'user'=x"},
}

// show is the form in which my_print_defaults prints options, one a line.
func printOptions(options []option) string {
	lines := make([]string, len(options))
	for i, o := range options {
		lines[i] = "--" + o.name
		if !o.bare {
			lines[i] += "=" + o.value
		}
	}
	return strings.Join(lines, "|")
}

func readFile(path string, env map[string]string) (string, error) {
	f := newOptionFiles(func(name string) string { return env[name] }, func(string) {})
	err := f.read(path, 0)
	return printOptions(f.options), err
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOptionFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my.cnf")
	for _, tt := range optionFileTests {
		writeFile(t, path, tt.text)
		got, err := readFile(path, nil)
		if err != nil || got != tt.want {
			t.Errorf("%q:\n got %s, %v\nwant %s", tt.text, got, err, tt.want)
		}
		if want, ok := printDefaults(t, path, nil); ok && got != want {
			t.Errorf("%q:\n got %s\nmy_print_defaults %s", tt.text, got, want)
		}
	}
}

// lookPrintDefaults finds MariaDB's my_print_defaults. That of MySQL hides
// passwords.
var lookPrintDefaults = sync.OnceValues(func() (program string, ok bool) {
	program, err := exec.LookPath("my_print_defaults")
	if err != nil {
		return "", false
	}
	version, err := exec.Command(program, "--version").Output()
	return program, err == nil && strings.Contains(string(version), "Ver 1.")
})

// printDefaults is what MariaDB's own program makes of a file, if it is here.
func printDefaults(t *testing.T, path string, env []string) (string, bool) {
	t.Helper()
	program, ok := lookPrintDefaults()
	if !ok {
		return "", false
	}
	cmd := exec.CommandContext(t.Context(), program, append([]string{"--defaults-file=" + path}, optionGroups...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("my_print_defaults %s: %v", path, err)
	}
	return strings.ReplaceAll(strings.TrimSuffix(string(out), "\n"), "\n", "|"), true
}

// Random files are read as my_print_defaults reads them.
func TestOptionFilesAsTheClient(t *testing.T) {
	if _, ok := lookPrintDefaults(); !ok {
		t.Skip("MariaDB's my_print_defaults is not here")
	}
	pieces := []string{
		"[client]", "[mysql]", "[other]", "[", "]", "user", "password", "=", "=", "=", "'", `"`, `\`, `\n`, `\s`, `\"`, `\'`, `\\`,
		"#", ";", " ", " ", "\t", "a", "b c", "é", "!", "\n", "\n", "\n",
	}
	r := rand.New(rand.NewPCG(1, 0))
	path := filepath.Join(t.TempDir(), "my.cnf")
	for range 200 {
		var text strings.Builder
		text.WriteString("[client]\n")
		for range r.IntN(40) {
			text.WriteString(pieces[r.IntN(len(pieces))])
		}
		text.WriteString("\n")
		writeFile(t, path, text.String())
		got, err := readFile(path, nil)
		if err != nil {
			continue // so does the client
		}
		want, _ := printDefaults(t, path, nil)
		// An escaped line end in a value is one in the output, too.
		if got := strings.ReplaceAll(got, "\n", "|"); got != want {
			t.Errorf("%q:\n got %q\nwant %q", text.String(), got, want)
		}
	}
}

func TestIncludes(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	writeFile(t, path("main.cnf"), fmt.Sprintf("[client]\na=1\n!include %s\nb=2\n  ! includedir  %s\t\nc=3\n!include %s\n", path("one"), path("d"), path("none")))
	writeFile(t, path("one"), "[mysql]\nin=one\n[other]\nx=y\n")
	writeFile(t, path("d/2.cnf"), "[client]\nin=2\n")
	writeFile(t, path("d/10.cnf"), "[client]\nin=10\n")
	writeFile(t, path("d/x.txt"), "[client]\nin=x\n")
	writeFile(t, path("d/.cnf"), "[client]\nin=hidden\n")
	if err := os.Symlink("nowhere", path("d/11.cnf")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path("self.cnf"), fmt.Sprintf("[client]\na=1\n!include %s\n", path("self.cnf")))
	writeFile(t, path("suffix.cnf"), "[client]\na=1\n[client_x]\na=2\n[mysql_y]\na=3\n")
	for _, tt := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"main.cnf", nil, "--a=1|--in=one|--b=2|--in=hidden|--in=10|--in=2|--c=3"},
		{"self.cnf", nil, strings.TrimSuffix(strings.Repeat("--a=1|", 11), "|")},
		{"suffix.cnf", map[string]string{"MYSQL_GROUP_SUFFIX": "_x"}, "--a=1|--a=2"},
		{"suffix.cnf", map[string]string{"MARIADB_GROUP_SUFFIX": "_y", "MYSQL_GROUP_SUFFIX": "_x"}, "--a=1|--a=3"},
	} {
		got, err := readFile(path(tt.name), tt.env)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.name, got, err, tt.want)
		}
		var env []string
		for name, value := range tt.env {
			env = append(env, name+"="+value)
		}
		if want, ok := printDefaults(t, path(tt.name), env); ok && got != want {
			t.Errorf("%s: got %s\nmy_print_defaults %s", tt.name, got, want)
		}
	}
}

// The files that every client reads, in the order of my_print_defaults.
func TestDefaultFilesAsTheClient(t *testing.T) {
	program, ok := lookPrintDefaults()
	if !ok {
		t.Skip("MariaDB's my_print_defaults is not here")
	}
	home, other, extra := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "extra")
	writeFile(t, filepath.Join(home, ".my.cnf"), "[client]\na=home\n!include "+extra+"\n")
	writeFile(t, filepath.Join(other, "my.cnf"), "[client]\na=other\n")
	writeFile(t, extra, "[mysql]\na=extra\n")
	for _, variables := range [][]string{{"MYSQL_HOME", other}, {"MARIADB_HOME", other}, {"MYSQL_HOME", home, "MARIADB_HOME", other}, nil} {
		env := pairs(append(variables, "HOME", home))
		cmd := exec.CommandContext(t.Context(), program, append([]string{"--defaults-extra-file=" + extra}, optionGroups...)...)
		for name, value := range env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		getenv := func(name string) string { return env[name] }
		f := newOptionFiles(getenv, func(string) {})
		if err := f.readDefaults(getenv, extra); err != nil {
			t.Fatal(err)
		}
		if got, want := printOptions(f.options), strings.ReplaceAll(strings.TrimSuffix(string(out), "\n"), "\n", "|"); got != want {
			t.Errorf("%v:\n got %s\nwant %s", env, got, want)
		}
	}
}

func TestOptionFileErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my.cnf")
	for text, want := range map[string]string{
		"[client]\n!include \n":         "line 2: !include and !includedir take a path",
		"[client]\n = me\n":             "line 2: an option without a name",
		"user=me\n":                     "line 1: an option before the first [group]",
		"[client]\n\n[mysql\n":          "line 3: a group without its closing bracket",
		"[client]\n!includedir /no/d\n": "open /no/d: no such file or directory",
	} {
		writeFile(t, path, text)
		if _, err := readFile(path, nil); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	writeFile(t, path, "[client]\nuser=me\n")
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if got, err := readFile(path, nil); got != "" || err != nil {
		t.Errorf("a file that everybody can write to: %s, %v", got, err)
	}
}

// Complete takes each thing from the first place that says it: the URL, the
// environment, the files in their order, a default.
func TestComplete(t *testing.T) {
	home, extra := t.TempDir(), filepath.Join(t.TempDir(), "extra.cnf")
	mysqlHome := t.TempDir()
	none := func(env ...string) map[string]string { return pairs(append(env, "USER", "login")) }
	with := func(env ...string) map[string]string { return pairs(append(env, "USER", "login", "HOME", home)) }
	writeFile(t, filepath.Join(home, ".my.cnf"), "[client]\nuser=fu\npassword=fp\nhost=fh\nport=33\n[mysql]\ndatabase=fd\n")
	writeFile(t, extra, "[client]\nhost=eh\nsocket=/e.sock\n[sqlpipe]\nssl_mode=VERIFY_CA\n")
	writeFile(t, filepath.Join(mysqlHome, "my.cnf"), "[client]\nhost=mh\nuser=mu\n")
	for _, tt := range []struct {
		url  string
		s    Settings
		env  map[string]string
		want string
	}{
		{"mysql://h", Settings{NoDefaults: true}, none(), "user=login password= at=h:3306 db= tls=preferred"},
		{"mysql://", Settings{NoDefaults: true}, with(), "user=login password= at=/run/mysqld/mysqld.sock db= tls=disabled"},
		{"mysql://", Settings{NoDefaults: true}, none("MYSQL_HOST", "eh", "MYSQL_TCP_PORT", "44", "MYSQL_PWD", "ep", "MYSQL_UNIX_PORT", "/u"), "user=login password=ep at=eh:44 db= tls=preferred"},
		{"mysql://", Settings{NoDefaults: true}, none("MYSQL_HOST", "localhost", "MYSQL_UNIX_PORT", "/u"), "user=login password= at=/u db= tls=disabled"},
		{"mysql://u:p@h:1/d", Settings{NoDefaults: true}, none("MYSQL_HOST", "eh", "MYSQL_TCP_PORT", "44", "MYSQL_PWD", "ep"), "user=u password=p at=h:1 db=d tls=preferred"},
		{"mysql://u@/d?socket=/s", Settings{NoDefaults: true}, none("MYSQL_HOST", "eh", "MYSQL_UNIX_PORT", "/u"), "user=u password= at=/s db=d tls=disabled"},
		{"mysql://", Settings{}, with(), "user=fu password=fp at=fh:33 db=fd tls=preferred"},
		{"mysql://", Settings{}, with("MYSQL_PWD", "ep", "MYSQL_HOST", "eh"), "user=fu password=ep at=eh:33 db=fd tls=preferred"},
		{"mysql://u@h/d", Settings{}, with(), "user=u password=fp at=h:33 db=d tls=preferred"},
		{"mysql://", Settings{DefaultsExtraFile: extra}, with(), "user=fu password=fp at=fh:33 db=fd tls=verify-ca"},
		{"mysql://", Settings{}, none("MYSQL_HOME", mysqlHome), "user=mu password= at=mh:3306 db= tls=preferred"},
		{"mysql://", Settings{}, with("MYSQL_HOME", mysqlHome), "user=fu password=fp at=fh:33 db=fd tls=preferred"},
		{"u@tcp/d", Settings{}, with(), "user=u password=fp at=127.0.0.1:33 db=d tls=disabled"},
		{"mysql://h?tls=required", Settings{DefaultsExtraFile: extra}, none(), "user=login password= at=h:3306 db= tls=required"},
		{"mysql://u:p@h", Settings{Password: func() (Secret, error) { return "flag", nil }}, with(), "user=u password=flag at=h:33 db=fd tls=preferred"},
		{"mysql://u:p@h", Settings{Password: func() (Secret, error) { return "", nil }}, with(), "user=u password= at=h:33 db=fd tls=preferred"},
	} {
		u, err := parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		tt.s.Getenv = func(name string) string { return tt.env[name] }
		if tt.s.DefaultsFile == "" && !tt.s.NoDefaults && machineHasOptions() {
			continue
		}
		u, err = tt.s.Complete(u)
		if got := show(u); err != nil || got != tt.want {
			t.Errorf("%s %v:\n got %s, %v\nwant %s", tt.url, tt.env, got, err, tt.want)
		}
	}
}

// machineHasOptions reports whether this machine's own files would have a part
// in the result.
func machineHasOptions() bool {
	f := newOptionFiles(func(string) string { return "" }, func(string) {})
	_ = f.readDefaults(func(string) string { return "" }, "")
	for _, o := range f.options {
		if o.name != "socket" || o.value != DefaultSocket {
			return true
		}
	}
	return false
}

func pairs(env []string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(env); i += 2 {
		m[env[i]] = env[i+1]
	}
	return m
}

// Every option that concerns the connection, as the client understands it.
func TestClientOptions(t *testing.T) {
	for text, want := range map[string]string{
		"host=h\nport=1\nuser=u\npassword=p\ndatabase=d": "user=u password=p at=h:1 db=d tls=preferred",
		"host=localhost\nsocket=/s\nport=1":              "user= password= at=/s db= tls=disabled",
		"host=localhost\nprotocol=tcp\nport=1":           "user= password= at=localhost:1 db= tls=disabled",
		"protocol=TCP":                                   "user= password= at=localhost:3306 db= tls=disabled",
		"host=h\nprotocol=socket\nsocket=/s":             "user= password= at=/s db= tls=disabled",
		"ssl\nssl-ca=/c\nssl-verify-server-cert":         "user= password= at=/run/mysqld/mysqld.sock db= tls=disabled",
		"host=h\nssl":                                    "user= password= at=h:3306 db= tls=required",
		"host=h\nssl=0":                                  "user= password= at=h:3306 db= tls=disabled",
		"host=h\nskip_ssl":                               "user= password= at=h:3306 db= tls=disabled",
		"host=h\nssl=on\nssl-verify-server-cert":         "user= password= at=h:3306 db= tls=verify-identity",
		"host=h\nssl_ca=/c\nloose-ssl-cert=/d":           "user= password= at=h:3306 db= tls=verify-ca",
		"host=h\nssl-ca=/c\nskip-ssl-verify-server-cert": "user= password= at=h:3306 db= tls=required",
		"host=h\nssl-mode=DISABLED\nssl-ca=/c":           "user= password= at=h:3306 db= tls=disabled",
		"host=h\npassword=a\nskip-password":              "user= password= at=h:3306 db= tls=preferred",
		"host=h\npassword":                               "user= password=asked at=h:3306 db= tls=preferred",
		"host=h\nprompt=x\ndefault-character-set=latin1\nmax_allowed_packet=1K\nno-auto-rehash": "user= password= at=h:3306 db= tls=preferred",
		"user":              "option user: it needs a value",
		"port=0":            "option port: the port is not a number from 1 to 65535",
		"protocol=pipe":     "option protocol: it is tcp or socket here",
		"ssl-crl=/x":        "option ssl-crl: there is no such option here, and without it less would be verified",
		"connect_timeout=x": "option connect_timeout: it is a time, such as 10s",
	} {
		path := filepath.Join(t.TempDir(), "my.cnf")
		writeFile(t, path, "[client]\n"+text+"\n")
		s := Settings{DefaultsFile: path, Getenv: func(string) string { return "" }, Ask: func() (Secret, error) { return "asked", nil }}
		u, err := s.Complete(URL{})
		got := show(u)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasSuffix(got, want) {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestSettingsForSQLite(t *testing.T) {
	u, err := parse("sqlite:x.db")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Settings{}.Complete(u)
	if diff := cmp.Diff(u, got, cmp.AllowUnexported()); err != nil || diff != "" {
		t.Error(diff, err)
	}
	if _, err := (Settings{NoDefaults: true}).Complete(u); err == nil || !strings.Contains(err.Error(), "sqlite:x.db") {
		t.Errorf("error %v", err)
	}
}

// Whatever a file has in it, a value that is written with quotes and escapes
// is read back behind it, and no error shows a password.
func FuzzOptionFile(f *testing.F) {
	for _, tt := range optionFileTests {
		f.Add(tt.text, "it's a \"b\" \\ # ;")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		const marker = "hunter2"
		escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, " ", `\s`, "\b", `\b`).Replace(value)
		files := &optionFiles{groups: optionGroups, warn: func(string) {}}
		err := files.parse("f", strings.ReplaceAll(text, "!", "")+"\n[client]\npassword=\""+marker+escaped+"\"\n", 0)
		if err != nil {
			if strings.Contains(err.Error(), marker) {
				t.Errorf("the error shows the password: %v", err)
			}
			return
		}
		last := files.options[len(files.options)-1]
		if last.name != "password" || last.value != marker+value {
			t.Errorf("%q came back as %s=%q", value, last.name, last.value)
		}
	})
}
