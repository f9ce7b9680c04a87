package stomp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"pipeworks/internal/transport"
	"pipeworks/internal/transport/broker"
	"pipeworks/internal/transport/link"
)

// beat is how often either side says that it is there.
const beat = 10 * time.Second

// line is a connection, with the frames of the client library. Its own
// connections wait for one receipt before they send the next message.
type line struct {
	conn   *conn
	reader *frame.Reader
	server string // what it calls itself

	mu      sync.Mutex
	writer  *frame.Writer
	closing sync.Once
	done    chan struct{} // nothing is read any more
	err     error         // why
}

// conn is a connection that gives up when it has heard nothing for a while.
type conn struct {
	*broker.Conn
	patience time.Duration // 0: for ever
}

func (c *conn) Read(p []byte) (int, error) {
	if c.patience > 0 {
		if err := c.SetReadDeadline(time.Now().Add(c.patience)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(p)
}

// connect makes a line.
func (c *config) connect(ctx context.Context, o transport.Options) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, broker.ConnectTime)
	defer cancel()
	password, err := broker.Password(ctx, o)
	if err != nil {
		return nil, link.Permanent(err)
	}
	dialled, err := broker.Dial(ctx, c.url, "61613")
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = dialled.Abort() })()
	l := &line{conn: &conn{Conn: dialled}, done: make(chan struct{})}
	l.reader, l.writer = frame.NewReaderSize(l.conn, 64<<10), frame.NewWriterSize(l.conn, 64<<10)
	if err := l.greet(c, password); err != nil {
		_ = dialled.Abort()
		return nil, err
	}
	return l, nil
}

// greet asks to be let in. The headers of this frame alone are not escaped, in
// which the library errs.
func (l *line) greet(c *config, password string) error {
	vhost := c.url.Option("vhost")
	if vhost == "" {
		if vhost, _, _ = net.SplitHostPort(c.url.Host); vhost == "" {
			vhost = c.url.Host
		}
	}
	hello := fmt.Sprintf("CONNECT\naccept-version:1.2\nhost:%s\nheart-beat:%d,%[2]d\n", vhost, beat.Milliseconds())
	if strings.ContainsAny(vhost+c.url.User+password, "\r\n\x00") {
		return link.Permanent(fmt.Errorf("connect to %s: STOMP has no users and passwords with line ends", c.url))
	}
	if c.url.User != "" || password != "" {
		hello += fmt.Sprintf("login:%s\npasscode:%s\n", c.url.User, password)
	}
	if _, err := l.conn.Write([]byte(hello + "\n\x00")); err != nil {
		return err
	}
	answer, err := l.read()
	if err != nil {
		return err
	}
	if answer.Command != frame.CONNECTED {
		return link.Permanent(&broker.AccessError{URL: c.url, Err: errors.New(reason(answer))})
	}
	l.server = answer.Header.Get(frame.Server)
	if sends, _, err := frame.ParseHeartBeat(answer.Header.Get(frame.HeartBeat)); err == nil && sends > 0 {
		l.conn.patience = 3 * max(sends, beat)
	}
	return nil
}

// read returns the next frame that is not a heart-beat.
func (l *line) read() (*frame.Frame, error) {
	for {
		f, err := l.reader.Read()
		if f != nil || err != nil {
			return f, err
		}
	}
}

// reason is what a frame that was not hoped for says.
func reason(f *frame.Frame) string {
	if f.Command != frame.ERROR {
		return "the broker answers with " + f.Command
	}
	text := f.Header.Get(frame.Message)
	if text == "" {
		text, _, _ = strings.Cut(strings.TrimSpace(string(f.Body)), "\n")
	}
	return "the broker says: " + strings.TrimSpace(text)
}

// run reads frames, and sends heart-beats, until the line ends.
func (l *line) run(handle func(*frame.Frame) error) {
	go l.beat()
	for l.err == nil {
		f, err := l.read()
		switch {
		case err != nil:
			l.err = err
		case f.Command == frame.ERROR:
			l.err = errors.New(reason(f))
		case f.Command == frame.RECEIPT && f.Header.Get(frame.ReceiptId) == goodbye:
			l.err = net.ErrClosed
		default:
			l.err = handle(f)
		}
	}
	close(l.done)
}

func (l *line) beat() {
	ticker := time.NewTicker(beat / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = l.write(nil) // the reader sees that the line has ended
		case <-l.done:
			return
		}
	}
}

func (l *line) write(f *frame.Frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.writer.Write(f)
}

// goodbye is the receipt of the end.
const goodbye = "goodbye"

// close ends the line: after everything, if that is done soon.
func (l *line) close() {
	l.closing.Do(func() {
		late := time.AfterFunc(broker.GoodbyeTime, func() { _ = l.conn.Abort() })
		defer late.Stop()
		if l.write(frame.New(frame.DISCONNECT, frame.Receipt, goodbye)) == nil {
			<-l.done
		}
		_ = l.conn.Abort()
		<-l.done
	})
}
