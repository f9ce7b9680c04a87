package relay

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/transport"
	"pipeworks/internal/transport/mqueue"
	"pipeworks/internal/transport/plain"
	"pipeworks/internal/transport/shm"
	"pipeworks/internal/transport/socket"
)

// transports are those that a relay has.
type transports []transport.Transport

// local are those that every relay has.
var local = transports{
	plain.Pipe,
	plain.FIFO,
	plain.File,
	socket.Unix,
	socket.Unixgram,
	socket.TCP,
	shm.Transport,
	mqueue.Transport,
}

// siblings are the relays that have the others, by scheme: each is a program of
// its own, since the clients of all brokers together are several times as
// large as the rest.
var siblings = []struct{ scheme, summary string }{
	{"amqp", "RabbitMQ"},
	{"amqp1", "a broker that speaks AMQP 1.0"},
	{"grpc", "gRPC"},
	{"kafka", "Kafka"},
	{"nats", "NATS and its JetStream"},
	{"rocketmq", "RocketMQ"},
	{"stomp", "ActiveMQ, or another broker that speaks STOMP"},
	{"thrift", "Thrift"},
}

// help lists the ways to talk.
func (t transports) help() string {
	var b strings.Builder
	b.WriteString("Ways to talk:\n")
	for _, tr := range t {
		fmt.Fprintf(&b, "  %-24s %s\n", tr.Form, tr.Summary)
	}
	b.WriteString("With a program of its own beside this one, or on PATH, relay-SCHEME:\n")
	for _, s := range siblings {
		fmt.Fprintf(&b, "  %-24s %s\n", s.scheme+"://", s.summary)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// operand is the URL that is the first operand, and its transport. If a sibling
// has that, it takes the place of this process, and operand does not return.
func (t transports) operand(inv *cmdline.Invocation) (transport.URL, transport.Transport, error) {
	if len(inv.Operands()) == 0 {
		return transport.URL{}, transport.Transport{}, cmdline.Usagef("which URL?")
	}
	u, tr, err := t.parse(inv.Operands()[0])
	if _, unknown := errors.AsType[*unknownError](err); unknown {
		if failure := becomeSibling(u.Scheme, inv.Line()); failure != nil {
			err = failure
		}
	}
	return u, tr, err
}

// unknownError is a scheme that this relay does not have.
type unknownError struct{ scheme, known string }

func (e *unknownError) Error() string   { return fmt.Sprintf("no way to talk is called %q", e.scheme) }
func (e *unknownError) ExitStatus() int { return 2 }
func (e *unknownError) Hint() string    { return "it is one of " + e.known }

// parse parses a URL and finds its transport.
func (t transports) parse(s string) (u transport.URL, tr transport.Transport, err error) {
	if u, err = transport.ParseURL(s); err != nil {
		if transport.IsPassword(err) {
			return u, tr, cmdline.UsageHint(err, "--password-file FILE, --password-command COMMAND or $RELAY_PASSWORD says it")
		}
		return u, tr, cmdline.Usage(err)
	}
	for _, tr := range t {
		if tr.Scheme == u.Scheme {
			return u, tr, cmdline.Usage(u.Check(tr))
		}
	}
	known := t.schemes()
	for _, s := range siblings {
		if !slices.Contains(known, s.scheme) {
			known = append(known, s.scheme)
		}
	}
	return u, tr, &unknownError{u.Scheme, strings.Join(known, ", ")}
}

func (t transports) schemes() (names []string) {
	for _, tr := range t {
		names = append(names, tr.Scheme)
	}
	return names
}

// becomeSibling runs the relay for a scheme in place of this one. If there is
// none, it returns nil, or how to get it.
func becomeSibling(scheme string, args []string) error {
	for _, s := range siblings {
		if s.scheme != scheme {
			continue
		}
		name := "relay-" + scheme
		path, err := findSibling(name)
		if err != nil {
			return cmdline.UsageHint(fmt.Errorf("%s:// takes the program %s, which is neither beside relay nor on PATH", scheme, name), "it is built and packaged with relay")
		}
		return fmt.Errorf("run %s: %w", path, syscall.Exec(path, append([]string{name}, args...), os.Environ()))
	}
	return nil
}

func findSibling(name string) (string, error) {
	if self, err := os.Executable(); err == nil {
		if path, err := exec.LookPath(filepath.Join(filepath.Dir(self), name)); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(name)
}
