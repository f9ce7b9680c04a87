package crawl

import (
	"time"

	"pipeworks/internal/record"
)

// input is what a task was read from. The zero value is that of a robots.txt.
type input struct {
	seq  int64
	url  record.Value // the URL as it came
	raw  []byte       // the record as JSON; nil if it is nothing but the URL
	base *address     // what the scope of links is about, once the page was fetched
	home string       // the origin of the URL, which alone sees the user's headers

	tasks int // that are not done
}

// size is about the memory that an input takes.
func (in *input) size() int { return 256 + len(in.url.Bytes) + len(in.raw) }

// task is a page to fetch for an input, or the robots.txt of an origin.
type task struct {
	*input
	to      *address   // of the next request
	rules   *origin    // whose robots.txt it is; nil: a page
	err     *pageError // why there is nothing to fetch
	due     time.Time  // no request before; the place in the queue, too
	reach   reach      // of connections
	depth   int        // links between the input's page and this one
	parent  string     // the page with the link
	sitemap bool       // no page but a list of such
	guess   bool       // nobody said that there is one
	dupOf   uint32     // the input that the URL came with before; 0: none

	owner        *host // whose memory it takes
	host         *host // of the request under way
	trail        []hop
	tries        int
	sent         time.Time     // when the last request was
	turn, before time.Time     // when it had its turn at its host, and when another had it last
	spent        time.Duration // on all requests
}

// asked is the URL that the record is of: the input's as it came, or the link.
func (t *task) asked() record.Value {
	switch {
	case t.depth == 0:
		return t.url
	case len(t.trail) > 0:
		return record.String(t.trail[0].URL)
	}
	return record.String(t.to.href)
}

// hop is a redirect that was followed.
type hop struct {
	Status int    `json:"status"`
	URL    string `json:"url"`
}

// needsNone reports whether the task ends without a request.
func (t *task) needsNone() bool { return t.err != nil || t.dupOf > 0 }
