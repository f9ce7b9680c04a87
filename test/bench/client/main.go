// Command client is what a program of one's own would do with the client
// library of a broker, for the benchmarks to compare relay with: lines of
// standard input become messages, all confirmed; or messages become lines.
//
//	client kafka-to   HOST:PORT TOPIC
//	client kafka-from HOST:PORT TOPIC COUNT
//	client nats-to    HOST:PORT SUBJECT
//	client nats-from  HOST:PORT STREAM COUNT
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) < 4 {
		return fmt.Errorf("usage: client kafka-to|kafka-from|nats-to|nats-from HOST:PORT NAME [COUNT]")
	}
	ctx, addr, name, count := context.Background(), os.Args[2], os.Args[3], 0
	if len(os.Args) > 4 {
		var err error
		if count, err = strconv.Atoi(os.Args[4]); err != nil {
			return err
		}
	}
	switch os.Args[1] {
	case "kafka-to":
		return kafkaTo(ctx, addr, name)
	case "kafka-from":
		return kafkaFrom(ctx, addr, name, count)
	case "nats-to":
		return natsTo(addr, name)
	case "nats-from":
		return natsFrom(ctx, addr, name, count)
	}
	return fmt.Errorf("unknown command %s", os.Args[1])
}

// lines calls do with each line of standard input.
func lines(do func([]byte) error) error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 64<<10), 64<<20)
	for in.Scan() {
		if err := do(bytes.Clone(in.Bytes())); err != nil {
			return err
		}
	}
	return in.Err()
}

func kafkaTo(ctx context.Context, addr, topic string) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer c.Close()
	var failed error
	err = lines(func(line []byte) error {
		c.Produce(ctx, &kgo.Record{Value: line}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err // promises are kept one by one
			}
		})
		return nil
	})
	if err == nil {
		err = c.Flush(ctx)
	}
	if err == nil {
		err = failed
	}
	return err
}

func kafkaFrom(ctx context.Context, addr, topic string, count int) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumerGroup("client"+strconv.Itoa(os.Getpid())), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer c.Close()
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	for count > 0 {
		fetches := c.PollRecords(ctx, count)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, r := range fetches.Records() {
			_, _ = out.Write(r.Value)
			_ = out.WriteByte('\n') // Flush tells
			count--
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if err := c.CommitUncommittedOffsets(ctx); err != nil {
			return err
		}
	}
	return nil
}

func natsTo(addr, subject string) error {
	c, err := nats.Connect("nats://" + addr)
	if err != nil {
		return err
	}
	defer c.Close()
	js, err := jetstream.New(c, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		return err
	}
	err = lines(func(line []byte) error {
		_, err := js.PublishAsync(subject, line)
		return err
	})
	<-js.PublishAsyncComplete()
	return err
}

func natsFrom(ctx context.Context, addr, stream string, count int) error {
	c, err := nats.Connect("nats://" + addr)
	if err != nil {
		return err
	}
	defer c.Close()
	js, err := jetstream.New(c)
	if err != nil {
		return err
	}
	consumer, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		Durable: "client" + strconv.Itoa(os.Getpid()), AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 10000,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return err
	}
	defer messages.Stop()
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	for ; count > 0; count-- {
		m, err := messages.Next()
		if err != nil {
			return err
		}
		_, _ = out.Write(m.Data())
		_ = out.WriteByte('\n') // Flush tells
		if err := m.Ack(); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return c.Flush()
}
