package crawl

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/extract"
	"pipeworks/internal/record"
	"pipeworks/internal/reject"
	"pipeworks/internal/stream"
)

// The whole output of a run. The clock of synctest begins with the year 2000.
func TestOutput(t *testing.T) {
	const page = `<title>A  page</title><a href=x?a=1&b>one</a><a href=http://b.test/>two</a>`
	select1, err := extract.ParseSelector("links[]=a@abs:href")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, input, expect string
		format              record.Format
		status              error
	}{
		{
			name:  "lines",
			input: "http://u:p@a.test/d/i#f\r\n\n a.test \n",
			expect: `{"seq":1,"url":"http://u:p@a.test/d/i#f","final_url":"http://a.test/d/i","status":200,"content_type":"text/html; charset=utf-8","charset":"utf-8","bytes":75,"title":"A page","links":["http://a.test/d/x?a=1&b","http://b.test/"],"parse":null,"fetched_at":"2000-01-01T00:00:02.000Z","elapsed_ms":2000,"depth":0,"parent":null,"redirects":[],"etag":null,"last_modified":null,"sha256":"6ab7f90bd392841f9abde3f1366aa7a6514ce9f73017c9f743809798a3590a53","from_cache":false,"dup_of":null,"error":null}
{"seq":2,"url":"a.test","final_url":"http://a.test/","status":200,"content_type":"text/html; charset=utf-8","charset":"utf-8","bytes":75,"title":"A page","links":["http://a.test/x?a=1&b","http://b.test/"],"parse":null,"fetched_at":"2000-01-01T00:00:04.000Z","elapsed_ms":2000,"depth":0,"parent":null,"redirects":[],"etag":null,"last_modified":null,"sha256":"6ab7f90bd392841f9abde3f1366aa7a6514ce9f73017c9f743809798a3590a53","from_cache":false,"dup_of":null,"error":null}
`,
		},
		{
			name:  "records of JSON",
			input: `{"id": 12345678901234567890.10, "url":"http:\/\/a.test/", "n":{"x": null}}` + "\n",
			expect: `{"seq":1,"url":"http://a.test/","final_url":"http://a.test/","status":200,"content_type":"text/html; charset=utf-8","charset":"utf-8","bytes":75,"title":"A page","links":["http://a.test/x?a=1&b","http://b.test/"],"parse":null,"fetched_at":"2000-01-01T00:00:02.000Z","elapsed_ms":2000,"depth":0,"parent":null,"redirects":[],"etag":null,"last_modified":null,"sha256":"6ab7f90bd392841f9abde3f1366aa7a6514ce9f73017c9f743809798a3590a53","from_cache":false,"dup_of":null,"error":null,"input":{"id": 12345678901234567890.10, "url":"http:\/\/a.test/", "n":{"x": null}}}
`,
		},
		{
			name:   "records of CSV",
			format: record.CSV,
			input:  "id,url,name\n007,http://c.test/,\"say \"\"x\"\"\"\n08,,\n",
			expect: `seq,url,final_url,status,content_type,charset,bytes,title,links,parse,fetched_at,elapsed_ms,depth,parent,redirects,etag,last_modified,sha256,from_cache,dup_of,error,input
2,,,,,,,,,,,,0,,,,,,,,"{""kind"":""url"",""message"":""field \""url\"" is null"",""retryable"":false}","{""id"":""08"",""url"":null,""name"":null}"
1,http://c.test/,http://c.test/,,,,,,,,,,0,,,,,,,,"{""kind"":""dns"",""message"":""fetch robots.txt: look up c.test: no such host"",""retryable"":false}","{""id"":""007"",""url"":""http://c.test/"",""name"":""say \""x\""""}"
`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newInternet(t, map[string]http.HandlerFunc{"a.test": func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(2 * time.Second)
					text(page)(w, r)
				}})
				cfg := Config{PerHost: 1, Extract: extract.Config{Select: []*extract.Selector{select1}}, dial: n.dial, ErrorsOK: true}
				if c.format != record.Auto {
					cfg.Format, cfg.Input.Format = c.format, c.format
				}
				var out bytes.Buffer
				if _, err := Run(t.Context(), cfg, stream.Inputs{Stdin: strings.NewReader(c.input)}, &out); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.expect, out.String()); diff != "" {
					t.Errorf("output (-want +got)\n%s", diff)
				}
			})
		})
	}
}

