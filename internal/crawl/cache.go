package crawl

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cache keeps answers between runs, as a private cache of RFC 9111: a file for
// each URL, made whole under another name, so that several runs can share the
// directory and any of its files may be removed at any time.
//
// What was fetched but not handed on yet stands in a file of its own, .new: if
// the run is killed in between, the page still counts as changed.
type cache struct{ dir string }

// entry is a stored answer.
type entry struct {
	URL      string            `json:"url"`
	Status   int               `json:"status"`
	Header   http.Header       `json:"header"`
	Vary     map[string]string `json:"vary,omitempty"` // of the request, what the answer depends on
	Sent     time.Time         `json:"sent"`
	Received time.Time         `json:"received"`
	Public   bool              `json:"public"` // it came from the public internet
	Sum      string            `json:"sha256"` // of the body, which stands behind the line

	body []byte
	new  bool // not handed on yet
}

const newSuffix = ".new"

func openCache(dir string) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &cache{dir}, nil
}

func (c *cache) path(url string) string {
	sum := sha256.Sum256([]byte(url))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(c.dir, name[:2], name[2:])
}

// load returns what is stored for a URL, nil if nothing is, or nothing that can
// be read.
func (c *cache) load(url string) *entry {
	path := c.path(url)
	for _, suffix := range []string{newSuffix, ""} {
		text, err := os.ReadFile(path + suffix)
		if err != nil {
			continue
		}
		line, body, _ := bytes.Cut(text, []byte("\n"))
		e := &entry{body: body, new: suffix != ""}
		if json.Unmarshal(line, e) == nil && e.URL == url && e.Sum == hexSum(body) {
			return e
		}
	}
	return nil
}

func hexSum(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// save stores an entry.
func (c *cache) save(e *entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	path := c.path(e.URL)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "tmp-")
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(slices.Concat(line, []byte("\n"), e.body))
	if err == nil {
		err = f.Close()
	}
	if e.new {
		path += newSuffix
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// confirm says that the record of a URL was handed on.
func (c *cache) confirm(url string) error {
	path := c.path(url)
	if err := os.Rename(path+newSuffix, path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// forget removes what is stored for a URL.
func (c *cache) forget(url string) error {
	for _, suffix := range []string{newSuffix, ""} {
		if err := os.Remove(c.path(url) + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// directives are those of a Cache-Control header, in lower case; some have a
// value.
func directives(h http.Header) map[string]string {
	found := map[string]string{}
	for _, line := range h.Values("Cache-Control") {
		for word := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(word), "=")
			found[strings.ToLower(name)] = strings.Trim(value, `"`)
		}
	}
	return found
}

// newEntry is the answer to a request as it is to be stored; nil: it is not
// (RFC 9111, section 3).
func newEntry(r *http.Request, t *task, a *answer) *entry {
	_, never := directives(a.header)["no-store"]
	vary := a.header.Values("Vary")
	if a.status != http.StatusOK || a.err != nil || never || slices.Contains(vary, "*") {
		return nil
	}
	e := &entry{
		URL: t.to.href, Status: a.status, Header: a.header, Vary: map[string]string{}, Sent: a.sent, Received: time.Now(),
		Public: a.public, Sum: hexSum(a.body), body: a.body, new: t.rules == nil && !t.sitemap,
	}
	for _, line := range append(vary, "Authorization, Cookie") {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			e.Vary[name] = varied(r, name)
		}
	}
	return e
}

// varied stands for what a request has of a header: the text may be a secret.
func varied(r *http.Request, name string) string {
	return hexSum([]byte(strings.Join(r.Header.Values(name), ",")))
}

// suits reports whether the entry answers the request of a task.
func (e *entry) suits(r *http.Request, t *task) bool {
	for name, value := range e.Vary {
		if varied(r, name) != value {
			return false
		}
	}
	return e.Public || t.reach != publicOnly
}

// fresh reports whether the entry can be used without a question: RFC 9111,
// section 4.2. Nothing is fresh by guess.
func (e *entry) fresh(now time.Time) bool {
	says := directives(e.Header)
	if _, ask := says["no-cache"]; ask {
		return false
	}
	var life time.Duration
	date, err := http.ParseTime(e.Header.Get("Date"))
	if err != nil {
		date = e.Received
	}
	if text, ok := says["max-age"]; ok {
		life = seconds(text)
	} else if expires, err := http.ParseTime(e.Header.Get("Expires")); err == nil {
		life = expires.Sub(date)
	}
	age := max(e.Received.Sub(date), seconds(e.Header.Get("Age"))+e.Received.Sub(e.Sent)) + now.Sub(e.Received)
	return age < life
}

// seconds reads a number of them; 0 is what is none.
func seconds(text string) time.Duration {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// ask makes a request one that can be answered by 304: RFC 9110, section 13.1.
func (e *entry) ask(r *http.Request) {
	if etag := e.Header.Get("ETag"); etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	// A page that was changed as it was sent may be changed again in that second.
	text := e.Header.Get("Last-Modified")
	if modified, err := http.ParseTime(text); err == nil && e.Sent.Sub(modified) > time.Second {
		r.Header.Set("If-Modified-Since", text)
	}
}

// freshen takes over what a 304 says: RFC 9111, section 3.2.
func (e *entry) freshen(h http.Header, sent time.Time) {
	for name, values := range h {
		if !slices.Contains([]string{"Content-Length", "Content-Encoding", "Content-Type", "Content-Range"}, name) {
			e.Header[name] = values
		}
	}
	e.Sent, e.Received = sent, time.Now()
}

// answer makes the stored answer that of a request.
func (e *entry) answer(a *answer) {
	a.status, a.header, a.body, a.public = e.Status, e.Header, e.body, e.Public
	a.cached, a.unchanged, a.stored = true, !e.new, e.new
}

// keep stores what an answer says of a URL of which stored is known, nil if
// nothing is. An answer of 304 becomes the one that it stands for.
func (c *cache) keep(r *http.Request, t *task, stored *entry, a *answer) error {
	if a.status == http.StatusNotModified && stored != nil {
		public := a.public
		stored.freshen(a.header, a.sent)
		stored.answer(a)
		stored.Public = public
		return c.save(stored)
	}
	e := newEntry(r, t, a)
	switch {
	case e != nil:
		if stored != nil && stored.Sum == e.Sum {
			e.new = stored.new
		}
		a.unchanged, a.stored = !e.new, e.new
		return c.save(e)
	case stored != nil && (a.status == http.StatusOK || a.status == http.StatusNotFound || a.status == http.StatusGone):
		return c.forget(t.to.href)
	}
	return nil
}
