// Command pingpong sends lines of 64 bytes, each when the one before has come
// back: through a command, or as a program of one's own would with gRPC's library,
// by the service that relay has.
//
//	pingpong lines COUNT COMMAND...
//	pingpong grpc COUNT HOST:PORT
//	pingpong serve HOST:PORT         sends back what comes, for grpc
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"pipeworks/internal/transport/grpc/relaypb"
)

var line = append(bytes.Repeat([]byte("x"), 63), '\n')

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pingpong:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1])
	case len(args) < 3:
		return errors.New("usage: pingpong lines|grpc COUNT COMMAND|HOST:PORT")
	}
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if args[0] == "grpc" {
		return overGRPC(count, args[2])
	}
	return lines(count, args[2:])
}

func lines(count int, args []string) error {
	c := exec.Command(args[0], args[1:]...)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		return err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	answers := bufio.NewReader(out)
	for range count {
		if _, err := in.Write(line); err != nil {
			return err
		}
		if answer, err := answers.ReadSlice('\n'); err != nil || !bytes.Equal(answer, line) {
			return fmt.Errorf("answer %q: %w", answer, err)
		}
	}
	return errors.Join(in.Close(), c.Wait())
}

func overGRPC(count int, addr string) error {
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer c.Close()
	stream, err := relaypb.NewRelayClient(c).Call(context.Background())
	if err != nil {
		return err
	}
	for range count {
		if err := stream.Send(&relaypb.Request{Data: line}); err != nil {
			return err
		}
		if answer, err := stream.Recv(); err != nil || !bytes.Equal(answer.GetStdout(), line) {
			return fmt.Errorf("answer %v: %w", answer, err)
		}
	}
	return stream.CloseSend()
}

type echo struct {
	relaypb.UnimplementedRelayServer
}

// Call implements relaypb.RelayServer.
func (echo) Call(stream relaypb.Relay_CallServer) error {
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&relaypb.Answer{Part: &relaypb.Answer_Stdout{Stdout: request.Data}}); err != nil {
			return err
		}
	}
}

func serve(addr string) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	relaypb.RegisterRelayServer(s, echo{})
	return s.Serve(l)
}
