// Package link carries messages over a transport.Conn such that none is lost
// while either end lives: what was not acknowledged is kept by the sender, and
// sent again when the line breaks and another can be had.
//
// The sender opens the line and speaks first. Numbers are those of messages,
// from 1, in the order of one sender's session, which may outlast many lines.
//
//	sender                                receiver
//	hello   session, mode; what is done
//	                                      welcome  the last number it has received
//	message number, content, body
//	                                      ack      all up to this number are done
//	end     the last number
//	                                      ended    all are done, and it knows that no more come
//	abort   the reason                    refuse   the reason
//	                                      bye      another receiver may have the rest
package link

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"pipeworks/internal/transport"
)

// The frames of messages. Those of calls begin at 32.
const (
	hello transport.FrameKind = iota + 1
	welcome
	ack
	end
	ended
	abort
	refuse
	bye
	message transport.FrameKind = 16 // and its content
)

const (
	version = 1

	// window is how many bytes a sender holds that are not acknowledged, and how
	// many a receiver holds that nobody has asked for: enough to keep both ends of
	// a fast line busy.
	window = 8 << 20
)

// session names a sender for as long as it runs.
type session [16]byte

func newSession() (s session) {
	_, _ = rand.Read(s[:]) // it never fails
	return s
}

func (s session) String() string { return hex.EncodeToString(s[:4]) }

// greeting is the data of a hello.
type greeting struct {
	session session
	stream  bool // the messages are the pieces of one byte stream
}

func (g greeting) append(b []byte) []byte {
	mode := byte(0)
	if g.stream {
		mode = 1
	}
	return append(append(b, version, mode), g.session[:]...)
}

func parseGreeting(b []byte) (g greeting, err error) {
	if len(b) != 2+len(g.session) || b[0] != version || b[1] > 1 {
		return g, fmt.Errorf("a greeting of %d bytes that is not of protocol %d: is it a newer relay?", len(b), version)
	}
	g.stream = b[1] == 1
	copy(g.session[:], b[2:])
	return g, nil
}

// size is the memory that a message takes while it waits, the body and what is
// around it.
func size(body []byte) int { return len(body) + 256 }
