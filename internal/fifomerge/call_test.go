package fifomerge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipeworks/internal/fifo"
	"pipeworks/internal/framing"
	"pipeworks/internal/record"
	"pipeworks/internal/stream"
)

// each asks every record of a text.
func (s *serving) each(text string, f framing.Framing) (string, CallSummary, error) {
	var out bytes.Buffer
	cfg := CallConfig{Dir: s.dir, Each: true, Framing: f, Format: answerFormat{Format: record.CSV, Rows: record.WriterOptions{NoHeader: true}}}
	sum, err := Call(s.t.Context(), cfg, stream.Inputs{Stdin: strings.NewReader(text)}, &out)
	return out.String(), sum, err
}

func TestEach(t *testing.T) {
	s := startServe(t, ServeConfig{MaxRequest: 1000})
	for _, tt := range []struct {
		in      string
		framing framing.Framing
		out     string
		failed  int
		err     string
	}{
		{"", framing.Newline, "", 0, ""},
		{"SELECT 1\n", framing.Newline, "1\n. 0\n", 0, ""},
		{"\n-- nothing\nSELECT 1; SELECT '.x'\r\n", framing.Newline, ". 0\n. 0\n1\n..x\n. 0\n", 0, ""},
		{"SELECT\n'a\nb'\x00SELECT 2;\x00", framing.Null, "\"a\nb\"\n. 0\n2\n. 0\n", 0, ""},
		{"SELEC\nSELECT 2\n", framing.Newline, ". 1\tERROR 1 (SQLITE_ERROR) at line 1: near \"SELEC\": syntax error\n2\n. 0\n", 1, "1 of 2 questions failed"},
		{strings.Repeat(" ", 1001) + "\nSELECT 2\n", framing.Newline, ". 1\tthe query is longer than 1000 bytes\n2\n. 0\n", 1, "1 of 2 questions failed"},
		{"SELECT 1\nDELETE FROM", framing.Newline, "1\n. 0\n", 0, errUnended.Error()},
		{"SELECT 1\nSELECT '\x00'\n", framing.Newline, "", 0, errNUL.Error()},
	} {
		out, sum, err := s.each(tt.in, tt.framing)
		if out != tt.out || sum.Failed != tt.failed || (err != nil || tt.err != "") && (err == nil || err.Error() != tt.err) {
			t.Errorf("%.80q: got %q, %d failed, %v; want %q, %d, %s", tt.in, out, sum.Failed, err, tt.out, tt.failed, tt.err)
		}
	}
	var failed *failedError
	if _, _, err := s.each("SELEC\n", framing.Newline); !errors.As(err, &failed) || failed.ExitStatus() != 3 {
		t.Errorf("got %v", err)
	}
}

// Many questions are asked ahead of their answers, and more than all pipes hold.
func TestEachMany(t *testing.T) {
	const questions = 20_000
	s := startServe(t, ServeConfig{})
	var in, want strings.Builder
	for i := range questions {
		fmt.Fprintf(&in, "SELECT %d\n", i)
		fmt.Fprintf(&want, "%d\n. 0\n", i)
	}
	out, sum, err := s.each(in.String(), framing.Newline)
	if out != want.String() || err != nil || sum != (CallSummary{In: questions}) {
		t.Errorf("%d bytes of %d, %+v, %v", len(out), want.Len(), sum, err)
	}
}

// conversation is a Call --each that is asked one question after another.
type conversation struct {
	t    *testing.T
	in   *io.PipeWriter
	out  *io.PipeReader
	done chan error
}

func converse(t *testing.T, cfg CallConfig) *conversation {
	t.Helper()
	cfg.Each = true
	questions, in := io.Pipe()
	out, answers := io.Pipe()
	c := &conversation{t, in, out, make(chan error, 1)}
	go func() {
		_, err := Call(t.Context(), cfg, stream.Inputs{Stdin: questions}, answers)
		answers.Close()
		c.done <- err
	}()
	return c
}

