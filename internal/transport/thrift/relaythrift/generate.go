// Package relaythrift is the code that the Thrift compiler makes of
// relay.thrift.
package relaythrift

//go:generate sh -c "thrift --gen go:skip_remote -out .. relay.thrift && gofmt -w . && rm -f GoUnusedProtection__.go"
