// Package proxytest is a stand-in for RocketMQ 5: what a proxy and a broker
// would answer, from memory, and as strict as they are by default. Apache's own
// client talks to it in test/rocketmq.
package proxytest

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// MaxBody is what a proxy allows by default.
const MaxBody = 4 << 20

// Proxy is one with its broker. A topic is there as soon as somebody asks for it,
// unless its name begins with "missing". It takes messages of any type, and only
// those with a message group if it begins with "fifo", only those without if it
// begins with "normal". A group keeps the order if its name ends in
// "-stream".
type Proxy struct {
	v2.UnimplementedMessagingServiceServer

	// Users are those that are let in, with their secrets; nil: everybody is.
	Users map[string]string

	// Refuse is what calls are answered instead, by method; to be set before
	// Serve, and called by many.
	Refuse func(method string) *v2.Status

	// Others are proxies with brokers of their own, which have the topics as well.
	Others []*Proxy

	server   *grpc.Server
	endpoint *v2.Endpoints

	mu       sync.Mutex
	changed  chan struct{} // closed at each change
	topics   map[string][]*message
	groups   map[[2]string]int // where a topic's first message is that a group has not done
	clients  map[string]*v2.Settings
	handles  int
	handle   map[string]*delivery
	requests map[string]int // calls, by method
}

// message is one that is kept.
type message struct {
	*v2.Message
	groups map[string]*delivery // by consumer group
}

// delivery is what a consumer group knows of a message.
type delivery struct {
	attempts int32
	until    time.Time // nobody else gets it
	handle   string
	done     bool
}

// Serve answers what comes in.
func (p *Proxy) Serve(l net.Listener, options ...grpc.ServerOption) {
	addr := l.Addr().(*net.TCPAddr)
	p.mu.Lock()
	p.endpoint = &v2.Endpoints{Scheme: v2.AddressScheme_IPv4, Addresses: []*v2.Address{{Host: addr.IP.String(), Port: int32(addr.Port)}}}
	if p.topics == nil {
		p.changed, p.topics, p.clients = make(chan struct{}), map[string][]*message{}, map[string]*v2.Settings{}
		p.groups, p.handle, p.requests = map[[2]string]int{}, map[string]*delivery{}, map[string]int{}
	}
	p.server = grpc.NewServer(append(options, grpc.MaxRecvMsgSize(130<<20))...)
	v2.RegisterMessagingServiceServer(p.server, p)
	server := p.server
	p.mu.Unlock()
	go func() { _ = server.Serve(l) }()
}

// Stop hangs up. What is kept is there again after the next Serve.
func (p *Proxy) Stop() {
	p.server.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.clients)
}

// Requests is how often a method was called.
func (p *Proxy) Requests(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[method]
}

// Clients is how many have told their settings and not gone.
func (p *Proxy) Clients() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.clients)
}

func ok() *v2.Status { return &v2.Status{Code: v2.Code_OK, Message: "OK"} }

func no(code v2.Code, format string, args ...any) *v2.Status {
	return &v2.Status{Code: code, Message: fmt.Sprintf(format, args...)}
}

// admit is what every call has to pass; nil: it does. It returns the client.
func (p *Proxy) admit(ctx context.Context, method string) (string, *v2.Status) {
	headers, _ := metadata.FromIncomingContext(ctx)
	header := func(name string) string { return strings.Join(headers.Get(name), ",") }
	p.mu.Lock()
	p.requests[method]++
	p.mu.Unlock()
	if p.Refuse != nil {
		if s := p.Refuse(method); s != nil {
			return "", s
		}
	}
	client := header("x-mq-client-id")
	switch {
	case client == "":
		return "", no(v2.Code_CLIENT_ID_REQUIRED, "client id cannot be empty")
	case header("x-mq-language") != "GO":
		return "", no(v2.Code_INTERNAL_SERVER_ERROR, "no enum constant %s", header("x-mq-language"))
	}
	if p.Users != nil {
		if s := p.authenticate(header("authorization"), header("x-mq-date-time")); s != nil {
			return "", s
		}
	}
	return client, nil
}

