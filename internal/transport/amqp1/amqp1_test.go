package amqp1

import (
	"testing"

	"pipeworks/internal/transport/broker/brokertest"
)

func TestBroker(t *testing.T) {
	brokertest.Run(t, brokertest.Fixture{
		Transport: Transport, Kind: "rabbitmq", Variable: "PIPEWORKS_TEST_AMQP1", User: "guest", Largest: 64 << 20,
	})
}
