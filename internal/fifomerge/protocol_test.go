package fifomerge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipeworks/internal/record"
)

var answers = []string{
	"",
	"row\n",
	".\n",
	". 0\n",
	"..\n.a\n\n.",
	"a\n.b\n..c\n",
	"no line end",
	strings.Repeat(".\n", 40000),
	strings.Repeat("x", 70000) + "\n.y\n",
}

// An answer is read as it was written, in whatever pieces, up to a line end
// that the last line gets; and its end is where it ended.
func FuzzAnswer(f *testing.F) {
	for _, a := range answers {
		f.Add([]byte(a), 1, "", "")
		f.Add([]byte(a), 5000, "ERROR 1146 (42S02): Table 'x'\n doesn't \\n exist", "a\thint")
	}
	f.Fuzz(func(t *testing.T, rows []byte, size int, message, hint string) {
		var wire bytes.Buffer
		w := newAnswerWriter(&wire, false)
		for rest := rows; len(rest) > 0; {
			n := min(len(rest), max(1, size))
			if m, err := w.Write(rest[:n]); m != n || err != nil {
				t.Fatal(m, err)
			}
			rest = rest[n:]
		}
		var failure error
		if message != "" {
			failure = &AnswerError{Status: 7, Message: message, hint: hint}
		}
		w.End(failure)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		// Framed, it stays as it is.
		var framed bytes.Buffer
		copied := bufio.NewWriter(&framed)
		_, _ = copyAnswer(copied, bufio.NewReaderSize(bytes.NewReader(wire.Bytes()), 16), true)
		if err := copied.Flush(); err != nil || !bytes.Equal(framed.Bytes(), wire.Bytes()) {
			t.Errorf("%.80q became %.80q, %v", wire.Bytes(), framed.Bytes(), err)
		}
		wire.WriteString("the next answer")

		var got bytes.Buffer
		out := bufio.NewWriter(&got)
		in := bufio.NewReaderSize(iotest.HalfReader(&wire), 16)
		_, err := copyAnswer(out, in, false)
		if e := out.Flush(); e != nil {
			t.Fatal(e)
		}
		want := rows
		if len(want) > 0 && want[len(want)-1] != '\n' {
			want = append(bytes.Clone(want), '\n')
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("rows %.80q became %.80q", want, got.Bytes())
		}
		if failure == nil && err != nil || failure != nil && !cmp.Equal(failure, err, cmp.AllowUnexported(AnswerError{})) {
			t.Errorf("%v became %v", failure, err)
		}
		if rest, _ := io.ReadAll(in); string(rest) != "the next answer" {
			t.Errorf("behind it is %q", rest)
		}
	})
}

// An answer that ends in NUL has no other, and its last line is behind the last
// line end.
func FuzzAnswerNUL(f *testing.F) {
	for _, a := range answers {
		f.Add([]byte(a), "")
		f.Add([]byte(a+"\x00.\x00 0\n. 0\x00"), "a\n. 0\x00")
	}
	f.Fuzz(func(t *testing.T, rows []byte, message string) {
		var wire bytes.Buffer
		w := newAnswerWriter(&wire, true)
		if n, err := w.Write(rows); n != len(rows) || err != nil {
			t.Fatal(n, err)
		}
		status := ". 0"
		var failure error
		if message != "" {
			failure = errors.New(message)
			status = ". 1\t" + strings.ReplaceAll(escapeField.Replace(message), "\x00", "")
		}
		w.End(failure)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(string(rows), "\x00", "")
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		answer, rest, _ := strings.Cut(wire.String(), "\x00")
		last := strings.LastIndexByte(answer, '\n') + 1
		if answer[:last] != want || answer[last:] != status || rest != "" {
			t.Errorf("got %q, want %q and %q", wire.String(), want, status)
		}
	})
}