var credential = regexp.MustCompile(`^MQv2-HMAC-SHA1 Credential=([^/,]*)/[^,]*, *SignedHeaders=x-mq-date-time, *Signature=([0-9a-fA-F]+)$`)

func (p *Proxy) authenticate(authorization, at string) *v2.Status {
	parts := credential.FindStringSubmatch(authorization)
	if parts == nil || at == "" {
		return no(v2.Code_UNAUTHORIZED, "authentication header is incorrect")
	}
	secret, known := p.Users[parts[1]]
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(at))
	if !known || !strings.EqualFold(hex.EncodeToString(mac.Sum(nil)), parts[2]) {
		return no(v2.Code_UNAUTHORIZED, "check signature failed")
	}
	return nil
}

var name = regexp.MustCompile(`^[%|a-zA-Z0-9_-]{1,127}$`)

func checkTopic(topic string) *v2.Status {
	switch {
	case !name.MatchString(topic):
		return no(v2.Code_ILLEGAL_TOPIC, "the specified topic[%s] contains illegal characters", topic)
	case strings.HasPrefix(topic, "missing"):
		return no(v2.Code_TOPIC_NOT_FOUND, "no topic route info in name server for the topic: %s", topic)
	}
	return nil
}

func checkGroup(group string) *v2.Status {
	switch {
	case !name.MatchString(group) || len(group) > 120:
		return no(v2.Code_ILLEGAL_CONSUMER_GROUP, "the specified group[%s] contains illegal characters", group)
	case strings.HasPrefix(group, "missing"):
		return no(v2.Code_CONSUMER_GROUP_NOT_FOUND, "subscription group not exist")
	}
	return nil
}

func orderly(group string) bool { return strings.HasSuffix(group, "-stream") }

func accepted(topic string) []v2.MessageType {
	switch {
	case strings.HasPrefix(topic, "fifo"):
		return []v2.MessageType{v2.MessageType_FIFO}
	case strings.HasPrefix(topic, "normal"):
		return []v2.MessageType{v2.MessageType_NORMAL}
	}
	return []v2.MessageType{v2.MessageType_NORMAL, v2.MessageType_FIFO, v2.MessageType_DELAY, v2.MessageType_TRANSACTION}
}

// QueryRoute implements v2.MessagingServiceServer.
func (p *Proxy) QueryRoute(ctx context.Context, r *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
	_, status := p.admit(ctx, "QueryRoute")
	if status == nil {
		status = checkTopic(r.GetTopic().GetName())
	}
	if status != nil {
		return &v2.QueryRouteResponse{Status: status}, nil
	}
	answer := &v2.QueryRouteResponse{Status: ok()}
	for _, one := range append([]*Proxy{p}, p.Others...) {
		broker := &v2.Broker{Name: fmt.Sprint("broker-", one.endpoint.Addresses[0].Port), Endpoints: one.endpoint}
		for id := range 4 {
			answer.MessageQueues = append(answer.MessageQueues, &v2.MessageQueue{
				Topic: r.GetTopic(), Id: int32(id), Permission: v2.Permission_READ_WRITE, Broker: broker,
				AcceptMessageTypes: accepted(r.GetTopic().GetName()),
			})
		}
	}
	return answer, nil
}

// Telemetry implements v2.MessagingServiceServer.
func (p *Proxy) Telemetry(stream v2.MessagingService_TelemetryServer) error {
	client, status := p.admit(stream.Context(), "Telemetry")
	if status != nil {
		return stream.Send(&v2.TelemetryCommand{Status: status})
	}
	for {
		command, err := stream.Recv()
		if err != nil {
			return nil
		}
		settings := command.GetSettings()
		if settings == nil {
			continue
		}
		settings = proto.CloneOf(settings)
		if s := settings.GetSubscription(); s != nil {
			fifo := orderly(s.GetGroup().GetName())
			s.Fifo = &fifo
		} else if s := settings.GetPublishing(); s != nil {
			s.MaxBodySize, s.ValidateMessageType = MaxBody, true
		}
		p.mu.Lock()
		p.clients[client] = settings
		p.mu.Unlock()
		if err := stream.Send(&v2.TelemetryCommand{Status: ok(), Command: &v2.TelemetryCommand_Settings{Settings: settings}}); err != nil {
			return err
		}
	}
}

