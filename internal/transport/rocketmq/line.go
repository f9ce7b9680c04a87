package rocketmq

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
	overgrpc "pipeworks/internal/transport/grpc"
	"pipeworks/internal/transport/link"
	"pipeworks/internal/transport/socket"
)

const (
	requestTime = 10 * time.Second // that a call may take
	beat        = 10 * time.Second // between signs of life, without which a proxy forgets us after a minute or two
	routeBeats  = 3                // of them to a look at where the topic is
)

// line is what connects a sender or a receiver with the proxies of its topic,
// until one of them is lost.
type line struct {
	c          *config
	identity   *identity
	settings   *v2.Settings  // that we tell
	permission v2.Permission // that its queues need
	peers      map[string]*peer
	queues     []*v2.MessageQueue // of the topic, as many as can be used
	ctx        context.Context    // until the line is lost or closed
	lose       context.CancelCauseFunc
	running    sync.WaitGroup
}

// peer is a proxy.
type peer struct {
	v2.MessagingServiceClient
	conn     *grpc.ClientConn
	settings *v2.Settings // that it tells
}

// connect makes a line for what the settings say, to the queues that have a permission.
func (c *config) connect(ctx context.Context, settings *v2.Settings, permission v2.Permission) (*line, error) {
	limit := broker.ConnectTime
	if c.o.Timeout > 0 {
		limit = min(limit, c.o.Timeout)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	password, err := broker.Password(ctx, c.o)
	if err != nil {
		return nil, link.Permanent(err)
	}
	settings.AccessPoint = c.proxy
	settings.RequestTimeout = durationpb.New(requestTime)
	settings.UserAgent = &v2.UA{Language: v2.Language_GOLANG, Version: clientVersion, Hostname: hostname()}
	l := &line{c: c, settings: settings, permission: permission, peers: map[string]*peer{}, identity: newIdentity(c.url.User, password)}
	l.ctx, l.lose = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := l.begin(ctx); err != nil {
		l.end(err)
		return nil, err
	}
	return l, nil
}

func (l *line) begin(ctx context.Context) error {
	p, err := l.dial(ctx, address(l.c.proxy))
	if err != nil {
		return err
	}
	if l.queues, err = l.route(ctx, p); err != nil {
		return err
	}
	for _, q := range l.queues {
		if err := l.introduce(ctx, home(q)); err != nil {
			return err
		}
	}
	l.running.Go(func() { l.live(p) })
	return nil
}

// dial connects to a proxy, unless it was done.
func (l *line) dial(ctx context.Context, address string) (*peer, error) {
	if p := l.peers[address]; p != nil {
		return p, nil
	}
	d, err := socket.NewDialer(transport.URL{Scheme: l.c.url.Scheme, Host: address, Query: l.c.url.Query}, "h2")
	if err != nil {
		return nil, link.Permanent(err)
	}
	conn, err := overgrpc.Connect(ctx, d,
		grpc.WithPerRPCCredentials(l.identity),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
	)
	if err != nil {
		return nil, err
	}
	p := &peer{v2.NewMessagingServiceClient(conn), conn, nil}
	l.peers[address] = p
	return p, nil
}

// address is the first of them; empty: there is none.
func address(e *v2.Endpoints) string {
	a := e.GetAddresses()
	if len(a) == 0 {
		return ""
	}
	return net.JoinHostPort(a[0].GetHost(), strconv.Itoa(int(a[0].GetPort())))
}

// home is where a queue is to be found.
func home(q *v2.MessageQueue) string { return address(q.GetBroker().GetEndpoints()) }

// route asks for the queues of the topic that can be used: those of masters, with
// the permission.
func (l *line) route(ctx context.Context, p *peer) ([]*v2.MessageQueue, error) {
	answer, err := p.QueryRoute(ctx, &v2.QueryRouteRequest{Topic: l.c.resource(), Endpoints: l.c.proxy})
	if err != nil {
		return nil, l.c.failed(err)
	}
	if err := l.c.check(answer.GetStatus()); err != nil {
		return nil, err
	}
	queues := slices.DeleteFunc(answer.GetMessageQueues(), func(q *v2.MessageQueue) bool {
		return q.GetBroker().GetId() != 0 || home(q) == "" || q.GetPermission() != l.permission && q.GetPermission() != v2.Permission_READ_WRITE
	})
	if len(queues) == 0 {
		return nil, fmt.Errorf("no broker has a queue of topic %s for now", l.c.topic)
	}
	return queues, nil
}

// introduce tells a proxy our settings, unless it was done, and waits for what it
// says of them. The line is lost when the proxy hangs up.
func (l *line) introduce(ctx context.Context, address string) error {
	p, err := l.dial(ctx, address)
	if err != nil || p.settings != nil {
		return err
	}
	told := make(chan *v2.Settings, 1)
	stream, err := p.Telemetry(l.ctx)
	if err == nil {
		err = stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: l.settings}})
	}
	if err != nil {
		return l.c.failed(err)
	}
	l.running.Go(func() {
		for {
			command, err := stream.Recv()
			if err == nil && command.GetStatus() != nil {
				err = l.c.check(command.GetStatus())
			} else if err != nil {
				err = l.c.failed(err)
			}
			if err != nil {
				l.lose(err)
				return
			}
			if s := command.GetSettings(); s != nil {
				select {
				case told <- s:
				default: // they have changed: the next line sees them
				}
			}
		}
	})
	select {
	case p.settings = <-told:
		return nil
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	case <-ctx.Done():
		return l.c.failed(status.FromContextError(ctx.Err()).Err())
	}
}