// An input whose URL came before has its record, and no request.
func TestRepeatedURL(t *testing.T) {
	n := newInternet(t, map[string]http.HandlerFunc{"a.test": text("x")})
	var out bytes.Buffer
	cfg := Config{Ordered: true, Delay: new(time.Duration), Fields: []string{"seq", "final_url", "status", "dup_of", "error"}, dial: n.dial}
	input := "http://a.test/x\nhttp://a.test/y\nHTTP://A.test:80/./x#here\nhttp://a.test/x\n"
	if _, err := Run(t.Context(), cfg, stream.Inputs{Stdin: strings.NewReader(input)}, &out); err != nil {
		t.Fatal(err)
	}
	const want = `{"seq":1,"final_url":"http://a.test/x","status":200,"dup_of":null,"error":null}
{"seq":2,"final_url":"http://a.test/y","status":200,"dup_of":null,"error":null}
{"seq":3,"final_url":"http://a.test/x","status":null,"dup_of":1,"error":null}
{"seq":4,"final_url":"http://a.test/x","status":null,"dup_of":1,"error":null}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output (-want +got)\n%s", diff)
	}
	if pages := n.pages(); len(pages) != 2 {
		t.Errorf("requests for %v", pages)
	}
}

// A dry run asks for robots.txt alone, and tells of every input.
func TestDryRun(t *testing.T) {
	n := newInternet(t, map[string]http.HandlerFunc{"a.test": answers(map[string]http.HandlerFunc{
		"/robots.txt": plain("User-agent: *\nDisallow: /x"),
	})})
	var out bytes.Buffer
	cfg := Config{Ordered: true, DryRun: true, ErrorsOK: true, Delay: new(time.Duration), dial: n.dial}
	input := `{"url":"http://a.test/x","n":1}` + "\n" + `{"url":"http://a.test/y"}` + "\n" + `{"url":"mailto:x"}` + "\n"
	if _, err := Run(t.Context(), cfg, stream.Inputs{Stdin: strings.NewReader(input)}, &out); err != nil {
		t.Fatal(err)
	}
	const want = `{"url":"http://a.test/x","allowed":false,"reason":"http://a.test/robots.txt forbids it","input":{"url":"http://a.test/x","n":1}}
{"url":"http://a.test/y","allowed":true,"reason":null,"input":{"url":"http://a.test/y"}}
{"url":"mailto:x","allowed":false,"reason":"scheme mailto: only http and https can be fetched","input":{"url":"mailto:x"}}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output (-want +got)\n%s", diff)
	}
	if log := n.log(); len(log) != 1 {
		t.Errorf("requests: %v", log)
	}
}

// Records keep the order of the input, those that come too early on disk too;
// an input without a record leaves no gap.
func TestOrdered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, map[string]http.HandlerFunc{"a.test": answers(map[string]http.HandlerFunc{
			"/0": slow(time.Second, text("first")),
			"/":  text("<p>" + strings.Repeat("x", 1<<20)),
		})})
		p, err := extract.ParseSelector("p=p")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cfg := Config{Ordered: true, Delay: new(time.Duration), Jobs: 2, Extract: extract.Config{Select: []*extract.Selector{p}}, Rejects: &reject.Sink{Force: true}, ErrorsOK: true, dial: n.dial}
		input := `{"url":"http://a.test/0"}` + "\n{\n"
		for i := range 2 * maxHeld >> 20 {
			input += fmt.Sprintf(`{"url":"http://a.test/?%d"}`+"\n", i)
		}
		_, err = Run(t.Context(), cfg, stream.Inputs{Stdin: strings.NewReader(input)}, &out)
		if message(err) != "1 record rejected" {
			t.Fatal(err)
		}
		seq := int64(0)
		for _, r := range results(t, out.Bytes()) {
			if seq++; seq == 2 {
				seq++
			}
			if r.Seq != seq || seq > 1 && r.Bytes != 1<<20+3 {
				t.Fatalf("record %d with %d bytes, want record %d", r.Seq, r.Bytes, seq)
			}
		}
		if seq != 2+2*maxHeld>>20 {
			t.Errorf("the last record is %d", seq)
		}
	})
}

