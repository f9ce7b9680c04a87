package crawl

import (
	"strings"
	"testing"

	whatwg "github.com/nlnwa/whatwg-url/url"
)

var addresses = []struct{ text, href, failure string }{
	{"http://a.test/x", "http://a.test/x", ""},
	{" HTTPS://A.test:443/%7e/../b?c d#e ", "https://a.test/b?c%20d", ""},
	{"http:a.test", "http://a.test/", ""},
	{"//a.test/x", "http://a.test/x", ""},
	{"a.test", "http://a.test/", ""},
	{"a.test.", "http://a.test./", ""},
	{"http://a.test/a|%zz?", "http://a.test/a|%zz?", ""},
	{"http://a.test//b^", "http://a.test//b^", ""},
	{"a.{", "", `not a URL: invalid host "a.{"`},
	{"a.test/x:y?z", "http://a.test/x:y?z", ""},
	{"a.test?x", "http://a.test/?x", ""},
	{"localhost", "http://localhost/", ""},
	{"LocalHost:8080/x", "http://localhost:8080/x", ""},
	{"wiki:8080", "http://wiki:8080/", ""},
	{"127.0.0.1/x", "http://127.0.0.1/x", ""},
	{"127.0.0.1:80", "http://127.0.0.1/", ""},
	{"[::1]:81/x", "http://[::1]:81/x", ""},
	{"münchen.test/ü", "http://xn--mnchen-3ya.test/%C3%BC", ""},
	{"http://user:pass@a.test/", "http://a.test/", ""},
	{"http://a.test/a|b/%zz?\"", "http://a.test/a|b/%zz?%22", ""},
	{"http://a.test//b\\c", "http://a.test//b/c", ""},
	{"", "", "the URL is empty"},
	{"foo", "", "not a URL: no scheme and no host name"},
	{"/x.html", "", "not a URL: no scheme and no host name"},
	{"#top", "", "not a URL: no scheme and no host name"},
	{"3.14", "", "not a URL: no scheme and no host name"},
	{"1234", "", "not a URL: no scheme and no host name"},
	{"12:30", "", "not a URL: no scheme and no host name"},
	{"someone@a.test", "", "not a URL: no scheme and no host name"},
	{"...", "", "not a URL: no scheme and no host name"},
	{"Mr. Smith", "", `not a URL: the host contains a forbidden domain code point: " "`},
	{"mailto:someone@a.test", "", "scheme mailto: only http and https can be fetched"},
	{"file:///etc/passwd", "", "scheme file: only http and https can be fetched"},
	{"user:secret@a.test", "", "scheme user: only http and https can be fetched"},
	{"http://", "", "not a URL: the input has a special scheme, but does not contain a host"},
	{"http://user:secret@a b/", "", `not a URL: the host contains a forbidden domain code point: " "`},
	{"http://a.test:99999/", "", "not a URL: the input's port is outside the range [0-65535]"},
	{"http://[::1/", "", "not a URL: an IPv6 address is missing the closing U+005D (])"},
}

func TestParseAddress(t *testing.T) {
	for _, c := range addresses {
		a, err := parseAddress(c.text)
		switch {
		case message(err) != c.failure:
			t.Errorf("%q: error %q, want %q", c.text, message(err), c.failure)
		case err == nil && a.href != c.href:
			t.Errorf("%q: %s, want %s", c.text, a.href, c.href)
		}
	}
}

func TestAddressParts(t *testing.T) {
	a, err := parseAddress("http://us%65r:p%3Aw@A.test.:8080/x?y#z")
	if err != nil {
		t.Fatal(err)
	}
	password, _ := a.login.Password()
	got := []string{a.origin, a.host, a.login.Username(), password, a.robots().href}
	want := "http://a.test.:8080 a.test user p:w http://a.test.:8080/robots.txt"
	if strings.Join(got, " ") != want {
		t.Errorf("parts %q, want %s", got, want)
	}
}

func TestLoopback(t *testing.T) {
	for text, expect := range map[string]bool{
		"localhost": true, "x.localhost": true, "127.1.2.3": true, "[::1]": true, "[::ffff:127.0.0.1]": true,
		"a.test": false, "notlocalhost.test": false, "10.0.0.1": false, "[::2]": false, "localhost.test": false,
	} {
		a, err := parseAddress("http://" + text + "/")
		if err != nil {
			t.Fatal(err)
		}
		if got := a.loopback(); got != expect {
			t.Errorf("%s: loopback %v, want %v", text, got, expect)
		}
	}
}

func TestResolver(t *testing.T) {
	a, err := parseAddress("http://user:secret@a.test/d/i?q")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ base, ref, expect string }{
		{"", "x", "http://a.test/d/x"},
		{"", "?p#f", "http://a.test/d/i?p#f"},
		{"", "", "http://a.test/d/i?q"},
		{"/b/", "x", "http://a.test/b/x"},
		{"//b.test/c/", "../x", "http://b.test/x"},
		{"http://[", "x", "http://a.test/d/x"},
		{"", "mailto:x", "mailto:x"},
		{"", "http://[", ""},
	} {
		if got, ok := a.resolver()(c.base, c.ref); got != c.expect || ok != (c.expect != "") {
			t.Errorf("%q at base %q: %q, want %q", c.ref, c.base, got, c.expect)
		}
	}
}

// Links that look plain are resolved as all others are.
func FuzzResolve(f *testing.F) {
	for _, base := range []string{"http://a.test/", "http://a.test/d/e/f.html?q", "https://u:p@a.test:8080//x//y", "http://a.test", "data:x"} {
		for _, ref := range []string{"x", "x.html", "../x", "../../../x/y.z#f-1", "/x/y", "//b.test/x", "/..", ".x", "x/..", "x/.y", "", "..", "../", "#f", "x#a/b", "x#.", "?q", "a:b", "x y", "x//y", "../x//", "/", "..//x", "http://b.test/x#y", "https://b.test/", "https://b.test", "http://B.test/", "http://1.2/x", "http://b.2c/x", "http://b.test:80/", "http://u@b.test/", "http://b.test/../x", "http://b..test/", "http:x"} {
			f.Add(base, ref)
		}
	}
	f.Fuzz(func(t *testing.T, base, ref string) {
		url, err := whatwg.Parse(base)
		if err != nil {
			return
		}
		want := ""
		u, err := url.Parse(ref)
		if err == nil {
			want = u.Href(false)
		}
		if got, ok := newLinkBase(url).resolve(ref); got != want || ok != (err == nil) {
			t.Errorf("%q at base %q: %q, want %q", ref, base, got, want)
		}
	})
}

// What was parsed parses to itself, names its origin, and is what the request
// line says.
func FuzzParseAddress(f *testing.F) {
	for _, c := range addresses {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAddress(text)
		if err != nil {
			return
		}
		again, err := parseAddress(a.href)
		if err != nil || again.href != a.href || again.origin != a.origin || again.host != a.host || again.login != nil {
			t.Fatalf("%q is %+v, and that %+v, %v", text, a, again, err)
		}
		request, err := a.request(t.Context())
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		target := request.URL.RequestURI()
		if got := request.URL.Scheme + "://" + request.Host; got != a.origin {
			t.Errorf("%q: request to %s, want %s", text, got, a.origin)
		}
		if want := a.href[len(a.origin):]; target != want && target != a.href {
			t.Errorf("%q: request for %s, want %s", text, target, want)
		}
		if strings.ContainsAny(target, " \r\n\x00") {
			t.Errorf("%q: request for %q", text, target)
		}
	})
}
