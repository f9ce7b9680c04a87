package database

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"pipeworks/internal/dburl"
)

// hostile is a server that greets like an old one, lets everybody in, and
// answers each query with what answer says. The packets that follow an answer
// are kept.
type hostile struct {
	url    dburl.URL
	login  func(c net.Conn) error
	answer func(sql string) (packets [][]byte)
	got    chan []byte // what came behind an answer
}

func newHostile(t *testing.T, answer func(sql string) [][]byte) *hostile {
	t.Helper()
	return newServer(t, anybody, answer)
}

func newServer(t *testing.T, login func(net.Conn) error, answer func(sql string) [][]byte) *hostile {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := dburl.Parse("mysql://u@" + l.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{url: u, login: login, answer: answer, got: make(chan []byte, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.serve(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return h
}

var packetOK = []byte{0, 0, 0, 2, 0, 0, 0}

// greeting is Protocol::HandshakeV10; no TLS among the capabilities.
func greeting(plugin string) []byte {
	return []byte("\x0a5.5.5\x00" + "\x07\x00\x00\x00" + "abcdefgh\x00" + "\x89\xa2" + "\x2d\x02\x00" +
		"\x08\x00" + "\x15" + strings.Repeat("\x00", 10) + "ijklmnopqrst\x00" + plugin + "\x00")
}

// anybody may come in.
func anybody(c net.Conn) error {
	if err := writePacket(c, 0, greeting("mysql_native_password")); err != nil {
		return err
	}
	if _, err := readPacket(c); err != nil { // the answer to the greeting
		return err
	}
	return writePacket(c, 2, packetOK)
}

func (h *hostile) serve(c net.Conn) {
	if h.login(c) != nil {
		return
	}
	for {
		command, err := readPacket(c)
		if err != nil || command[0] != 3 { // COM_QUERY
			return
		}
		for i, packet := range h.answer(string(command[1:])) {
			if packet == nil { // read one
				if packet, err = readPacket(c); err != nil {
					return
				}
				h.got <- packet
				continue
			}
			if writePacket(c, byte(i+1), packet) != nil {
				return
			}
		}
	}
}

func writePacket(w io.Writer, sequence byte, body []byte) error {
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	head[3] = sequence
	_, err := w.Write(append(head, body...))
	return err
}

func readPacket(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	head[3] = 0
	body := make([]byte, binary.LittleEndian.Uint32(head[:]))
	_, err := io.ReadFull(r, body)
	return body, err
}

// TestServerAsksForFile: the protocol lets a server answer any query with the
// wish for a file of the client.
func TestServerAsksForFile(t *testing.T) {
	h := newHostile(t, func(string) [][]byte {
		return [][]byte{[]byte("\xfb/etc/passwd"), nil, packetOK}
	})
	h.url.MaxPacket = 1 << 20 // so that the first query is ours
	_, err := Open(t.Context(), h.url, Options{})
	if err == nil || !strings.Contains(err.Error(), "local file '/etc/passwd' is not registered") {
		t.Errorf("error %v", err)
	}
	if sent := <-h.got; !bytes.Equal(sent, []byte{}) {
		t.Errorf("the server got %q", sent)
	}
}

func TestNoTLS(t *testing.T) {
	h := newHostile(t, func(string) [][]byte { return [][]byte{packetOK} })
	h.url.MaxPacket = 1 << 20
	for _, mode := range []dburl.TLSMode{dburl.TLSRequired, dburl.TLSVerifyCA, dburl.TLSVerifyIdentity} {
		h.url.TLS = mode
		_, err := Open(t.Context(), h.url, Options{})
		want := "connect to " + h.url.String() + ": TLS requested but server does not support TLS"
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", mode, err, want)
		}
	}
}

// answerRows are rows of one column, of MySQL's type JSON:
// Protocol::ColumnDefinition41, the rows, and the EOF packets behind both.
func answerRows(texts ...string) [][]byte {
	column := "\x03def\x00\x00\x00\x01j\x00" + "\x0c\x3f\x00" + "\xff\xff\xff\xff" + "\xf5" + "\x90\x00" + "\x00" + "\x00\x00"
	eof := []byte("\xfe\x00\x00\x02\x00")
	packets := [][]byte{{1}, []byte(column), eof}
	for _, text := range texts {
		packets = append(packets, append([]byte{byte(len(text))}, text...))
	}
	return append(packets, eof)
}

// TestJSONType: only MySQL has the type in the protocol.
func TestJSONType(t *testing.T) {
	h := newHostile(t, func(sql string) [][]byte {
		if sql == "SELECT CONNECTION_ID()" {
			return answerRows("7")
		}
		return answerRows(`{"a": [1, "x"]}`, "1.50", `"s"`)
	})
	h.url.MaxPacket = 1 << 20
	conn := engine{h.url}.open(t, Options{})
	expect(t, conn, "SELECT j", `{"j":{"a": [1, "x"]}}`+"\n"+`{"j":1.50}`+"\n"+`{"j":"s"}`+"\n")
}
