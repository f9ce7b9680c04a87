// Package rocketmq carries relay's messages by RocketMQ 5, in the protocol of
// its proxies, over gRPC: each is confirmed by the broker, and comes again
// unless it is acknowledged.
//
// Of Apache's client it uses the protocol alone. The rest of that client writes
// logs to files, has one configuration of TLS for the whole process, waits where
// nothing can stop it, and may drop a batch that it has just received.
package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/tlsoption"
)

// Transport is rocketmq://.
var Transport = transport.Transport{
	Scheme:  "rocketmq",
	Form:    "rocketmq://[USER@]HOST[:PORT]/TOPIC",
	Summary: "RocketMQ 5, by its proxy",
	Options: slices.Concat([]transport.Option{
		{Name: "tag", Usage: "of what is sent; a receiver gets only what has it, or one of several: a||b"},
		{Name: "ack-wait", Usage: "time after which what a receiver that died had is given to another (30s, at least 10s)"},
	}, tlsoption.Options),
	Endless:  true,
	Sender:   newSender,
	Receiver: newReceiver,
}

const (
	defaultPort  = "8081"
	defaultGroup = "relay"
	streamGroup  = "relay-stream" // which is to keep the order

	// What a proxy allows unless it is told otherwise.
	minAckWait, maxAckWait = 10 * time.Second, 12 * time.Hour
)

// config is what a URL says.
type config struct {
	url     transport.URL
	proxy   *v2.Endpoints
	topic   string
	tag     string
	ackWait time.Duration
	o       transport.Options
}

func parse(u transport.URL, o transport.Options) (c *config, err error) {
	c = &config{url: u, topic: u.Name(), tag: u.Option("tag"), o: o}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil {
		host, port = strings.Trim(u.Host, "[]"), defaultPort
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || host == "" || c.topic == "" || strings.Contains(c.topic, "/") {
		return c, u.Errorf("it is written rocketmq://HOST/TOPIC")
	}
	c.proxy = endpoints(host, int32(number))
	if o.Dedupe {
		return c, u.Errorf("RocketMQ does not know a message that it has had: JetStream and Kafka do")
	}
	c.ackWait, err = u.Duration("ack-wait", 30*time.Second)
	if err == nil && (c.ackWait < minAckWait || c.ackWait > maxAckWait) {
		err = u.Errorf("option ack-wait=%s: RocketMQ takes %v to %v", u.Option("ack-wait"), minAckWait, maxAckWait)
	}
	return c, err
}

// endpoints is an address as the protocol has it.
func endpoints(host string, port int32) *v2.Endpoints {
	e := &v2.Endpoints{Scheme: v2.AddressScheme_DOMAIN_NAME, Addresses: []*v2.Address{{Host: host, Port: port}}}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		e.Scheme = v2.AddressScheme_IPv4
	} else if err == nil {
		e.Scheme = v2.AddressScheme_IPv6
	}
	return e
}

func newSender(ctx context.Context, u transport.URL, o transport.Options) (transport.Sender, error) {
	c, err := parse(u, o)
	if err != nil {
		return nil, err
	}
	if strings.Contains(c.tag, "|") {
		return nil, u.Errorf("option tag=%s: what is sent has one tag", c.tag)
	}
	return broker.NewSender(ctx, u.String(), "maxMessageSize, in the configuration of RocketMQ's proxy and its brokers", o,
		func(ctx context.Context, e *broker.Events) (broker.Publisher, error) { return c.publisher(ctx, e) })
}

func newReceiver(ctx context.Context, u transport.URL, o transport.Options) (transport.Receiver, error) {
	c, err := parse(u, o)
	if err != nil {
		return nil, err
	}
	l := newLeases(c)
	return broker.NewReceiver(ctx, u.String(), o, func(ctx context.Context) (broker.Consumer, error) { return l.consumer(ctx) })
}

func (c *config) resource() *v2.Resource { return &v2.Resource{Name: c.topic} }

func (c *config) group() string {
	switch {
	case c.o.Group != "":
		return c.o.Group
	case c.o.Stream:
		return streamGroup
	}
	return defaultGroup
}

// check is the error that an answer tells of.
func (c *config) check(s *v2.Status) error {
	switch code := s.GetCode(); code {
	case v2.Code_OK:
		return nil
	case v2.Code_UNAUTHORIZED, v2.Code_FORBIDDEN:
		return c.noAccess(s.GetMessage())
	case v2.Code_TOPIC_NOT_FOUND:
		return link.Permanent(&hintError{
			fmt.Errorf("%s: there is no such topic", c.url),
			"make it: mqadmin updateTopic -n NAMESERVER -c CLUSTER -t " + c.topic + " (-a +message.type=FIFO for one that keeps the order)",
		})
	case v2.Code_CONSUMER_GROUP_NOT_FOUND:
		return link.Permanent(&hintError{
			fmt.Errorf("%s: there is no consumer group %s", c.url, c.group()),
			"make it: mqadmin updateSubGroup -n NAMESERVER -c CLUSTER -g " + c.group(),
		})
	case v2.Code_REQUEST_TIMEOUT, v2.Code_TOO_MANY_REQUESTS, v2.Code_UNRECOGNIZED_CLIENT_TYPE:
		return &statusError{s}
	default:
		err := error(&statusError{s})
		if code >= v2.Code_BAD_REQUEST && code < v2.Code_INTERNAL_ERROR { // as of HTTP
			err = link.Permanent(fmt.Errorf("%s: %w", c.url, err))
		}
		return err
	}
}

// statusError is what the proxy or a broker says is wrong.
type statusError struct{ status *v2.Status }

func (e *statusError) Error() string {
	if e.status.GetMessage() == "" {
		return e.status.GetCode().String()
	}
	return fmt.Sprintf("%s (%s)", e.status.GetMessage(), e.status.GetCode())
}

func isStatus(err error, code v2.Code) bool {
	s, ok := errors.AsType[*statusError](err)
	return ok && s.status.GetCode() == code
}

// failed says what is wrong with a call that has no answer.
func (c *config) failed(err error) error {
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	switch s.Code() {
	case codes.Unauthenticated, codes.PermissionDenied:
		return c.noAccess(s.Message())
	case codes.Unimplemented:
		return link.Permanent(fmt.Errorf("connect to %s: it is no proxy of RocketMQ 5: %s", c.url, s.Message()))
	case codes.DeadlineExceeded:
		return errors.New("no answer: does the proxy want TLS?")
	case codes.InvalidArgument:
		return link.Permanent(fmt.Errorf("%s: %s", c.url, s.Message()))
	}
	return errors.New(s.Message())
}

func (c *config) noAccess(reason string) error {
	return link.Permanent(&broker.AccessError{URL: c.url, Err: fmt.Errorf("RocketMQ does not let us in: %s", reason)})
}

// hintError is an error whose cure is known.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }
func (e *hintError) Hint() string  { return e.hint }
