package robots

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var decisions = []struct {
	name   string
	file   string
	agent  string
	url    string
	expect bool
}{
	{"no file", "", "foobot", "http://a.example/x", true},
	{"plain", "User-agent: foobot\nDisallow: /x", "foobot", "http://a.example/x/y", false},
	{"case of keys and agents", "USER-AGENT: FooBot\nDISALLOW: /x", "fOObOT", "http://a.example/x", false},
	{"case of paths", "User-agent: foobot\nDisallow: /X", "foobot", "http://a.example/x", true},
	{"another agent", "User-agent: barbot\nDisallow: /", "foobot", "http://a.example/x", true},
	{"an agent's name is no prefix", "User-agent: foo\nDisallow: /", "foobot", "http://a.example/x", true},
	{"everyone", "User-agent: *\nDisallow: /", "foobot", "http://a.example/x", false},
	{"everyone with a remark", "User-agent: * (all)\nDisallow: /", "foobot", "http://a.example/x", false},
	{"star glued to a name", "User-agent: *bot\nDisallow: /", "foobot", "http://a.example/x", true},
	{"own group replaces everyone's", "User-agent: *\nDisallow: /\nUser-agent: foobot\nDisallow: /y", "foobot", "http://a.example/x", true},
	{"own empty group replaces everyone's", "User-agent: *\nDisallow: /\nUser-agent: foobot\nDisallow:", "foobot", "http://a.example/x", true},
	{"own group without a rule at the end", "User-agent: *\nDisallow: /\nUser-agent: foobot", "foobot", "http://a.example/x", true},
	{"version behind the name", "User-agent: foobot/2.1\nDisallow: /", "foobot", "http://a.example/x", false},
	{"groups merge", "User-agent: foobot\nDisallow: /x\nUser-agent: b\nDisallow:\nUser-agent: foobot\nDisallow: /y", "foobot", "http://a.example/x", false},
	{"several agents, one group", "User-agent: b\nUser-agent: foobot\nUser-agent: c\nDisallow: /", "foobot", "http://a.example/x", false},
	{"an unknown key ends no group", "User-agent: foobot\nCrawl-delay: 1\nSitemap: /s\nUser-agent: b\nDisallow: /", "foobot", "http://a.example/x", false},
	{"rules outside groups", "Disallow: /\nUser-agent: foobot\nAllow: /y", "foobot", "http://a.example/x", true},
	{"longest wins", "User-agent: *\nAllow: /x/\nDisallow: /x/page", "foobot", "http://a.example/x/page", false},
	{"longest wins in any order", "User-agent: *\nDisallow: /\nAllow: /x/", "foobot", "http://a.example/x/page", true},
	{"allow on a tie", "User-agent: *\nDisallow: /x\nAllow: /x", "foobot", "http://a.example/x", true},
	{"stars count as length", "User-agent: *\nAllow: /page\nDisallow: /*.html", "foobot", "http://a.example/page.html", false},
	{"star", "User-agent: *\nDisallow: /a*c", "foobot", "http://a.example/abbbc/d", false},
	{"star takes nothing too", "User-agent: *\nDisallow: /a*c", "foobot", "http://a.example/ac", false},
	{"end", "User-agent: *\nDisallow: /*.php$", "foobot", "http://a.example/x.php", false},
	{"end, and more", "User-agent: *\nDisallow: /*.php$", "foobot", "http://a.example/x.php?y", true},
	{"dollar elsewhere is itself", "User-agent: *\nDisallow: /a$b", "foobot", "http://a.example/a$bc", false},
	{"query", "User-agent: *\nDisallow: /*?id=", "foobot", "http://a.example/x?id=1", false},
	{"query without a path", "User-agent: *\nDisallow: /?", "foobot", "http://a.example?id=1", false},
	{"fragment is not seen", "User-agent: *\nDisallow: /*y", "foobot", "http://a.example/x#y", true},
	{"path without a slash in front", "User-agent: *\nDisallow: x", "foobot", "http://a.example/x", true},
	{"index stands for the directory", "User-agent: *\nAllow: /a/index.html\nDisallow: /", "foobot", "http://a.example/a/", true},
	{"index stands for nothing below", "User-agent: *\nAllow: /a/index.html\nDisallow: /", "foobot", "http://a.example/a/b", false},
	{"index in a disallow is itself", "User-agent: *\nDisallow: /a/index.html", "foobot", "http://a.example/a/", true},
	{"non-ASCII rule", "User-agent: *\nDisallow: /ツ", "foobot", "http://a.example/%E3%83%84", false},
	{"lower-case encoding in a rule", "User-agent: *\nDisallow: /%e3%83%84", "foobot", "http://a.example/%E3%83%84", false},
	{"encoded ASCII stays", "User-agent: *\nDisallow: /%62", "foobot", "http://a.example/b", true},
	{"comment", "User-agent: * # all\nDisallow: /x # no", "foobot", "http://a.example/x", false},
	{"forgotten colons", "User-agent foobot\nDisallow /x", "foobot", "http://a.example/x", false},
	{"forgotten colon, three words", "User-agent foobot\nDisallow /x /y", "foobot", "http://a.example/x", true},
	{"misspelt agent key", "Useragent: foobot\nDisallow: /", "foobot", "http://a.example/x", false},
	{"misspelt disallow", "User-agent: *\nDisalow: /", "foobot", "http://a.example/x", false},
	{"longer key", "User-agent: *\nDisallows: /", "foobot", "http://a.example/x", false},
	{"unknown misspelling", "User-agent: *\nDisallou: /", "foobot", "http://a.example/x", true},
	{"byte order mark", "\xef\xbb\xbfUser-agent: *\nDisallow: /", "foobot", "http://a.example/x", false},
	{"half a byte order mark", "\xef\xbbUser-agent: *\nDisallow: /", "foobot", "http://a.example/x", false},
	{"broken byte order mark", "\xef\x11\xbfUser-agent: *\nDisallow: /", "foobot", "http://a.example/x", true},
	{"lines ended by CR", "User-agent: *\rDisallow: /", "foobot", "http://a.example/x", false},
	{"lines ended by CRLF", "User-agent: *\r\nDisallow: /\r\n", "foobot", "http://a.example/x", false},
	{"white space", " User-agent\t: \v* \f\n\tDisallow\t:\t/x\t", "foobot", "http://a.example/x", false},
	{"NUL ends the line", "User-agent: *\nDisallow: /x\x00y", "foobot", "http://a.example/x", false},
	{"long line is cut", "User-agent: *\nDisallow: /x/" + strings.Repeat("y", maxLine), "foobot", "http://a.example/x/" + strings.Repeat("y", maxLine-len("Disallow: /x/")), false},
	{"no key", "User-agent: *\n: /", "foobot", "http://a.example/x", true},
	{"URL in a query", "User-agent: *\nDisallow: /\nAllow: /x?u=http://b.example?c", "foobot", "http://a.example/x?u=http://b.example?c", true},
}

