package fifomerge

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"pipeworks/internal/fifo"
	"pipeworks/internal/record"
)

// How a client and the server talk in a directory of named pipes is in
// docs/protocol.md.
const (
	helloPipe     = "hello"
	queryPipe     = "query" // of those who have no client
	replyPipe     = "reply"
	nextReplyPipe = "reply.next" // becomes reply
	querySuffix   = ".query"
	replySuffix   = ".reply"

	protocolVersion = "1"
)

// answerFormat is how the rows of an answer are written: JSON Lines if nothing
// else is said.
type answerFormat struct {
	Format record.Format
	Rows   record.WriterOptions
}

func (f answerFormat) newWriter(out io.Writer) (record.Writer, error) {
	if f.Format == record.Auto {
		f.Format = record.JSONL
	}
	return record.NewWriter(out, f.Format, f.Rows)
}

// hello is what a client says first.
type hello struct {
	id string
	options
}

// options are what a client asks for beside the questions.
type options struct {
	format  answerFormat
	session string        // its name, if the connection is to be kept for the next client
	timeout time.Duration // for a question; 0: the server's own
	status  bool          // of the server, instead of questions
	nul     bool          // ends an answer: there is no other in it, and no doubled dot
}

func newID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

func validID(id string) bool {
	for _, c := range id {
		if !strings.ContainsRune("0123456789abcdef", c) {
			return false
		}
	}
	return len(id) == 32
}

// line is the hello as it goes into the pipe, in one write.
func (h hello) line() ([]byte, error) {
	values := url.Values{"binary": {h.format.Rows.Binary.String()}}
	if h.format.Format != record.Auto {
		values.Set("format", h.format.Format.String())
	}
	if h.format.Rows.NullAs != nil {
		values.Set("null-as", *h.format.Rows.NullAs)
	}
	if h.format.Rows.NoHeader {
		values.Set("header", "no")
	}
	if h.session != "" {
		values.Set("session", h.session)
	}
	if h.timeout != 0 {
		values.Set("timeout", h.timeout.String())
	}
	if h.status {
		values.Set("status", "yes")
	}
	if h.nul {
		values.Set("end", "nul")
	}
	line := fmt.Appendf(nil, "\n%s %s %s\n", protocolVersion, h.id, values.Encode())
	if len(line) > fifo.AtomicSize {
		return nil, errors.New("--null-as or --session is too long")
	}
	return line, nil
}

// parseHello reads a hello. If it names no session the id is empty; an error
// beside an id can be told to the client.
func parseHello(line string) (h hello, err error) {
	version, rest, _ := strings.Cut(line, " ")
	id, options, _ := strings.Cut(rest, " ")
	if !validID(id) {
		return h, fmt.Errorf("not a hello: %.60q", line)
	}
	h.id = id
	if version != protocolVersion {
		return h, fmt.Errorf("version %q is not spoken here", version)
	}
	values, err := url.ParseQuery(options)
	if err != nil {
		return h, fmt.Errorf("options %q: %w", options, err)
	}
	h.options, err = parseOptions(values)
	return h, err
}

func parseOptions(values url.Values) (o options, err error) {
	o.nul = values.Get("end") == "nul" // an error is told so, too
	for name := range values {
		value := values.Get(name)
		switch name {
		case "format":
			o.format.Format, err = record.ParseFormat(value, record.OutputFormats)
		case "null-as":
			o.format.Rows.NullAs = &value
		case "header":
			o.format.Rows.NoHeader = value == "no"
		case "binary":
			o.format.Rows.Binary, err = record.ParseEncoding(value)
		case "session":
			o.session = value
		case "timeout":
			o.timeout, err = time.ParseDuration(value)
		case "status":
			o.status = value == "yes"
		case "end": // read already
		default:
			err = fmt.Errorf("unknown option %q", name)
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}
