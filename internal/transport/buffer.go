package transport

import "sync"

// buffers are the bodies of messages that are done with, for the next ones.
var buffers sync.Pool

// pooled is the least that is worth a place there.
const pooled = 4 << 10

// Buffer returns n bytes for the body of a message, with hardly more room: it
// may have to wait.
func Buffer(n int) []byte {
	if n < pooled/2 {
		return make([]byte, n)
	}
	b := Room()
	if cap(b) < n || cap(b) > 2*n {
		Recycle(b)
		return make([]byte, n)
	}
	return b[:n]
}

// Room returns a buffer for a body of unknown length.
func Room() []byte {
	if b, ok := buffers.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, pooled)
}

// Recycle gives the memory of a body that nobody looks at any more to the next
// Buffer.
func Recycle(b []byte) {
	if cap(b) >= pooled && cap(b) <= 1<<20 { // what a single long record took goes back to the system
		buffers.Put(&b)
	}
}
