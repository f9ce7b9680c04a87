package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/tlsoption"
)

const (
	connectTime = 10 * time.Second // that one attempt may take
	requestTime = 30 * time.Second

	// defaultLimit is what a broker takes where it does not tell: the default of
	// max.message.bytes.
	defaultLimit = 1048588
	// limitRoom is for what else there is of a message in its batch.
	limitRoom = 512
)

// client is a connection to a cluster, which franz-go makes anew when it breaks.
type client struct {
	*kgo.Client
	cfg    config
	o      transport.Options
	alive  context.Context // until no connection could be had for too long
	cancel context.CancelCauseFunc

	mu      sync.Mutex // also of who uses it
	changed sync.Cond
	err     error // nothing more can be done

	refused error     // of the last attempt to connect, if it failed
	since   time.Time // of attempts that fail
	told    bool
	failed  chan struct{} // of an attempt; has room for one
}

// connect waits for a broker that answers and the topic, and says how long a
// message may be.
func connect(ctx context.Context, cfg config, o transport.Options, sending bool, options ...kgo.Opt) (c *client, limit int, err error) {
	c = &client{cfg: cfg, o: o, failed: make(chan struct{}, 1)}
	c.changed.L = &c.mu
	common, err := c.options(ctx)
	if err != nil {
		return nil, 0, err
	}
	c.alive, c.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	// The topic's limit is one of the options of a sender: it is asked with a
	// client of its own.
	if c.Client, err = kgo.NewClient(common...); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", cfg.url, err)
	}
	err = link.Retry(ctx, o, cfg.url.String(), func() (err error) {
		limit, err = c.look(ctx, sending)
		return err
	})
	c.Close()
	if err != nil {
		return nil, 0, err
	}
	if sending {
		options = append(options, kgo.ProducerBatchMaxBytes(int32(min(limit, maxBatch))))
	}
	if c.Client, err = kgo.NewClient(append(common, options...)...); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", cfg.url, err)
	}
	return c, limit, nil
}

// maxBatch is the most that franz-go writes at once, less the rest of a request.
const maxBatch = 99 << 20

func (c *client) options(ctx context.Context) ([]kgo.Opt, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(c.cfg.seeds...),
		kgo.ClientID("relay"),
		kgo.DialTimeout(connectTime),
		kgo.WithHooks(c),
		kgo.RetryBackoffFn(func(tries int) time.Duration { return min(50*time.Millisecond<<min(tries, 10), time.Second) }),
		kgo.MetadataMinAge(250 * time.Millisecond), // a topic that was just made, a broker that is back
	}
	config, err := tlsoption.Client(c.cfg.url)
	if err != nil {
		return nil, err
	}
	if config != nil {
		config.ServerName = "" // that of the broker at hand
		options = append(options, kgo.DialTLSConfig(config))
	}
	user := c.cfg.url.User
	if user == "" {
		if c.cfg.sasl != "" {
			return nil, c.cfg.url.Errorf("option sasl needs a user: kafka://USER@HOST/TOPIC")
		}
		return options, nil
	}
	password := ""
	if c.o.Password != nil {
		if password, err = c.o.Password(ctx); err != nil {
			return nil, err
		}
	}
	mechanism := c.cfg.sasl
	if mechanism == "" && config == nil {
		mechanism = "scram-sha-512" // which does not tell the password
	}
	switch mechanism {
	case "scram-sha-256":
		options = append(options, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha256Mechanism()))
	case "scram-sha-512":
		options = append(options, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()))
	default:
		options = append(options, kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
	}
	return options, nil
}

// OnBrokerConnect implements kgo.HookBrokerConnect: it notices how long no
// broker could be reached.
func (c *client) OnBrokerConnect(broker kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		if c.told {
			c.o.Warnf("%s: connected again", c.cfg.url)
		}
		c.refused, c.since, c.told = nil, time.Time{}, false
		return
	}
	if errors.Is(err, context.Canceled) {
		return // by us
	}
	c.refused = c.connectError(err)
	select {
	case c.failed <- struct{}{}:
	default:
	}
	switch waited := time.Since(c.since); {
	case c.since.IsZero():
		c.since = time.Now()
	case c.o.Timeout > 0 && waited > c.o.Timeout:
		c.err = fmt.Errorf("%s: no connection for %v: %w", c.cfg.url, c.o.Timeout, c.refused)
		c.cancel(c.err)
		c.changed.Broadcast()
	case waited > time.Second && !c.told:
		c.told = true
		c.o.Warnf("%s: no connection, trying again: %s: %v", c.cfg.url, net.JoinHostPort(broker.Host, strconv.Itoa(int(broker.Port))), c.refused)
	}
}

