package extract

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

// everything asks for all that needs no tree.
func everything(t testing.TB) *Extractor {
	return extractor(t, Config{Links: true, Meta: true, Text: true, Agent: "bot"},
		"p[]=p", "b[]=b", "li[]=li", "td[]=td", "tr[]=tr", "tbody[]=tbody", "body[]=body", "html[]=html", "head[]=head",
		"class[]=.x", "id=#i", "links[]=a@href", "abs=a.x@abs:href", "any[]=div > p b", "cell[]=table td .x", "svg[]=svg g", "all[]=*@class", "option[]=option",
		"kids[]=html > body", "in[]=head > *", "row[]=tr > td", "item[]=ul > li > p",
		"not[]=div:not(.x) b:not(p b)", `href[]=a[href^="u&"]@abs:href`)
}

// results are what two ways of reading a page must agree on.
type results struct {
	Title, Base, Text string
	Links             []string
	Meta              string
	Fields            map[string]string
}

func resultsOf(x *Extractor, v *visitor, fields []found) results {
	r := &reading{x: x, src: Source{Resolve: resolve}, lim: amply()}
	res := results{Base: fmt.Sprint(v.base, v.based, v.robots), Text: string(v.readable.buf), Fields: map[string]string{}}
	res.Meta = shown(v.meta.value(r.resolve))
	if v.title != nil {
		res.Title = fmt.Sprintf("%q", v.title.text)
	}
	for _, l := range v.links {
		res.Links = append(res.Links, fmt.Sprint(l))
	}
	for i, s := range x.cfg.Select {
		res.Fields[s.Name] = shown(r.field(s, fields[i]))
	}
	return res
}

// amply are limits that no page reaches.
func amply() limits { return limits{deadline: time.Now().Add(time.Hour), output: DefaultMemory} }

// byStream reads a page without a tree. It returns false if that is not exact.
func byStream(x *Extractor, page []byte) (results, int, bool) {
	lim := amply()
	v := newVisitor(x, &lim, true)
	o := newOutline(page, v)
	o.run()
	return resultsOf(x, v, v.fields), o.weight.bytes, !o.inexact && !v.foreign
}

// byTree reads it with the parser.
func byTree(t testing.TB, x *Extractor, page []byte) (results, *html.Node) {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	lim := amply()
	v := newVisitor(x, &lim, false)
	v.walk(root)
	return resultsOf(x, v, (&tree{x, &lim}).rows(root)[0]), root
}

// checkStream fails if the two ways disagree where the stream says it is exact.
func checkStream(t *testing.T, x *Extractor, page []byte) (exact bool) {
	t.Helper()
	page = newlines(bytes.ToValidUTF8(page, []byte("?")))
	got, _, exact := byStream(x, page)
	if !exact {
		return false
	}
	want, _ := byTree(t, x, page)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q (-tree +stream)\n%s", page, diff)
	}
	return true
}

// words is what generated pages are made of.
var words = strings.Fields(`html head body title base meta link script style p p p div div ul ol li li li dl dd dt
	a a b i em font nobr span span code table table tr tr td td th tbody thead tfoot caption col colgroup form input button select option
	optgroup textarea h1 h2 pre hr br img svg g path section article blockquote iframe noscript object custom-tag xmp
	ruby rt rp rb rtc address center nav label math template frameset plaintext dialog`)

// generated is a page of tags that may or may not nest.
func generated(r *rand.Rand) []byte {
	var b strings.Builder
	var open []string
	for range r.IntN(40) {
		tag := words[r.IntN(len(words))]
		switch r.IntN(12) {
		case 0, 1, 2, 3, 4:
			attrs := []string{"", ` class=x`, ` class="x y" id=i`, ` href="u&amp;v"`, ` rel='nofollow' href=z`, ` name=robots content="noindex"`, ` type=hidden`, `/`, ` CLASS=y class=x`}[r.IntN(9)]
			fmt.Fprintf(&b, "<%s%s>", tag, attrs)
			open = append(open, tag)
		case 5, 6, 7, 8:
			if n := len(open); n > 0 {
				fmt.Fprintf(&b, "</%s>", open[n-1])
				open = open[:n-1]
			}
		case 9:
			fmt.Fprintf(&b, "</%s>", tag)
		default:
			b.WriteString([]string{"text", " ", "\n", "a &amp; b", "&nbsp;", "<!-- c -->", "1 < 2", "<!doctype html>", "x  y", "</>", "<?pi?>"}[r.IntN(11)])
		}
	}
	return []byte(b.String())
}

// PIPEWORKS_TEST_PAGES asks for more pages, other ones each time.
func TestStreamGenerated(t *testing.T) {
	x := everything(t)
	exact, n, stream := 0, 5_000, uint64(1)
	if many, err := strconv.Atoi(os.Getenv("PIPEWORKS_TEST_PAGES")); err == nil {
		n, stream = many, rand.Uint64()
	}
	for seed := range uint64(n) {
		if checkStream(t, x, generated(rand.New(rand.NewPCG(seed, stream)))) {
			exact++
		}
		if t.Failed() {
			t.Fatalf("seed %d, %d", seed, stream)
		}
	}
	t.Logf("%d of %d pages need no tree", exact, n)
}

// eachManualPage goes through the pages of the manuals that Debian installs as
// python3-doc, postgresql-doc-15 and debian-handbook.
func eachManualPage(t testing.TB, visit func(path string)) {
	for _, dir := range []string{"python3-doc", "postgresql-doc-15", "debian-handbook"} {
		dir, err := filepath.EvalSymlinks("/usr/share/doc/" + dir + "/html")
		if err != nil {
			t.Log(err)
			continue
		}
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".html") {
				visit(path)
			}
			return nil
		})
	}
}

func TestStreamManuals(t *testing.T) {
	x := everything(t)
	seen, pages, exact := 0, 0, 0
	eachManualPage(t, func(path string) {
		if seen++; seen%50 != 0 && os.Getenv("PIPEWORKS_TEST_PAGES") == "" {
			return
		}
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if pages++; checkStream(t, x, page) {
			exact++
		}
	})
	t.Logf("%d of %d pages need no tree", exact, pages)
}
