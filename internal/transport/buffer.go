package transport

import (
	"math/bits"
	"sync"
)

// The least and the most that is worth keeping, as powers of two: 4 KiB, 1 MiB.
const (
	leastKept = 12
	mostKept  = 20
)

// buffers are the bodies of messages that are done with, for the next ones. Those
// of 1<<i bytes, and less than twice as many, are at i.
var buffers [mostKept + 1]sync.Pool

// Buffer returns n bytes for the body of a message, in less than twice as much
// memory: it may have to wait.
func Buffer(n int) []byte {
	i := bits.Len(uint(max(n, 1) - 1))
	if i < leastKept || i > mostKept {
		return make([]byte, n)
	}
	if b, ok := buffers[i].Get().(*[]byte); ok {
		return (*b)[:n]
	}
	return make([]byte, n, 1<<i)
}

// Recycle gives the memory of a body that nobody looks at any more to the next
// Buffer.
func Recycle(b []byte) {
	if i := bits.Len(uint(cap(b))) - 1; i >= leastKept && i <= mostKept {
		buffers[i].Put(&b)
	}
}
