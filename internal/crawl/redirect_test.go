package crawl

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestRedirects(t *testing.T) {
	page := text("<title>end</title>")
	a := answers(map[string]http.HandlerFunc{
		"/relative":  redirect("dir/x?y#z"),
		"/dir/x":     page,
		"/host":      redirect("//b.test/ok"),
		"/other":     redirect("http://b.test/back"),
		"/forbidden": redirect("http://b.test/private/x"),
		"/loop":      redirect("/loop"),
		"/mail":      redirect("mailto:x@a.test"),
		"/nowhere":   redirect("http://[/"),
		"/gone":      redirect("http://c.test/"),
		"/empty":     status(http.StatusFound),
		"/ok":        page,
	})
	b := answers(map[string]http.HandlerFunc{
		"/robots.txt": plain("User-agent: *\nDisallow: /private/"),
		"/ok":         page,
		"/back":       redirect("http://a.test/ok"),
	})
	for _, c := range []struct {
		path, final string
		status      int
		title       string
		failure     string
		seen        []string
	}{
		{"relative", "http://a.test/dir/x?y", 200, "end", "", []string{"http://a.test/relative", "http://a.test/dir/x?y"}},
		{"host", "http://b.test/ok", 200, "end", "", []string{"http://a.test/host", "http://b.test/ok"}},
		{"other", "http://a.test/ok", 200, "end", "", []string{"http://a.test/other", "http://b.test/back", "http://a.test/ok"}},
		{"forbidden", "http://b.test/private/x", 0, "", "robots", []string{"http://a.test/forbidden"}},
		{"mail", "http://a.test/mail", 302, "", "redirect", []string{"http://a.test/mail"}},
		{"nowhere", "http://a.test/nowhere", 302, "", "redirect", []string{"http://a.test/nowhere"}},
		{"gone", "http://c.test/", 0, "", "dns", []string{"http://a.test/gone"}},
		{"empty", "http://a.test/empty", 302, "302", "", []string{"http://a.test/empty"}},
		{"loop", "http://a.test/loop", 302, "", "redirect", strings.Fields(strings.Repeat("http://a.test/loop ", maxRedirects+1))},
	} {
		t.Run(c.path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newInternet(t, map[string]http.HandlerFunc{"a.test": a, "b.test": b})
				got, _ := n.run(Config{}, "http://a.test/"+c.path)
				if len(got) != 1 {
					t.Fatalf("records %+v", got)
				}
				r := got[0]
				if r.FinalURL != c.final || r.Status != c.status || r.Title != c.title || failure(r) != c.failure {
					t.Errorf("%+v, %+v", r, r.Error)
				}
				if diff := cmp.Diff(c.seen, n.pages()); diff != "" {
					t.Errorf("requests (-want +got)\n%s", diff)
				}
			})
		})
	}
}

