package database

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
)

// A pack goes as a multi-statement query. Nothing in the answer tells which of
// its statements failed, but the server counts: Questions grows by one for
// each that has begun to run, the one that failed included.

// counting is what is known of the server's count.
type counting struct {
	questions int  // the count behind the last statement
	known     bool // questions is right
	refused   bool // the server, or a proxy before it, takes no packs or counts otherwise
	escapes   bool // a backslash is what the pack's reader takes it for
	maxPacket int
	sending   int // statements in the pack in hand; 0: none is
}

// countQuery asks for the count twice, so that the difference shows whether it
// can be relied upon, and for what decides how a pack is read.
const countQuery = "SHOW SESSION STATUS LIKE 'Questions'\n;" +
	"SELECT @@sql_mode, @@character_set_client, @@max_allowed_packet\n;" +
	"SHOW SESSION STATUS LIKE 'Questions'"

// misread are the settings under which a backslash in quotes may be none, or a
// byte of a character may look like one.
var misread = []string{"NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "big5", "gbk", "sjis", "cp932", "gb18030"}

func (c *mysqlConn) packs(ctx context.Context, p *Pack) bool {
	n := &c.counting
	if !n.known && !n.refused {
		n.refused = !c.count(ctx)
	}
	if !n.known || len(p.text) >= n.maxPacket || !n.escapes && bytes.IndexByte(p.text, '\\') >= 0 {
		return false
	}
	n.sending = p.Len()
	const many = 100
	c.socket.patient = p.Len() >= many
	return true
}

// count makes the count known.
func (c *mysqlConn) count(ctx context.Context) bool {
	answers, err := Ask(ctx, c, countQuery)
	if err != nil || len(answers) != 7 { // name, count; three settings; name, count
		return false
	}
	before, err1 := strconv.Atoi(answers[1])
	after, err2 := strconv.Atoi(answers[6])
	maxPacket, err3 := strconv.Atoi(answers[4])
	if errors.Join(err1, err2, err3) != nil || after != before+2 {
		return false
	}
	settings := answers[2] + " " + answers[3]
	escapes := true
	for _, word := range misread {
		escapes = escapes && !strings.Contains(settings, word)
	}
	if c.cfg.MaxAllowedPacket > 0 {
		maxPacket = min(maxPacket, c.cfg.MaxAllowedPacket)
	}
	c.counting = counting{questions: after, known: true, escapes: escapes, maxPacket: maxPacket}
	return true
}

func (c *mysqlConn) packed(ctx context.Context, p *Pack, results int, err error) (done int, known bool) {
	before := c.counting.questions // Query has made it unknown
	c.counting.sending = 0
	c.socket.patient = false
	if err == nil {
		c.counting.questions, c.counting.known = before+p.Len(), true
		return p.Len(), true
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok && e.Number == crServerGone: // nothing was sent
		return 0, true
	case !ok || e.ConnectionLost():
		return 0, false
	case results >= 0:
		return results, true
	}
	if !c.count(ctx) {
		return 0, false
	}
	// The pack's statements, and the two of the count that come before its end.
	done = c.counting.questions - before - 1 - 3
	return done, done >= 0 && done < p.Len()
}
