package fifomerge

import (
	"errors"
	"fmt"
	"io"

	"pipeworks/internal/framing"
)

// requests reads the requests of a client: texts that end in NUL.
type requests struct {
	in    *framing.Reader
	there []byte // whole ones that were read
	limit int    // bytes of one
}

func newRequests(r io.Reader, limit int) *requests {
	return &requests{in: framing.NewReader(r, framing.Null, limit+1), limit: limit}
}

// whole reports whether all of the next request is there already.
func (r *requests) whole() bool { return len(r.there) > 0 }

// waiting reports whether a part of the next request is there already.
func (r *requests) waiting() bool { return r.whole() || r.in.Held() > 0 }

// next returns the next request, which is valid until the next call. Behind
// one that is too long, which is a *framing.TooLongError, there may be others.
func (r *requests) next() (request []byte, err error) {
	for !r.whole() {
		r.there, err = r.in.Read()
		if _, ok := errors.AsType[*framing.TooLongError](err); ok {
			return nil, fmt.Errorf("the query %w", &framing.TooLongError{Max: r.limit})
		}
		if err != nil {
			return nil, err
		}
	}
	request, r.there = framing.Null.Next(r.there)
	return framing.Null.Bare(request), nil
}