func TestAllowed(t *testing.T) {
	for _, c := range decisions {
		t.Run(c.name, func(t *testing.T) {
			if got := Parse([]byte(c.file), c.agent).Allowed(c.url); got != c.expect {
				t.Errorf("Allowed(%q) = %v, want %v for\n%s", c.url, got, c.expect, c.file)
			}
		})
	}
}

// Decisions that Google's parser made on files of real sites.
func TestReferenceDecisions(t *testing.T) {
	for _, path := range []string{"testdata/cases.jsonl", "../../../shared/data/robots-cases.jsonl"} {
		t.Run(path, func(t *testing.T) {
			f, err := os.Open(path)
			if errors.Is(err, fs.ErrNotExist) && path != "testdata/cases.jsonl" {
				t.Skipf("the larger collection is not here: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			decided := 0
			for decoder := json.NewDecoder(bufio.NewReader(f)); ; {
				var file struct {
					Robots string
					Cases  []struct {
						Agent, URL string
						Allowed    bool
					}
				}
				if err := decoder.Decode(&file); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				for _, c := range file.Cases {
					decided++
					if got := Parse([]byte(file.Robots), c.Agent).Allowed(c.URL); got != c.Allowed {
						t.Errorf("%s at %s: allowed = %v, want %v for\n%s", c.Agent, c.URL, got, c.Allowed, file.Robots)
					}
				}
			}
			if decided == 0 {
				t.Error("no decision in the file")
			}
		})
	}
}

func TestDelayAndSitemaps(t *testing.T) {
	const file = `Sitemap: https://a.example/1.xml
User-agent: *
Crawl-delay: 7
Disallow: /

User-agent: foobot
Crawl-delay: 0.5
Crawl-delay: 2.5
Crawl-delay: soon
Crawl-delay: -3
Crawl-delay: NaN
Site-map: https://a.example/2.xml
Allow: /

User-agent: eternal
Crawl-delay: Inf
`
	sitemaps := []string{"https://a.example/1.xml", "https://a.example/2.xml"}
	for agent, delay := range map[string]time.Duration{
		"foobot":  2500 * time.Millisecond,
		"eternal": 24 * time.Hour,
		"other":   7 * time.Second,
	} {
		got := Parse([]byte(file), agent)
		if got.CrawlDelay != delay {
			t.Errorf("%s: delay %v, want %v", agent, got.CrawlDelay, delay)
		}
		if diff := cmp.Diff(sitemaps, got.Sitemaps); diff != "" {
			t.Errorf("%s: sitemaps (-want +got)\n%s", agent, diff)
		}
	}
}

func TestZeroRules(t *testing.T) {
	if !new(Rules).Allowed("http://a.example/x") {
		t.Error("the zero Rules forbid something")
	}
}

func TestPathOf(t *testing.T) {
	for url, expect := range map[string]string{
		"":                                   "/",
		"http://a.example":                   "/",
		"http://a.example/a/b?c=http://d.e/": "/a/b?c=http://d.e/",
		"http://a.example/a?b#c?d":           "/a?b",
		"http://a.example#/b":                "/",
		"a.example/a;b#c":                    "/a;b",
		"a.example?a":                        "/?a",
		"//a/b/c":                            "/b/c",
		"a/b://c/d":                          "/b://c/d",
	} {
		if got := pathOf(url); got != expect {
			t.Errorf("pathOf(%q) = %q, want %q", url, got, expect)
		}
	}
}

func TestEscape(t *testing.T) {
	for in, expect := range map[string]string{
		"/a b":       "/a b",
		"á":          "%C3%A1",
		"%aa%zz%a":   "%AA%zz%a",
		"\xff%c3%A1": "%FF%C3%A1",
	} {
		if got := Escape(in); got != expect {
			t.Errorf("Escape(%q) = %q, want %q", in, got, expect)
		}
	}
}

func TestProductToken(t *testing.T) {
	for in, expect := range map[string]string{
		"pipeworks-crawl/1.0 (+mailto:a@b.example)": "pipeworks-crawl",
		"Foo_Bot": "Foo_Bot",
		"2bot":    "",
		"":        "",
	} {
		if got := ProductToken(in); got != expect {
			t.Errorf("ProductToken(%q) = %q, want %q", in, got, expect)
		}
	}
}

// What a file says to one crawler depends neither on how its lines end nor on
// what it says to others.
func FuzzAllowed(f *testing.F) {
	for _, c := range decisions {
		f.Add([]byte(c.file), c.url)
	}
	f.Fuzz(func(t *testing.T, file []byte, url string) {
		const agent = "foobot"
		expect := Parse(file, agent).Allowed(url)
		body := string(skipBOM(file))
		if _, again := strings.CutPrefix(body, "\xef"); again {
			return // the rest of a byte order mark cannot stand elsewhere
		}
		for name, changed := range map[string]string{
			"CRLF":          strings.ReplaceAll(body, "\n", "\r\n"),
			"CR":            strings.ReplaceAll(body, "\n", "\r"),
			"blank lines":   strings.ReplaceAll(body, "\n", "\n\n"),
			"group before":  "User-agent: other\nDisallow: /\n" + body,
			"group behind":  body + "\nAllow:\nUser-agent: other\nDisallow: /\n",
			"comment after": body + "# Disallow: /",
		} {
			if got := Parse([]byte(changed), agent).Allowed(url); got != expect {
				t.Errorf("%s: allowed = %v, want %v", name, got, expect)
			}
		}
	})
}

// The matcher agrees with the regular expression that a pattern stands for.
func FuzzPattern(f *testing.F) {
	for _, p := range []string{"/", "/*", "/a*c", "/a*b*c$", "*", "$", "/a$b", "**", "*a$", "/a$"} {
		f.Add(p, "/abbcabc")
		f.Add(p, "/a$bc")
	}
	f.Fuzz(func(t *testing.T, p, path string) {
		text, anchored := strings.CutSuffix(p, "$")
		parts := strings.Split(text, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		expression := "(?s)^" + strings.Join(parts, ".*")
		if anchored {
			expression += "$"
		}
		re, err := regexp.Compile(expression)
		if err != nil {
			return // longer than regexp takes, or no UTF-8
		}
		if got, expect := pattern(p).matches(path), re.MatchString(path); got != expect {
			t.Errorf("pattern %q matches %q: %v, want %v", p, path, got, expect)
		}
	})
}