func TestBrokenAnswer(t *testing.T) {
	for in, want := range map[string]string{
		"":              errServerGone.Error(),
		"row\n":         errServerGone.Error(),
		"row\n. 0":      errServerGone.Error(),
		". \n":          `the server does not speak this protocol: ". \n"`,
		".0x\n":         `the server does not speak this protocol: ".0x\n"`,
		". 1000\n":      `the server does not speak this protocol: ". 1000\n"`,
		". 1\n":         "status 1",
		". 1\twhy\thow": errServerGone.Error(),
	} {
		_, err := copyAnswer(bufio.NewWriter(io.Discard), bufio.NewReader(strings.NewReader(in)), false)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

func TestHello(t *testing.T) {
	null := "NU&L=\n"
	for _, f := range []answerFormat{
		{Format: record.JSONL},
		{Format: record.CSV, Rows: record.WriterOptions{NullAs: &null, NoHeader: true, Binary: record.Raw}},
		{Format: record.Table, Rows: record.WriterOptions{Binary: record.Hex}},
	} {
		h := hello{newID(), options{format: f, session: "a b&c", timeout: 1500 * time.Millisecond, status: true, nul: true}}
		line, err := h.line()
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseHello(strings.Trim(string(line), "\n"))
		if diff := cmp.Diff(h, got, cmp.AllowUnexported(hello{}, options{})); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got:\n%s", line, err, diff)
		}
	}
	long := strings.Repeat("%", 2000)
	if _, err := (hello{newID(), options{session: long}}).line(); err == nil {
		t.Error("longer than one write")
	}
}

// FuzzHello: whatever stands in the pipe names a session by 32 digits, or none.
func FuzzHello(f *testing.F) {
	id := strings.Repeat("0123456789abcdef", 2)
	for _, line := range []string{"", "1", "1 " + id, "2 " + id, "1 " + id + " format=csv", "1 " + id + " format=xml", "1 ../" + id, "1 " + strings.ToUpper(id), "1 " + id + " a=%zz"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		h, err := parseHello(line)
		if h.id == "" && err == nil {
			t.Errorf("%q: neither a session nor an error", line)
		}
		if h.id != "" && (len(h.id) != 32 || strings.Trim(h.id, "0123456789abcdef") != "" || !strings.Contains(line, h.id)) {
			t.Errorf("%q: session %q", line, h.id)
		}
		if err == nil {
			if again, err := h.line(); err == nil {
				if h2, err := parseHello(strings.Trim(string(again), "\n")); err != nil || !cmp.Equal(h, h2, cmp.AllowUnexported(hello{}, options{})) {
					t.Errorf("%q became %q: %v", line, again, err)
				}
			}
		}
	})
}

func TestRequests(t *testing.T) {
	in := newRequests(iotest.OneByteReader(strings.NewReader("SELECT 1\x00\x00"+strings.Repeat("x", 100_000)+"\x00123456\x00"+strings.Repeat("x", 100_001)+"\x00next\x00cut")), 100_000)
	for _, want := range []string{"SELECT 1", "", strings.Repeat("x", 100_000), "123456"} {
		if got, err := in.next(); string(got) != want || err != nil {
			t.Errorf("got %.80q, %v; want %.80q", got, err, want)
		}
	}
	if _, err := in.next(); err == nil || err.Error() != "the query is longer than 100000 bytes" {
		t.Errorf("got %v", err)
	}
	if got, err := in.next(); string(got) != "next" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := in.next(); err != io.EOF {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestLeavesNothing(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT 1":                       true,
		"select * from t where a = '@b'": true,
		"INSERT INTO t VALUES ('BEGIN')": true,
		"with x as (select 1) select 2":  true,
		"SHOW TABLES":                    true,
		"SELECT @a := 1":                 false,
		"UPDATE t SET a = (@n := 5)":     false,
		"SELECT 1 INTO @a":               false,
		"select last_insert_id(7)":       false,
		"INSERT INTO t SELECT 1 INTO @a": false,
		"SELECT get_lock('x', 1)":        false,
		"BEGIN":                          false,
		"SET @a = 1":                     false,
		"CREATE TEMPORARY TABLE t (a)":   false,
		"CALL p()":                       false,
		"PRAGMA foreign_keys = ON":       false,
		"":                               false,
		"/*! SET @a = 1 */":              false,
		"(SELECT 1)":                     false,
		"selecting":                      false,
	} {
		if got := leavesNothing([]byte(sql)); got != want {
			t.Errorf("%s: %t", sql, got)
		}
	}
}
