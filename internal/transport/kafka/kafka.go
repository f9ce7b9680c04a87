// Package kafka carries relay's messages by Kafka, and by what speaks its
// protocol.
package kafka

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/tlsoption"
)

// Transport is kafka://.
var Transport = transport.Transport{
	Scheme:  "kafka",
	Form:    "kafka://[USER@]HOST[:PORT][,HOST...]/TOPIC",
	Summary: "Kafka: consumer groups, idempotent producer, offsets committed after success",
	Options: slices.Concat([]transport.Option{
		{Name: "offset", Usage: "where a new group begins: earliest (the default), latest, a number, -N (N before the end), a time as in 2006-01-02T15:04:05Z; without a group, read from there and commit nothing"},
		{Name: "create", Usage: "make the topic if it is missing"},
		{Name: "partitions", Usage: "of a topic that is made (the broker's default)"},
		{Name: "replicas", Usage: "of a topic that is made (the broker's default)"},
		{Name: "compression", Usage: "snappy (the default), none, gzip, lz4, zstd"},
		{Name: "sasl", Usage: "how the user is known: plain (the default with TLS), scram-sha-256, scram-sha-512 (the default without)"},
	}, tlsoption.Options),
	Endless:  true,
	Sender:   newSender,
	Receiver: newReceiver,
}

// config is what a URL says.
type config struct {
	url         transport.URL
	topic       string
	seeds       []string
	offset      kgo.Offset
	hasOffset   bool
	create      bool
	partitions  int // -1: the broker's default
	replicas    int
	compression kgo.CompressionCodec
	sasl        string
}

var compressions = map[string]kgo.CompressionCodec{
	"":       kgo.SnappyCompression(),
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func parse(u transport.URL) (c config, err error) {
	c = config{url: u, topic: u.Name(), seeds: strings.Split(u.Host, ","), sasl: u.Option("sasl"), partitions: -1, replicas: -1}
	if c.topic == "" || strings.Contains(c.topic, "/") || slices.Contains(c.seeds, "") {
		return c, u.Errorf("it is written kafka://HOST/TOPIC")
	}
	if c.hasOffset = u.Query.Has("offset"); c.hasOffset {
		c.offset, err = parseOffset(u.Option("offset"))
	} else {
		c.offset = kgo.NewOffset().AtStart()
	}
	if err != nil {
		return c, u.Errorf("option offset=%s: %w", u.Option("offset"), err)
	}
	if c.create, err = u.Bool("create"); err != nil {
		return c, err
	}
	for name, n := range map[string]*int{"partitions": &c.partitions, "replicas": &c.replicas} {
		if !u.Query.Has(name) {
			continue
		}
		if !c.create {
			return c, u.Errorf("option %s is of a topic that is made: add create", name)
		}
		if *n, err = u.Int(name, -1, 1); err != nil {
			return c, err
		}
	}
	var known bool
	if c.compression, known = compressions[u.Option("compression")]; !known {
		return c, u.Errorf("option compression=%s: it is one of none, gzip, snappy, lz4, zstd", u.Option("compression"))
	}
	if !slices.Contains([]string{"", "plain", "scram-sha-256", "scram-sha-512"}, c.sasl) {
		return c, u.Errorf("option sasl=%s: it is one of plain, scram-sha-256, scram-sha-512", c.sasl)
	}
	return c, nil
}

func parseOffset(s string) (kgo.Offset, error) {
	o := kgo.NewOffset()
	switch s {
	case "earliest":
		return o.AtStart(), nil
	case "latest":
		return o.AtEnd(), nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n < 0 {
			return o.AtEnd().Relative(n), nil
		}
		return o.At(n), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return o, fmt.Errorf("it is earliest, latest, a number, -N or a time as in 2006-01-02T15:04:05Z")
	}
	return o.AfterMilli(t.UnixMilli()), nil
}
