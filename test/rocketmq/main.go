// Command rocketmq is Apache's client for RocketMQ, and the stand-in for its
// proxies that relay-rocketmq is tested with: see the script run.
package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"strconv"
	"time"

	rocketmq "github.com/apache/rocketmq-clients/golang/v5"
	sessions "github.com/apache/rocketmq-clients/golang/v5/credentials"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"pipeworks/internal/transport/rocketmq/proxytest"
)

const user, secret = "ann", "open sesame"

func main() {
	var err error
	switch os.Args[1] {
	case "proxy":
		err = proxy()
	case "send":
		err = send(os.Args[2], os.Args[3])
	case "receive":
		err = receive(os.Args[2], os.Args[3], os.Args[4])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// proxy prints the address of the stand-in, and ends with its standard input. It
// has TLS, since Apache's client speaks nothing else.
func proxy() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p := &proxytest.Proxy{Users: map[string]string{user: secret}}
	p.Serve(l, grpc.Creds(credentials.NewServerTLSFromCert(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})))
	defer p.Stop()
	fmt.Println(l.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// config is that of a client. It also keeps the client from writing its log to
// the root and to the temporary directory.
func config(address, logs string) *rocketmq.Config {
	os.Setenv(rocketmq.CLIENT_LOG_ROOT, logs)
	rocketmq.ResetLogger()
	connect := rocketmq.NewRpcClient
	rocketmq.NewRpcClient = func(target string, options ...rocketmq.RpcClientOption) (rocketmq.RpcClient, error) {
		quiet := rocketmq.WithRpcClientConnOption(rocketmq.WithZapLogger(zap.NewNop()))
		return connect(target, append(options, quiet)...)
	}
	return &rocketmq.Config{
		Endpoint:      address,
		ConsumerGroup: "apache",
		Credentials:   &sessions.SessionCredentials{AccessKey: user, AccessSecret: secret},
	}
}

// send sends the lines of the standard input.
func send(address, topic string) error {
	logs, err := os.MkdirTemp("", "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(logs)
	p, err := rocketmq.NewProducer(config(address, logs), rocketmq.WithTopics(topic))
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		m := &rocketmq.Message{Topic: topic, Body: []byte(lines.Text())}
		m.SetMessageGroup("group")
		if _, err := p.Send(context.Background(), m); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return p.GracefulStop()
}

// receive prints so many messages, a line each.
func receive(address, topic, number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	logs, err := os.MkdirTemp("", "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(logs)
	c, err := rocketmq.NewSimpleConsumer(config(address, logs),
		rocketmq.WithAwaitDuration(5*time.Second),
		rocketmq.WithSubscriptionExpressions(map[string]*rocketmq.FilterExpression{topic: rocketmq.SUB_ALL}))
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	for patience := 50; n > 0; {
		messages, err := c.Receive(context.Background(), 16, 20*time.Second)
		if err != nil { // it asks before the proxy knows it, or nothing is there
			if patience--; patience == 0 {
				return err
			}
			time.Sleep(100 * time.Millisecond)
		}
		for _, m := range messages {
			fmt.Println(string(m.GetBody()))
			if err := c.Ack(context.Background(), m); err != nil {
				return err
			}
		}
		n -= len(messages)
	}
	return c.GracefulStop()
}
