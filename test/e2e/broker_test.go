package e2e

import (
	"fmt"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"
)

// brokers sets NATS, a URL to put a subject behind that nobody else uses, if
// there is a server ($PIPEWORKS_TEST_NATS).
func brokers(env *testscript.Env) {
	if url := os.Getenv("PIPEWORKS_TEST_NATS"); url != "" {
		env.Setenv("NATS", fmt.Sprintf("%s/e2e%d", url, time.Now().UnixNano()))
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
