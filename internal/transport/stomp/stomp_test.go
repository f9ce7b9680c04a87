package stomp

import (
	"testing"

	"pipeworks/internal/transport/broker/brokertest"
)

func TestBroker(t *testing.T) {
	brokertest.Run(t, brokertest.Fixture{
		Transport: Transport, Kind: "activemq", Variable: "PIPEWORKS_TEST_STOMP", User: "pipeworks", Largest: 64 << 20,
	})
}
