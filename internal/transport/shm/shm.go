// Package shm carries relay's messages and calls through the shared memory of
// one machine.
package shm

import "pipeworks/internal/transport"

// Transport is shm:. Whoever comes first makes the segment, and the last to go
// removes it if nothing is left in it.
var Transport = transport.Transport{
	Scheme:  "shm",
	Form:    "shm:NAME",
	Summary: "shared memory of this machine (Linux)",
	Blocks:  true,
	Options: []transport.Option{
		{Name: "size", Usage: "bytes of the ring, also 64K, 16M (4M)"},
		{Name: "mode", Usage: "permissions of the segment, octal (0600)"},
	},
	Sender:   sender,
	Receiver: receiver,
	Dial:     dial,
	Listen:   listen,
	List:     list,
	Remove:   remove,
}
