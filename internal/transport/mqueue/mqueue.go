// Package mqueue carries relay's messages through the POSIX message queues of
// the kernel, which are described in mq_overview(7).
package mqueue

import "pipeworks/internal/transport"

// Transport is mqueue:. Whoever comes first makes the queue; the receiver that
// has seen the end of all senders removes it.
var Transport = transport.Transport{
	Scheme:  "mqueue",
	Form:    "mqueue:/NAME",
	Summary: "a POSIX message queue of this machine (Linux)",
	Blocks:  true,
	Options: []transport.Option{
		{Name: "priority", Usage: "of what is sent, 0 to 32767: the highest comes first (0)"},
		{Name: "messages", Usage: "how many a new queue holds (the system's default, 10)"},
		{Name: "msgsize", Usage: "bytes of one of a new queue (the system's default, 8192)"},
		{Name: "mode", Usage: "permissions of a new queue, octal (0600)"},
	},
	Sender:   newSender,
	Receiver: newReceiver,
	List:     list,
	Remove:   remove,
}
