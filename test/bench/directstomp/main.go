// Command directstomp is the client library by itself, as its documents use it,
// for the benchmark of relay-stomp:
//
//	directstomp HOST:PORT QUEUE publish N SIZE    256 a transaction, whose end is confirmed
//	directstomp HOST:PORT QUEUE consume N         each acknowledged, 256 prefetched
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/go-stomp/stomp/v3"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "directstomp:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 4 {
		return fmt.Errorf("usage: directstomp HOST:PORT QUEUE publish N SIZE | HOST:PORT QUEUE consume N")
	}
	n, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	conn, err := stomp.Dial("tcp", args[0])
	if err != nil {
		return err
	}
	defer func() { _ = conn.Disconnect() }()
	if args[2] == "consume" {
		return consume(conn, "/queue/"+args[1], n)
	}
	size, err := strconv.Atoi(args[len(args)-1])
	if err != nil {
		return err
	}
	return publish(conn, "/queue/"+args[1], n, make([]byte, size))
}

const batch = 256

func publish(conn *stomp.Conn, queue string, n int, body []byte) error {
	for ; n > 0; n -= batch {
		tx := conn.Begin()
		for range min(n, batch) {
			if err := tx.Send(queue, "application/octet-stream", body, stomp.SendOpt.Header("persistent", "true")); err != nil {
				return err
			}
		}
		if err := tx.CommitWithReceipt(); err != nil {
			return err
		}
	}
	return nil
}

func consume(conn *stomp.Conn, queue string, n int) error {
	sub, err := conn.Subscribe(queue, stomp.AckClientIndividual, stomp.SubscribeOpt.Header("activemq.prefetchSize", strconv.Itoa(batch)))
	if err != nil {
		return err
	}
	for range n {
		m, ok := <-sub.C
		if !ok {
			return fmt.Errorf("the subscription has ended")
		}
		if m.Err != nil {
			return m.Err
		}
		if err := conn.Ack(m); err != nil {
			return err
		}
	}
	return nil
}