// expect asks one question and waits for its answer.
func (c *conversation) expect(question, want string) {
	c.t.Helper()
	fmt.Fprintln(c.in, question)
	buf := make([]byte, len(want))
	n, err := io.ReadFull(c.out, buf)
	if string(buf[:n]) != want {
		c.t.Fatalf("%s: got %q, %v; want %q", question, buf[:n], err, want)
	}
}

// A server that goes away is waited for, if that is wanted.
func TestEachServerGoes(t *testing.T) {
	s := startServe(t, ServeConfig{})
	brief := converse(t, CallConfig{Dir: s.dir})
	brief.expect("SELECT 1 AS a", "{\"a\":1}\n. 0\n")
	patient := converse(t, CallConfig{Dir: s.dir, Retry: true})
	patient.expect("SELECT 1 AS a", "{\"a\":1}\n. 0\n")
	s.stop(errStop)
	<-s.done
	if err := <-brief.done; !errors.Is(err, errServerGone) {
		t.Errorf("got %v", err)
	}
	fmt.Fprintln(patient.in, "SELECT 2 AS a")
	startServe(t, ServeConfig{Dir: s.dir})
	patient.expect("SELECT 3 AS a", "{\"a\":2}\n. 0\n{\"a\":3}\n. 0\n")
	patient.in.Close()
	if err := <-patient.done; err != nil {
		t.Error(err)
	}
}

// A question that servers die of is not asked for ever. Of an answer that was
// begun the end says that it is not whole.
func TestRetryLimit(t *testing.T) {
	d, _, err := fifo.MakeDir(filepath.Join(t.TempDir(), "pipes"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Make(helloPipe); err != nil {
		t.Fatal(err)
	}
	serveBadly(t, d, "", "{\"a\":1}\n. 0\n", "", "", "{\"a\":1}\n{\"a\"", "", "", "")
	var out strings.Builder
	single := CallConfig{Dir: d.Path(""), Retry: true}
	if _, err := Call(t.Context(), single, stream.Inputs{Stdin: strings.NewReader("SELECT 1 AS a")}, &out); err != nil || out.String() != "{\"a\":1}\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	c := converse(t, CallConfig{Dir: d.Path(""), Retry: true})
	c.expect("SELECT 1 AS a", "{\"a\":1}\n{\"a\"\n. 1\t"+errServerGone.Error()+"\n")
	fmt.Fprintln(c.in, "SELECT 2")
	if err := <-c.done; !errors.Is(err, errServerGone) {
		t.Errorf("got %v", err)
	}
}

// serveBadly takes one session for each answer: it reads a question, writes the
// answer and goes away.
func serveBadly(t *testing.T, d *fifo.Dir, answers ...string) {
	t.Helper()
	in, err := fifo.OpenReader(d.Path(helloPipe))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	hellos := bufio.NewReader(unending{in})
	go func() {
		for _, answer := range answers {
			line := "\n"
			for line == "\n" {
				line, _ = hellos.ReadString('\n')
			}
			h, err := parseHello(strings.TrimSuffix(line, "\n"))
			if err != nil {
				t.Error(err)
				return
			}
			query, err := d.Open(h.id+querySuffix, os.O_RDONLY)
			if err != nil {
				t.Error(err)
				return
			}
			reply, err := d.Open(h.id+replySuffix, os.O_WRONLY)
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(reply, ". 0\n")
			if _, err := newRequests(query, 1000).next(); err != nil {
				t.Error(err)
			}
			fmt.Fprint(reply, answer)
			query.Close()
			reply.Close()
		}
	}()
}

// unending is a pipe between whose writers nothing ends.
type unending struct{ io.Reader }

func (e unending) Read(p []byte) (int, error) {
	for {
		if n, err := e.Reader.Read(p); err != io.EOF {
			return n, err
		}
	}
}