// What is no URL gets a record like any other.
func TestBadURLs(t *testing.T) {
	for _, c := range []struct{ input, message string }{
		{"not a url", "not a URL: no scheme and no host name"},
		{"ftp://a.test/", "scheme ftp: only http and https can be fetched"},
		{`{"link":"http://a.test/"}`, `no field "url"`},
		{`{"url":null}`, `field "url" is null`},
		{`{"url":7}`, `field "url" is no text`},
		{`{"url":" "}`, "the URL is empty"},
		{"http://a.test/" + strings.Repeat("x", maxURL), "the URL is longer than 65536 bytes"},
		{"http://a\x00.test/", `not a URL: the host contains a forbidden domain code point: "\x00"`},
	} {
		n := newInternet(t, nil)
		got, sum := n.run(Config{}, c.input)
		if len(got) != 1 || got[0].Error == nil {
			t.Errorf("%.80q: records %+v", c.input, got)
			continue
		}
		if diff := cmp.Diff(pageError{kindURL, c.message, false}, *got[0].Error); diff != "" {
			t.Errorf("%.80q: error (-want +got)\n%s", c.input, diff)
		}
		if diff := cmp.Diff(Summary{In: 1, Out: 1, Failed: 1}, sum); diff != "" {
			t.Errorf("%.80q: summary (-want +got)\n%s", c.input, diff)
		}
	}
}

func TestStatus(t *testing.T) {
	run := func(cfg Config, input string) (Summary, error) {
		return Run(t.Context(), cfg, stream.Inputs{Stdin: strings.NewReader(input)}, new(bytes.Buffer))
	}
	exit := func(err error) int {
		var status interface{ ExitStatus() int }
		if errors.As(err, &status) {
			return status.ExitStatus()
		}
		return 1
	}
	if sum, err := run(Config{}, ""); err != nil || sum != (Summary{}) {
		t.Errorf("empty input: %+v, %v", sum, err)
	}
	if _, err := run(Config{}, "x\n"); exit(err) != 3 || err.Error() != "1 of 1 pages could not be had; seq 1: not a URL: no scheme and no host name" {
		t.Errorf("bad URL: %v, status %d", err, exit(err))
	}
	if _, err := run(Config{ErrorsOK: true}, "x\n"); err != nil {
		t.Errorf("bad URL with ErrorsOK: %v", err)
	}
	const broken = "{\"url\":\"x\"}\n{broken}\n{\"url\":\"y\"}\n"
	sum, err := run(Config{}, broken)
	if want := (Summary{In: 2, Out: 1, Failed: 1}); sum != want || exit(err) != 1 || !strings.HasPrefix(err.Error(), "stdin: line 2, column 2: ") {
		t.Errorf("broken record: %+v, %v, status %d", sum, err, exit(err))
	}
	sum, err = run(Config{Rejects: &reject.Sink{Force: true}, ErrorsOK: true}, broken)
	if want := (Summary{In: 3, Out: 2, Failed: 2, Rejected: 1}); sum != want || exit(err) != 3 || err.Error() != "1 record rejected" {
		t.Errorf("broken record rejected: %+v, %v, status %d", sum, err, exit(err))
	}
	_, err = run(Config{Input: record.ReaderOptions{Format: record.CSV}}, "id,link\n1,x\n")
	var hint interface{ Hint() string }
	if err == nil || err.Error() != `stdin: no field "url"` || !errors.As(err, &hint) || hint.Hint() != "--url-field names the field of the URL; there are id, link" {
		t.Errorf("no such column: %v", err)
	}
}

func TestSelectedNames(t *testing.T) {
	for name, expect := range map[string]string{
		"status": "field status: the record has a field of that name already",
		"input":  "field input: the record has a field of that name already",
		"h":      "field h: the record has a field of that name already",
		"sha256": "field sha256: the record has a field of that name already",
		"ok":     "",
	} {
		var cfg Config
		for _, text := range []string{"h=h1", name + "=h2"} {
			s, err := extract.ParseSelector(text)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Extract.Select = append(cfg.Extract.Select, s)
		}
		_, err := Run(t.Context(), cfg, stream.Inputs{Stdin: strings.NewReader("")}, new(bytes.Buffer))
		if got := message(err); got != expect {
			t.Errorf("%s: error %q, want %q", name, got, expect)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
