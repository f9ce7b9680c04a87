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