// Who is redirected from the public internet to an address that is not of it
// is not connected, unless that is allowed; who was sent there is.
func TestPrivateRedirects(t *testing.T) {
	inside := answers(map[string]http.HandlerFunc{"/x": text("<title>secret</title>")})
	for _, c := range []struct {
		name, input string
		cfg         Config
		failures    []string
	}{
		{"from outside", "http://out.test/", Config{}, []string{"address"}},
		{"from outside, by another one", "http://out.test/far", Config{}, []string{"address"}},
		{"from outside, allowed", "http://out.test/", Config{AllowPrivateRedirects: true}, []string{""}},
		{"from inside", "http://in2.test/", Config{}, []string{""}},
		{"straight", "http://in.test/x", Config{}, []string{""}},
		{"both", "http://out.test/\nhttp://in.test/x", Config{}, []string{"address", ""}},
		{"both, the other way round", "http://in.test/x\nhttp://out.test/", Config{}, []string{"", "address"}},
		{"public only", "http://in.test/x", Config{PublicOnly: true}, []string{"address"}},
		{"public only, outside", "http://out.test/x", Config{PublicOnly: true}, []string{""}},
		{"metadata", "http://meta.test/x", Config{AllowPrivateRedirects: true}, []string{"address"}},
	} {
		for _, ignore := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newInternet(t, map[string]http.HandlerFunc{
						"out.test": answers(map[string]http.HandlerFunc{
							"/": redirect("http://in.test/x"), "/far": redirect("http://out2.test/"), "/x": text("x"),
						}),
						"out2.test": answers(map[string]http.HandlerFunc{"/": redirect("http://in.test/x")}),
						"in.test":   inside,
						"in2.test":  answers(map[string]http.HandlerFunc{"/": redirect("http://in.test/x")}),
						"meta.test": inside,
					})
					n.ips = map[string]string{"out.test": "93.184.216.34", "out2.test": "2606:2800:220:1::1", "in.test": "10.0.0.1", "in2.test": "10.0.0.2", "meta.test": "169.254.169.254"}
					c.cfg.IgnoreRobots = ignore
					got, _ := n.run(c.cfg, c.input)
					var failures []string
					for _, r := range got {
						failures = append(failures, failure(r))
					}
					if diff := cmp.Diff(c.failures, failures); diff != "" {
						t.Errorf("failures (-want +got)\n%s", diff)
					}
				})
			})
		}
	}
}

// What the user gave is shown to whom it was given for, and to nobody that a
// redirect leads to.
func TestOwnCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{
			"a.test":      answers(map[string]http.HandlerFunc{"/1": redirect("/2"), "/2": redirect("http://a.test:8080/3")}),
			"a.test:8080": answers(map[string]http.HandlerFunc{"/3": redirect("http://b.test/4")}),
			"b.test":      answers(map[string]http.HandlerFunc{"/4": redirect("http://a.test/5")}),
		})
		var own Credentials
		if err := own.AddHeader("X-Api-Key:  secret "); err != nil {
			t.Fatal(err)
		}
		own.logins = map[string]login{"b.test": {"u", "p"}}
		n.run(Config{Credentials: own}, "http://a.test/1\n")
		want := map[string]string{
			"http://a.test/1": "secret", "http://a.test/2": "secret", "http://a.test:8080/3": "", "http://b.test/4": "", "http://a.test/5": "secret",
		}
		for _, r := range n.log() {
			if key, ok := want[r.URL]; ok && r.Key != key {
				t.Errorf("%s saw the header as %q, want %q", r.URL, r.Key, key)
			}
			if host := strings.Contains(r.URL, "b.test"); host != (r.Auth == "Basic dTpw") {
				t.Errorf("%s saw Authorization %q", r.URL, r.Auth)
			}
		}
	})
}

// The credentials of a URL go to its origin, behind redirects too, and to no
// other.
func TestCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{
			"a.test": answers(map[string]http.HandlerFunc{
				"/1": redirect("/2"),
				"/2": redirect("http://a.test/3"),
				"/3": redirect("http://a.test:8080/4"),
			}),
			"a.test:8080": answers(map[string]http.HandlerFunc{"/4": redirect("http://b.test/5")}),
			"b.test":      answers(map[string]http.HandlerFunc{"/5": redirect("http://a.test/6")}),
		})
		n.run(Config{}, "http://us%40er:p%3Aw@a.test/1\n")
		const basic = "Basic dXNAZXI6cDp3" // us@er:p:w
		sent := map[string]string{}
		for _, r := range n.log() {
			sent[r.URL] = r.Auth
		}
		want := map[string]string{
			"http://a.test/robots.txt": "", "http://a.test/1": basic, "http://a.test/2": basic, "http://a.test/3": basic,
			"http://a.test:8080/robots.txt": "", "http://a.test:8080/4": "",
			"http://b.test/robots.txt": "", "http://b.test/5": "",
			"http://a.test/6": "",
		}
		if diff := cmp.Diff(want, sent); diff != "" {
			t.Errorf("Authorization (-want +got)\n%s", diff)
		}
	})
}
