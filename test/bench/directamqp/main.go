// Command directamqp is the client library by itself, as its examples use it,
// for the benchmark of relay-amqp:
//
//	directamqp URL QUEUE publish N SIZE    with confirms, up to 4096 on their way
//	directamqp URL QUEUE consume N         each acknowledged, 256 prefetched
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/rabbitmq/amqp091-go"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "directamqp:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 4 {
		return fmt.Errorf("usage: directamqp URL QUEUE publish N SIZE | URL QUEUE consume N")
	}
	n, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	conn, err := amqp091.Dial(args[0])
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	quorum := amqp091.Table{amqp091.QueueTypeArg: amqp091.QueueTypeQuorum}
	if _, err := ch.QueueDeclare(args[1], true, false, false, false, quorum); err != nil {
		return err
	}
	if args[2] == "consume" {
		return consume(ch, args[1], n)
	}
	size, err := strconv.Atoi(args[len(args)-1])
	if err != nil {
		return err
	}
	return publish(ch, args[1], n, size)
}

func publish(ch *amqp091.Channel, queue string, n, size int) error {
	if err := ch.Confirm(false); err != nil {
		return err
	}
	body := make([]byte, size)
	window := make(chan *amqp091.DeferredConfirmation, 4096)
	done := make(chan error, 1)
	go func() {
		for c := range window {
			if !c.Wait() {
				done <- fmt.Errorf("not confirmed")
				return
			}
		}
		done <- nil
	}()
	for range n {
		c, err := ch.PublishWithDeferredConfirm("", queue, true, false, amqp091.Publishing{DeliveryMode: amqp091.Persistent, Body: body})
		if err != nil {
			return err
		}
		window <- c
	}
	close(window)
	return <-done
}

func consume(ch *amqp091.Channel, queue string, n int) error {
	if err := ch.Qos(256, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for range n {
		d, ok := <-deliveries
		if !ok {
			return fmt.Errorf("the channel was closed")
		}
		if err := d.Ack(false); err != nil {
			return err
		}
	}
	return ch.Close()
}
