package e2e

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"

	"pipeworks/internal/transport/rocketmq/proxytest"
)

const (
	natsMonitorEnv = "PIPEWORKS_TEST_NATS_MONITOR"
	brokersEnv     = "PIPEWORKS_TEST_BROKERS"
)

// brokers sets NATS, AMQP, AMQP1 and STOMP, URLs to put a subject or queue behind
// that nobody else uses, where there is a server ($PIPEWORKS_TEST_NATS …), and
// NATS_MONITOR, where that of NATS tells its state. BROKERS is set where
// scripts/brokers takes orders.
func brokers(env *testscript.Env) {
	env.Setenv("BROKERS", os.Getenv(brokersEnv))
	env.Setenv("NATS_MONITOR", os.Getenv(natsMonitorEnv))
	for _, name := range []string{"NATS", "AMQP", "AMQP1", "STOMP"} {
		if url := os.Getenv("PIPEWORKS_TEST_" + name); url != "" {
			env.Setenv(name, fmt.Sprintf("%s/e2e%d", url, time.Now().UnixNano()))
		}
	}
}

// cmdKafka starts franz-go's fake of Kafka, of one broker, at $KAFKA; or it is
// $PIPEWORKS_TEST_KAFKA.
func cmdKafka(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: kafka")
	}
	addr := os.Getenv("PIPEWORKS_TEST_KAFKA")
	if addr == "" {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		ts.Check(err)
		ts.Defer(cluster.Close)
		addr = cluster.ListenAddrs()[0]
	}
	ts.Setenv("KAFKA", fmt.Sprintf("kafka://%s/e2e%d", addr, time.Now().UnixNano()))
}

// cmdRocketmq starts a stand-in for RocketMQ at $ROCKETMQ, which lets user ann in
// with the password open sesame.
func cmdRocketmq(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: rocketmq")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	proxy := &proxytest.Proxy{Users: map[string]string{"ann": "open sesame"}}
	proxy.Serve(l)
	ts.Defer(proxy.Stop)
	ts.Setenv("ROCKETMQ", fmt.Sprintf("rocketmq://ann@%s", l.Addr()))
}
