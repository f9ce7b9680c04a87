// Command dubbo calls relay serve grpc:// as Dubbo's Triple protocol does, and
// answers relay call grpc:// as a Dubbo server: see the script run.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"dubbo.apache.org/dubbo-go/v3/client"
	"dubbo.apache.org/dubbo-go/v3/common"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	_ "dubbo.apache.org/dubbo-go/v3/imports"
	"dubbo.apache.org/dubbo-go/v3/protocol"
	"dubbo.apache.org/dubbo-go/v3/protocol/triple/triple_protocol"
	"dubbo.apache.org/dubbo-go/v3/server"

	"pipeworks/internal/transport/grpc/relaypb"
)

const service = "pipeworks.relay.v1.Relay"

func main() {
	var err error
	switch os.Args[1] {
	case "call":
		err = call(os.Args[2], os.Args[3])
	case "serve":
		err = serve()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// call prints the answer of the server at address to a text.
func call(address, text string) error {
	cli, err := client.NewClient(client.WithClientURL("tri://" + address))
	if err != nil {
		return err
	}
	conn, err := cli.DialWithInfo(service, &client.ClientInfo{InterfaceName: service, MethodNames: []string{"Run"}})
	if err != nil {
		return err
	}
	var out relaypb.Output
	if err := conn.CallUnary(context.Background(), []any{&relaypb.Input{Stdin: []byte(text)}}, &out, "Run"); err != nil {
		return err
	}
	_, err = os.Stdout.Write(out.Stdout)
	return err
}

// Shouter answers calls with their input in capitals, and the status 3.
type Shouter struct{}

func (*Shouter) Call(_ context.Context, stream *triple_protocol.BidiStream) error {
	for {
		var request relaypb.Request
		if stream.Receive(&request) != nil {
			return stream.Send(&relaypb.Answer{Part: &relaypb.Answer_Exit{Exit: &relaypb.Exit{Status: 3}}})
		}
		if err := stream.Send(&relaypb.Answer{Part: &relaypb.Answer_Stdout{Stdout: bytes.ToUpper(request.Data)}}); err != nil {
			return err
		}
	}
}

func serve() error {
	s, err := server.NewServer(server.WithServerProtocol(protocol.WithPort(20000), protocol.WithTriple()))
	if err != nil {
		return err
	}
	err = s.Register(&Shouter{}, &common.ServiceInfo{
		InterfaceName: service,
		ServiceType:   (*Shouter)(nil),
		Methods: []common.MethodInfo{{
			Name:           "Call",
			Type:           constant.CallBidiStream,
			StreamInitFunc: func(base any) any { return base },
			MethodFunc: func(ctx context.Context, args []any, handler any) (any, error) {
				return nil, handler.(*Shouter).Call(ctx, args[0].(*triple_protocol.BidiStream))
			},
		}},
	})
	if err != nil {
		return err
	}
	return s.Serve()
}