// live gives signs of life, and looks now and then where the topic is.
func (l *line) live(first *peer) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			return
		}
		err := l.beat()
		if err == nil && n%routeBeats == 0 {
			err = l.look(first)
		}
		if err != nil {
			l.lose(err)
			return
		}
	}
}

func (l *line) beat() error {
	ctx, cancel := context.WithTimeout(l.ctx, requestTime)
	defer cancel()
	for _, p := range l.peers {
		if p.settings == nil { // it does not know us
			continue
		}
		answer, err := p.Heartbeat(ctx, &v2.HeartbeatRequest{Group: l.settings.GetSubscription().GetGroup(), ClientType: l.settings.GetClientType()})
		if err != nil {
			return l.c.failed(err)
		}
		if err := l.c.check(answer.GetStatus()); err != nil {
			return err
		}
	}
	return nil
}

// look says whether the topic has moved. That it cannot be told now is no reason
// to give up the line.
func (l *line) look(first *peer) error {
	ctx, cancel := context.WithTimeout(l.ctx, requestTime)
	defer cancel()
	queues, err := l.route(ctx, first)
	if err == nil && !slices.EqualFunc(queues, l.queues, func(a, b *v2.MessageQueue) bool {
		return home(a) == home(b) && a.GetBroker().GetName() == b.GetBroker().GetName()
	}) {
		return errors.New("the topic has other brokers now")
	}
	return nil
}

// bye tells the proxies that we go.
func (l *line) bye() {
	ctx, cancel := context.WithTimeout(l.ctx, broker.GoodbyeTime)
	defer cancel()
	for _, p := range l.peers {
		if p.settings != nil {
			_, _ = p.NotifyClientTermination(ctx, &v2.NotifyClientTerminationRequest{Group: l.settings.GetSubscription().GetGroup()})
		}
	}
}

// end ends the line, for a reason.
func (l *line) end(reason error) {
	l.lose(reason)
	for _, p := range l.peers {
		p.conn.Close()
	}
	l.running.Wait()
}

// clientVersion is that of the protocol that we speak.
const clientVersion = "5.1.2"

func hostname() string {
	name, _ := os.Hostname() // empty: it has none
	return name
}

// identity signs each call with the key, and names the client.
type identity struct{ client, user, password string }

func newIdentity(user, password string) *identity {
	return &identity{fmt.Sprintf("%s@%d@%s", hostname(), os.Getpid(), rand.Text()), user, password}
}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (i *identity) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	now := time.Now().UTC().Format("20060102T150405Z")
	headers := map[string]string{
		"x-mq-language":       "GO",
		"x-mq-protocol":       "v2",
		"x-mq-client-version": clientVersion,
		"x-mq-client-id":      i.client,
		"x-mq-request-id":     rand.Text(),
		"x-mq-date-time":      now,
	}
	if i.user != "" {
		mac := hmac.New(sha1.New, []byte(i.password))
		mac.Write([]byte(now))
		headers["authorization"] = fmt.Sprintf("MQv2-HMAC-SHA1 Credential=%s//Rocketmq, SignedHeaders=x-mq-date-time, Signature=%s",
			i.user, hex.EncodeToString(mac.Sum(nil)))
	}
	return headers, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: the password
// itself is not sent.
func (i *identity) RequireTransportSecurity() bool { return false }