// while is ctx for as long as there is a connection, or may be again.
func (c *client) while(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.alive, func() { cancel(context.Cause(c.alive)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// wait is transport.Wait, also for the end of all connections.
func (c *client) wait(ctx context.Context, while func() bool) error {
	return transport.Wait(ctx, &c.changed, &c.err, while)
}

func (c *client) close() {
	c.cancel(nil)
	c.CloseAllowingRebalance()
}

// connectError says what is wrong, and whether waiting could mend it.
func (c *client) connectError(err error) error {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, isTLS := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case isDNS && dns.IsNotFound:
		return link.Permanent(fmt.Errorf("connect to %s: unknown host %s", c.cfg.url, dns.Name))
	case isTLS:
		return link.Permanent(fmt.Errorf("connect to %s: %w", c.cfg.url, err))
	case errors.Is(err, io.EOF) && c.cfg.url.User != "":
		return c.accessError(errors.New("the broker ended the connection during the authentication"))
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.UnsupportedSaslMechanism), errors.Is(err, kerr.IllegalSaslState):
		return c.accessError(err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("nobody listens there (connection refused)")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

func (c *client) accessError(err error) error {
	return link.Permanent(&hintError{
		fmt.Errorf("connect to %s: %w", c.cfg.url, err),
		"is it the password of user " + c.cfg.url.User + ", and the right ?sasl=? The password comes from --password-file, --password-command or $RELAY_PASSWORD",
	})
}

// hintError is an error whose cure is known.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }
func (e *hintError) Hint() string  { return e.hint }

// look looks for the topic and its limit once, until all seeds have refused.
func (c *client) look(ctx context.Context, sending bool) (limit int, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	select {
	case <-c.failed: // long ago
	default:
	}
	looked := make(chan struct{})
	defer close(looked)
	go func() {
		for range c.cfg.seeds {
			select {
			case <-c.failed:
			case <-looked:
				return
			}
		}
		cancel()
	}()
	limit, err = c.topic(ctx, sending)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && c.refused != nil {
		return 0, c.refused
	}
	return limit, err
}

// topic is the limit of the topic, which is made if it is missing and it may be.
func (c *client) topic(ctx context.Context, sending bool) (limit int, err error) {
	name := c.cfg.topic
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Topics = []kmsg.MetadataRequestTopic{{Topic: &name}}
	answer, err := metadata.RequestWith(ctx, c.Client)
	if err != nil {
		return 0, err
	}
	if len(answer.Topics) != 1 {
		return 0, fmt.Errorf("%s: the broker says nothing of the topic", c.cfg.url)
	}
	switch err := kerr.ErrorForCode(answer.Topics[0].ErrorCode); {
	case err == nil:
	case errors.Is(err, kerr.UnknownTopicOrPartition) && c.cfg.create:
		if err := c.create(ctx); err != nil {
			return 0, err
		}
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		err = &hintError{fmt.Errorf("%s: there is no such topic", c.cfg.url), "?create makes it, with &partitions=N if wanted"}
		if sending { // a receiver waits for it
			err = link.Permanent(err)
		}
		return 0, err
	default:
		err = fmt.Errorf("%s: %w", c.cfg.url, err)
		if !kerr.IsRetriable(err) {
			err = link.Permanent(err)
		}
		return 0, err
	}
	if !sending {
		return 0, nil
	}
	return c.limit(ctx), nil
}

func (c *client) create(ctx context.Context) error {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic = c.cfg.topic
	topic.NumPartitions = int32(c.cfg.partitions)
	topic.ReplicationFactor = int16(c.cfg.replicas)
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = []kmsg.CreateTopicsRequestTopic{topic}
	answer, err := request.RequestWith(ctx, c.Client)
	if err != nil {
		return err
	}
	for _, t := range answer.Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
			continue
		}
		if t.ErrorMessage != nil {
			err = fmt.Errorf("%w %s", err, *t.ErrorMessage)
		}
		return link.Permanent(fmt.Errorf("create topic %s: %w", c.cfg.topic, err))
	}
	return nil
}

// limit is the topic's max.message.bytes.
func (c *client) limit(ctx context.Context) int {
	request := kmsg.NewPtrDescribeConfigsRequest()
	request.Resources = []kmsg.DescribeConfigsRequestResource{{
		ResourceType: kmsg.ConfigResourceTypeTopic,
		ResourceName: c.cfg.topic,
		ConfigNames:  []string{"max.message.bytes"},
	}}
	answer, err := request.RequestWith(ctx, c.Client)
	if err != nil {
		return defaultLimit // who may send need not be allowed to ask
	}
	for _, resource := range answer.Resources {
		for _, option := range resource.Configs {
			if option.Name == "max.message.bytes" && option.Value != nil {
				if n, err := strconv.Atoi(*option.Value); err == nil && n > limitRoom {
					return n
				}
			}
		}
	}
	return defaultLimit
}
