package fifomerge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// answerWriter writes the lines of answers.
type answerWriter struct {
	nul    bool // ends an answer: there is no other in it, and no doubled dot
	mu     sync.Mutex
	w      *bufio.Writer
	inLine bool
	timer  *time.Timer // flushes; nil until it is needed
	timed  bool        // it is set
}

// newAnswerWriter writes to w. Close must be called at the end.
func newAnswerWriter(w io.Writer, nul bool) *answerWriter {
	return &answerWriter{nul: nul, w: bufio.NewWriterSize(w, 64<<10)}
}

// Write writes a part of the rows.
func (a *answerWriter) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(p)
	if a.nul {
		p = bytes.ReplaceAll(p, []byte{0}, nil)
	}
	if len(p) == 0 {
		return n, nil
	}
	dots := !a.nul
	if dots && !a.inLine && p[0] == '.' {
		_ = a.w.WriteByte('.') // an error stays until Flush
	}
	a.inLine = p[len(p)-1] != '\n'
	for dots {
		i := bytes.Index(p, []byte("\n."))
		if i < 0 {
			break
		}
		_, _ = a.w.Write(p[:i+2])
		_ = a.w.WriteByte('.')
		p = p[i+2:]
	}
	_, err := a.w.Write(p)
	return n, err
}

// flushDelay is how long an answer may wait for the next one, if that has been
// asked for already: to send many at once saves both sides most of their time.
const flushDelay = time.Millisecond

// FlushSoon sends what was written so far within flushDelay.
func (a *answerWriter) FlushSoon() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timed || a.w.Buffered() == 0 {
		return
	}
	a.timed = true
	if a.timer == nil {
		a.timer = time.AfterFunc(flushDelay, a.flushTimed)
	} else {
		a.timer.Reset(flushDelay)
	}
}

func (a *answerWriter) flushTimed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timed = false
	_ = a.w.Flush() // an error stays
}

// Flush sends what was written so far.
func (a *answerWriter) Flush() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.w.Flush()
}

// Close ends the sending. What was not flushed is lost.
func (a *answerWriter) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
	a.w.Reset(io.Discard) // should the timer have gone off
}

var (
	escapeField   = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`)
	unescapeField = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n")
)

// End writes the line that says how it went.
func (a *answerWriter) End(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inLine {
		_ = a.w.WriteByte('\n')
		a.inLine = false
	}
	line := ". " + strconv.Itoa(statusOf(err))
	if err != nil {
		line += "\t" + escapeField.Replace(err.Error())
		if hint := hintOf(err); hint != "" {
			line += "\t" + escapeField.Replace(hint)
		}
	}
	if a.nul {
		line = strings.ReplaceAll(line, "\x00", "") + "\x00"
	} else {
		line += "\n"
	}
	_, _ = a.w.WriteString(line)
}

// statusOf and hintOf are what an error says of itself, as every tool's do.
func statusOf(err error) int {
	var s interface{ ExitStatus() int }
	switch {
	case err == nil:
		return 0
	case errors.As(err, &s):
		return s.ExitStatus()
	}
	return 1
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// AnswerError is an answer that says that the question failed.
type AnswerError struct {
	Status  int
	Message string
	hint    string
}

func (e *AnswerError) Error() string   { return e.Message }
func (e *AnswerError) ExitStatus() int { return e.Status }

// Hint is the server's.
func (e *AnswerError) Hint() string { return e.hint }

// copyAnswer reads one answer from r and writes its rows to out, or if it is to
// stay framed, its lines as they came, the last one too. begun tells whether any
// was written. An *AnswerError is what the answer says; after any other error
// the session is of no use.
func copyAnswer(out *bufio.Writer, r *bufio.Reader, framed bool) (begun bool, err error) {
	for lineStart := true; ; {
		if r.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return begun, err
			}
		}
		line, err := r.ReadSlice('\n')
		if lineStart && len(line) > 0 && line[0] == '.' && !bytes.HasPrefix(line, []byte("..")) {
			text, err := readLastLine(line, r)
			if err == nil {
				if framed {
					_, _ = out.WriteString(text) // an error stays until Flush
				}
				err = parseStatus(text)
			}
			return begun, gone(err)
		}
		if len(line) > 0 {
			begun = true
			if !framed && lineStart && line[0] == '.' {
				line = line[1:]
			}
			lineStart = line[len(line)-1] == '\n'
			if _, err := out.Write(line); err != nil {
				return begun, err
			}
		}
		if err != nil && err != bufio.ErrBufferFull {
			return begun, gone(err)
		}
	}
}

// gone says what the end of the reply pipe means.
func gone(err error) error {
	if err == io.EOF {
		return errServerGone
	}
	return err
}

// readLastLine reads the last line of an answer, of which line has arrived.
func readLastLine(line []byte, r *bufio.Reader) (string, error) {
	text := string(line)
	if strings.HasSuffix(text, "\n") {
		return text, nil
	}
	rest, err := r.ReadString('\n')
	return text + rest, err
}

// parseStatus returns what the last line of an answer says: an *AnswerError
// unless the status is 0.
func parseStatus(line string) error {
	fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	number, ok := strings.CutPrefix(fields[0], ". ")
	status, err := strconv.Atoi(number)
	if !ok || err != nil || status < 0 || status > 255 {
		return fmt.Errorf("the server does not speak this protocol: %.60q", line)
	}
	if status == 0 {
		return nil
	}
	e := &AnswerError{Status: status, Message: fmt.Sprintf("status %d", status)}
	if len(fields) > 1 {
		e.Message = unescapeField.Replace(fields[1])
	}
	if len(fields) > 2 {
		e.hint = unescapeField.Replace(fields[2])
	}
	return e
}
