// Package transport is the seam between relay and the ways that processes talk.
// Each way is a Transport, in a package of its own below this one; whoever
// builds a program lists those it has. All of them pass the tests of
// transport/conformance.
package transport

import (
	"context"
	"fmt"
	"time"

	"pipeworks/internal/framing"
)

// Transport is one way that processes talk. What it cannot do is nil.
type Transport struct {
	Scheme  string   // of its URLs: "tcp"
	Form    string   // of its URLs, for people: "tcp://HOST:PORT"
	Summary string   // one line
	Options []Option // that its URLs take

	// Blocks: a message is as many whole records as there are. Else it is one
	// record, so that others who use the broker see records.
	Blocks bool

	// Endless: a stream of messages has no end, since who sends and who receives
	// need not be there at the same time.
	Endless bool

	// Messages one way. Both wait for the other side, for at most
	// Options.Timeout.
	Sender   func(ctx context.Context, u URL, o Options) (Sender, error)
	Receiver func(ctx context.Context, u URL, o Options) (Receiver, error)

	// Calls, with an answer.
	Dial   func(ctx context.Context, u URL, o Options) (Conn, error)
	Listen func(ctx context.Context, u URL, o Options) (Listener, error)

	// What a crash can leave behind, and how to remove it.
	List   func(ctx context.Context, u URL, o Options) ([]Resource, error)
	Remove func(ctx context.Context, u URL, o Options) error
}

// Option is an option of a URL, as in tcp://:9000?tls=required.
type Option struct{ Name, Usage string }

// Options are what the command line says of every transport. The zero value is
// a working one.
type Options struct {
	Stream    bool            // the messages are Pieces of one byte stream: keep their order at any price
	Framing   framing.Framing // of what is not a message yet or any more: a file, a pipe
	MaxRecord int             // bytes of the longest message body that is taken; 0 is 64 MiB
	Group     string          // receivers with one name share the messages; where there are no groups, an error
	Follow    bool            // the end of all senders is no end
	Dedupe    bool            // the broker is to drop a message whose ID it knows; where it cannot, an error
	Timeout   time.Duration   // how long to wait for the other side; 0 is for ever

	Password func(ctx context.Context) (string, error) // nil: there is none
	Warn     func(format string, args ...any)          // about what goes wrong and is being mended; nil: nobody is told
}

// Warnf is Warn, if there is one.
func (o Options) Warnf(format string, args ...any) {
	if o.Warn != nil {
		o.Warn(format, args...)
	}
}

// Message is what travels at once.
type Message struct {
	Body    []byte
	Content Content
	Key     string // what belongs together goes the same way (a partition); may be empty
	ID      string // for Options.Dedupe

	// Of a received message.
	Tries  int // how often it was delivered, this time included; 0: nobody counts
	Handle any // the receiver's own
}

// Content says what the body of a message is. It travels with the message, as
// the value of a header where there are such, under the name ContentHeader.
type Content uint8

// The kinds of content. A message that says nothing is a Record.
const (
	Record  Content = iota // one record, without what ends it in a stream
	Lines                  // whole records, each with its newline
	Nulls                  // whole records, each with its NUL
	Lengths                // whole records, each behind its length
	Piece                  // a part of a byte stream, opaque to the transport
)

// ContentHeader is the header that carries a message's Content.
const ContentHeader = "Relay-Content"

var contents = [...]string{"record", "lines", "nulls", "lengths", "piece"}

// String is what the header says.
func (c Content) String() string { return contents[c] }

// ParseContent is the content that a header tells; an empty one a Record.
func ParseContent(s string) (Content, error) {
	for c, name := range contents {
		if s == name || s == "" {
			return Content(c), nil
		}
	}
	return 0, fmt.Errorf("a message says %s: %s, which is unknown: is it from a newer relay?", ContentHeader, s)
}

// Packed is the content of a body of whole records with that framing.
func Packed(f framing.Framing) Content {
	return [...]Content{framing.Newline: Lines, framing.Null: Nulls, framing.Length: Lengths}[f]
}

