package transport

import "sync"

// buffers are the bodies of messages that are done with, for the next ones.
var buffers sync.Pool

// Buffer returns n bytes for the body of a message.
func Buffer(n int) []byte {
	if b, ok := buffers.Get().(*[]byte); ok && cap(*b) >= n {
		return (*b)[:n]
	}
	return make([]byte, n)
}

// Recycle gives the memory of a body that nobody looks at any more to the next
// Buffer.
func Recycle(b []byte) {
	if cap(b) > 0 && cap(b) <= 1<<20 { // what a single long record took goes back to the system
		buffers.Put(&b)
	}
}
