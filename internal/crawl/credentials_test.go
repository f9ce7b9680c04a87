package crawl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHeaders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(file, []byte("A: 1\n\nb-c:  2 \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var c Credentials
	for _, line := range []string{"X: y: z", "@" + file, "a: 3"} {
		if err := c.AddHeader(line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	want := map[string][]string{"X": {"y: z"}, "A": {"1", "3"}, "B-C": {"2"}}
	if diff := cmp.Diff(want, map[string][]string(c.headers)); diff != "" {
		t.Errorf("headers (-want +got)\n%s", diff)
	}
	for _, line := range []string{"", "X", ": y", "a b: c", "é: x", "X: a\nY: b", "X: a\x00", "@" + file + "x"} {
		if err := c.AddHeader(line); err == nil || strings.Contains(err.Error(), "y") && !strings.HasPrefix(line, "@") && line == ": y" && !strings.Contains(err.Error(), errHeader.Error()) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestCookies(t *testing.T) {
	cookies, err := parseCookies(strings.NewReader("# Netscape HTTP Cookie File\r\n\r\n" +
		".a.test\tTRUE\t/\tFALSE\t0\tall\t1\r\n" +
		"#HttpOnly_a.test\tFALSE\t/x\tFALSE\t0\tpath\t2\n" +
		"a.test\tFALSE\t/\tTRUE\t0\tsecure\t3\n" +
		"a.test\tFALSE\t/\tFALSE\t1\told\t4\n" +
		"a.test\tFALSE\t/\tFALSE\t99999999999\tempty\n"))
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"http://a.test/":      "all empty",
		"https://a.test/":     "all secure empty",
		"http://a.test/x":     "all path empty",
		"http://a.test/x/y?z": "all path empty",
		"http://a.test/xy":    "all empty",
		"http://b.a.test/x":   "all",
		"http://ba.test/":     "",
		"http://test/":        "",
	} {
		to, err := parseAddress(url)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range cookies {
			if c.fits(to) {
				names = append(names, c.name)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: cookies %q, want %q", url, got, want)
		}
	}
	for _, text := range []string{"a.test TRUE / FALSE 0 name value", "a.test\tTRUE\t/\tFALSE\tnever\tname\tvalue"} {
		if _, err := parseCookies(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), "line 1: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNetrc(t *testing.T) {
	got, err := parseNetrc(`# hosts
machine A.test login u password p
machine b.test
	login v
	account x
	password q # no
macdef init
login nobody
password no

machine c.test login w password r default login anonymous password me
`)
	want := map[string]login{"a.test": {"u", "p"}, "b.test": {"v", "q"}, "c.test": {"w", "r"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(login{})); diff != "" || err != nil {
		t.Errorf("%v, logins (-want +got)\n%s", err, diff)
	}
	for _, text := range []string{"machine", "machine a login", "a.test u p"} {
		if _, err := parseNetrc(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// What the files of credentials hold is never a panic, and a cookie that fits is
// one of its host.
func FuzzCredentials(f *testing.F) {
	f.Add("machine a.test login u password p", "a.test\tTRUE\t/\tFALSE\t0\tn\tv")
	f.Add("macdef x\n\ndefault login u", "#HttpOnly_.a.test\tTRUE\t/x\tTRUE\t1\tn\tv")
	to := &address{href: "http://b.a.test/x/y?z", origin: "http://b.a.test", host: "b.a.test"}
	f.Fuzz(func(t *testing.T, netrc, jar string) {
		_, _ = parseNetrc(netrc)
		cookies, err := parseCookies(strings.NewReader(jar))
		if err != nil {
			return
		}
		for _, c := range cookies {
			if c.fits(to) && (c.secure || !strings.HasSuffix(to.host, c.domain) || c.expires > 0 && c.expires < time.Now().Unix()) {
				t.Errorf("%+v goes to %s", c, to.href)
			}
		}
	})
}