// Framing is that of a body of whole records. Of a Record or a Piece there is
// none.
func (c Content) Framing() (f framing.Framing, packed bool) {
	switch c {
	case Lines:
		return framing.Newline, true
	case Nulls:
		return framing.Null, true
	case Lengths:
		return framing.Length, true
	}
	return 0, false
}

// Sender sends messages, in order. It is used by one goroutine at a time.
type Sender interface {
	// Send passes messages on at once. It may return before they are confirmed,
	// and waits while too much is not. Their memory is the caller's again when it
	// returns. A message longer than Limit is a *TooLongError before any of them
	// is sent.
	Send(ctx context.Context, messages []Message) error
	// Flush returns when the other side has confirmed all that was sent.
	Flush(ctx context.Context) error
	// Limit is the longest body of a message, in bytes; 0: there is no limit.
	Limit() int
	// Close releases everything, whatever it returns. Without a cause it is the
	// end of the stream, where the transport knows one, and what was sent must
	// have been flushed; a cause is told to the other side, where it can be.
	Close(ctx context.Context, cause error) error
}

// Receiver receives messages. Ack and Extend may be called while another
// goroutine waits in Receive.
type Receiver interface {
	// Receive waits for a message and returns it with others that are there, at
	// most n. Their memory is the caller's until it calls Ack. io.EOF: all
	// senders have ended their streams; *AbortedError: one of them did not.
	Receive(ctx context.Context, n int) ([]Message, error)
	// Ack says that messages need not come again. They may be acknowledged in any
	// order; of some transports a message comes again until those before it are,
	// too. It returns when the other side knows, or will be told before Close.
	Ack(ctx context.Context, messages []Message) error
	// Extend asks for more time before messages that are being worked on are
	// given to somebody else.
	Extend(ctx context.Context, messages []Message) error
	// Close releases everything. What was received and not acknowledged comes
	// again, to this or another receiver, where the transport keeps it.
	Close() error
}

// Pending is what a Receiver implements that can find out whether nothing comes
// because there is nothing.
type Pending interface {
	// Pending reports whether there may be messages that have not come yet, as when
	// the broker is slow, or away, or others have to be acknowledged first.
	Pending(ctx context.Context) (bool, error)
}

// Resource is something that outlives its processes.
type Resource struct {
	URL   string `json:"url"`
	Bytes int64  `json:"bytes"`          // that it holds
	Stale bool   `json:"stale"`          // no living process uses it
	Note  string `json:"note,omitempty"` // for people
}

// Listener takes calls.
type Listener interface {
	Accept(ctx context.Context) (Conn, error)
	Addr() string // as a URL, with the port that was chosen
	Close() error
}

// Conn is a line between two processes: frames go both ways, whole and in
// order. One goroutine may send while another receives.
type Conn interface {
	// Send sends frames, at once if the transport can. Their Data is the caller's
	// again when it returns.
	Send(...Frame) error
	// Receive waits for the next frame. Its Data is in buf if there is room, else
	// in new memory. io.EOF: the other side has closed the line between frames.
	Receive(buf []byte) (Frame, error)
	// Peer is who is at the other end, for messages.
	Peer() string
	// Close ends the line, and every Send and Receive that waits.
	Close() error
}

// Frame is what a Conn carries.
type Frame struct {
	Kind FrameKind
	Seq  uint64
	Data []byte
}

// FrameKind says what a frame means. See the protocols: of messages in
// transport/link, of calls in transport/rpc.
type FrameKind uint8

// MaxFrame is the longest data of a frame: the longest record, and some.
const MaxFrame = 1<<30 + 1<<20

// TooLongError is a message that is longer than the transport can carry.
type TooLongError struct {
	Size, Limit int    // bytes
	By          string // who sets the limit, and how it is raised; may be empty
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("a message of %d bytes: at most %d can be sent", e.Size, e.Limit)
}

// Hint is the cure.
func (e *TooLongError) Hint() string { return e.By }

// AbortedError is a stream whose sender did not come to its end.
type AbortedError struct{ Reason string }

func (e *AbortedError) Error() string { return "the stream was cut off: " + e.Reason }
