package fifomerge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"pipeworks/internal/framing"
)

// requests reads the requests of a client: texts that end in NUL.
type requests struct {
	in    *bufio.Reader
	limit int // bytes of one and its NUL
}

func newRequests(r io.Reader, limit int) *requests {
	return &requests{in: bufio.NewReaderSize(r, 64<<10), limit: limit + 1}
}

// waiting reports whether a part of the next request is there already.
func (r *requests) waiting() bool { return r.in.Buffered() > 0 }

// whole reports whether all of the next request is there already.
func (r *requests) whole() bool {
	there, _ := r.in.Peek(r.in.Buffered())
	return bytes.IndexByte(there, 0) >= 0
}

// next returns the next request, which is valid until the next call. Behind
// one that is too long, which is a *framing.TooLongError, there may be others.
func (r *requests) next() ([]byte, error) {
	request, err := r.in.ReadSlice(0)
	if err == bufio.ErrBufferFull {
		request = bytes.Clone(request)
	}
	length := len(request)
	for err == bufio.ErrBufferFull {
		var piece []byte
		piece, err = r.in.ReadSlice(0)
		if length += len(piece); length <= r.limit {
			request = append(request, piece...)
		}
	}
	if err != nil {
		return nil, err
	}
	if length > r.limit {
		return nil, fmt.Errorf("the query %w", &framing.TooLongError{Max: r.limit - 1})
	}
	return request[:length-1], nil
}