// known says whether a client has told its settings.
func (p *Proxy) known(client string) *v2.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients[client] == nil {
		return no(v2.Code_UNRECOGNIZED_CLIENT_TYPE, "cannot find client settings for this client")
	}
	return nil
}

// Heartbeat implements v2.MessagingServiceServer.
func (p *Proxy) Heartbeat(ctx context.Context, _ *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
	client, status := p.admit(ctx, "Heartbeat")
	if status == nil {
		status = p.known(client)
	}
	if status == nil {
		status = ok()
	}
	return &v2.HeartbeatResponse{Status: status}, nil
}

// NotifyClientTermination implements v2.MessagingServiceServer.
func (p *Proxy) NotifyClientTermination(ctx context.Context, _ *v2.NotifyClientTerminationRequest) (*v2.NotifyClientTerminationResponse, error) {
	client, status := p.admit(ctx, "NotifyClientTermination")
	if status == nil {
		status = p.known(client)
	}
	if status == nil {
		p.mu.Lock()
		delete(p.clients, client)
		p.mu.Unlock()
		status = ok()
	}
	return &v2.NotifyClientTerminationResponse{Status: status}, nil
}

// SendMessage implements v2.MessagingServiceServer.
func (p *Proxy) SendMessage(ctx context.Context, r *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
	_, status := p.admit(ctx, "SendMessage")
	for _, m := range r.GetMessages() {
		if status == nil {
			status = checkMessage(m)
		}
	}
	if status != nil {
		return &v2.SendMessageResponse{Status: status}, nil
	}
	answer := &v2.SendMessageResponse{Status: ok()}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range r.GetMessages() {
		digest := md5.Sum(m.Body)
		m.SystemProperties.BodyDigest = &v2.Digest{Type: v2.DigestType_MD5, Checksum: hex.EncodeToString(digest[:])}
		topic := m.GetTopic().GetName()
		p.topics[topic] = append(p.topics[topic], &message{m, map[string]*delivery{}})
		answer.Entries = append(answer.Entries, &v2.SendResultEntry{Status: ok(), MessageId: m.SystemProperties.MessageId, Offset: int64(len(p.topics[topic]))})
	}
	p.change()
	return answer, nil
}

// change wakes those that wait. The lock is held.
func (p *Proxy) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func checkMessage(m *v2.Message) *v2.Status {
	topic, properties := m.GetTopic().GetName(), m.GetSystemProperties()
	if s := checkTopic(topic); s != nil {
		return s
	}
	kind := v2.MessageType_NORMAL
	if properties.GetMessageGroup() != "" {
		kind = v2.MessageType_FIFO
	}
	control := func(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
	switch {
	case len(m.GetBody()) == 0:
		return no(40018, "message body cannot be empty")
	case len(m.GetBody()) > MaxBody:
		return no(v2.Code_MESSAGE_BODY_TOO_LARGE, "message body cannot exceed the max %d", MaxBody)
	case properties.GetMessageId() == "":
		return no(v2.Code_ILLEGAL_MESSAGE_ID, "message id cannot be empty")
	case !slices.Contains(accepted(topic), kind) || properties.GetMessageType() != kind:
		return no(v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE, "current message type not match with topic accept message types")
	case len(properties.GetMessageGroup()) >= 64 || control(properties.GetMessageGroup()):
		return no(v2.Code_ILLEGAL_MESSAGE_GROUP, "message group exceed the max size 64")
	case strings.Contains(properties.GetTag(), "|"):
		return no(v2.Code_ILLEGAL_MESSAGE_TAG, "tag cannot contain '|'")
	case slices.ContainsFunc(properties.GetKeys(), control):
		return no(v2.Code_ILLEGAL_MESSAGE_KEY, "key cannot contain control character")
	}
	for key, value := range m.GetUserProperties() {
		if control(key) || control(value) {
			return no(v2.Code_ILLEGAL_MESSAGE_PROPERTY_KEY, "property cannot contain control character")
		}
	}
	return nil
}
