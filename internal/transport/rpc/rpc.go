// Package rpc is the protocol of calls over a transport.Conn: a request streams
// to a server, and its answer streams back at the same time.
//
// A line carries one call. The caller opens it and speaks first.
//
//	caller                                server
//	begin   version, time limit
//	                                      welcome
//	                                      waiting  so many calls are answered before
//	input   bytes of the request
//	                                      taken    so many bytes of the input
//	end     of the input
//	                                      output   bytes of the answer
//	                                      errors   bytes of its messages
//	taken   so many bytes of one of them
//	cancel
//	                                      exit     status, times
//
// Of each stream at most a window is sent ahead of what the other side has said
// that it has taken. So both sides can always read the line: whoever is slow
// holds up his own stream, and no cancel and no exit behind it.
//
// A caller that hangs up before the exit cancels. What it has sent by then is
// never taken for a whole request.
package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"pipeworks/internal/transport"
)

// The frames of calls. Those of messages are below 32, refuse apart.
const (
	begin transport.FrameKind = iota + 32
	welcome
	waiting
	input
	end
	output
	errput // no error: what goes to standard error
	taken  // its Data is the kind of the stream
	cancel
	exit

	refuse transport.FrameKind = 7 // as in transport/link
)

const (
	version = 1

	// window is how many bytes of a stream may be under way.
	window = 1 << 20
	// piece is the most of them that one frame holds.
	piece = 128 << 10

	// handshakeTime is how long a caller may take to say what it wants, and a
	// server to welcome it.
	handshakeTime = 10 * time.Second
	// goodbyeTime is how long one side waits for the other when all is said: for
	// a caller that was told the exit to hang up, and for a server that was told
	// to cancel to say the exit.
	goodbyeTime = 5 * time.Second
)

// Exit is how a call ended.
type Exit struct {
	Status int    `json:"status"`          // as a shell has it: 128 and the number of a signal
	Error  string `json:"error,omitempty"` // what kept the command from its end; then the answer is not whole
	Hint   string `json:"hint,omitempty"`  // the cure, if it is known
	Times  Times  `json:"times"`
}

// Times is how long a server was at the parts of a call.
type Times struct {
	Receive  time.Duration `json:"receive"`  // until the whole request was there
	Dispatch time.Duration `json:"dispatch"` // until the command ran
	Run      time.Duration `json:"run"`      // the command
	Marshal  time.Duration `json:"marshal"`  // the answer into frames
	Send     time.Duration `json:"send"`     // and them into the line
}

// opening is the data of a begin.
type opening struct {
	Version int           `json:"version"`
	Timeout time.Duration `json:"timeout,omitempty"`
}

func parseOpening(b []byte) (o opening, err error) {
	if err = json.Unmarshal(b, &o); err != nil {
		return o, fmt.Errorf("a call that cannot be read: %w", err)
	}
	if o.Version != version || o.Timeout < 0 {
		return o, fmt.Errorf("a call of protocol %d, this is %d: is it from a newer relay?", o.Version, version)
	}
	return o, nil
}

// marshal is the data of a begin or an exit.
func marshal(v opening) []byte {
	b, _ := json.Marshal(v) // numbers alone
	return b
}

// LateError is a call that took too long.
type LateError struct{ After time.Duration }

func (e *LateError) Error() string { return fmt.Sprintf("the call took longer than %v", e.After) }

// line is a Conn that several goroutines send over.
type line struct {
	conn transport.Conn

	mu   sync.Mutex
	busy time.Duration // in Send
}

func (l *line) send(frames ...transport.Frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := time.Now()
	err := l.conn.Send(frames...)
	l.busy += time.Since(start)
	return err
}

func (l *line) busyFor() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy
}

// errSense is a frame that the protocol does not have there.
var errSense = errors.New("a frame that makes no sense")
