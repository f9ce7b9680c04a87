package framing

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// readBlocks reads all of r: the records, and what remains at the end. Too
// long ones are shown as "!" and their head.
func readBlocks(t *testing.T, r io.Reader, limit int) (records []string, rest string) {
	t.Helper()
	b := NewReader(r, Newline, limit)
	for {
		block, err := b.Read()
		var tooLong *TooLongError
		switch {
		case err == io.EOF:
			return records, string(b.Rest())
		case errors.As(err, &tooLong):
			records = append(records, "!"+string(tooLong.Head))
		case err != nil:
			t.Fatal(err)
		}
		if len(block) > 0 && block[len(block)-1] != '\n' {
			t.Fatalf("not whole: %q", block)
		}
		for line := range bytes.Lines(block) {
			records = append(records, string(line))
		}
	}
}

var blockTests = []struct {
	in      string
	records []string
	rest    string
}{
	{"", nil, ""},
	{"a", nil, "a"},
	{"a\n", []string{"a\n"}, ""},
	{"\n\na\nbc", []string{"\n", "\n", "a\n"}, "bc"},
	{"1234567\n", []string{"1234567\n"}, ""}, // as long as allowed
	{"12345678\n", []string{"!12345678"}, ""},
	{"12345678", []string{"!12345678"}, ""},
	{"a\n123456789012345678901\nb\nc", []string{"a\n", "!12345678", "b\n"}, "c"},
	{"12345678901\n12345678901\n\n", []string{"!12345678", "!12345678", "\n"}, ""},
}

func TestBlocks(t *testing.T) {
	for _, tt := range blockTests {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole":     func(r io.Reader) io.Reader { return r },
			"by one":    iotest.OneByteReader,
			"with EOF":  iotest.DataErrReader,
			"half reds": iotest.HalfReader,
		} {
			records, rest := readBlocks(t, wrap(strings.NewReader(tt.in)), 8)
			if !slices.Equal(records, tt.records) || rest != tt.rest {
				t.Errorf("%s: %q gave %q and %q, want %q and %q", name, tt.in, records, rest, tt.records, tt.rest)
			}
		}
	}
}

// Nothing is lost and nothing added, in whatever pieces the input comes.
func FuzzBlocks(f *testing.F) {
	for _, tt := range blockTests {
		f.Add([]byte(tt.in), byte(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, size byte) {
		records, rest := readBlocks(t, &pieces{in, int(size) + 1}, len(in)+1)
		if got := strings.Join(records, "") + rest; got != string(in) {
			t.Errorf("%q became %q", in, got)
		}
		if strings.Contains(rest, "\n") || len(records) != bytes.Count(in, []byte("\n")) {
			t.Errorf("%q: %d records and %q", in, len(records), rest)
		}
		// With a limit, what is short enough is the same.
		limited, rest := readBlocks(t, &pieces{in, int(size) + 1}, 8)
		var want []string
		for line := range bytes.Lines(in) {
			switch {
			case len(line) > 8 || len(line) == 8 && line[7] != '\n':
				want = append(want, "!"+string(line[:8]))
			case line[len(line)-1] == '\n':
				want = append(want, string(line))
			default:
				want = append(want, "?"+string(line))
			}
		}
		if rest != "" {
			limited = append(limited, "?"+rest)
		}
		if !slices.Equal(limited, want) {
			t.Errorf("%q: got %q, want %q", in, limited, want)
		}
	})
}

// pieces reads in pieces of a size.
type pieces struct {
	data []byte
	size int
}

func (p *pieces) Read(buf []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(buf, p.data[:min(p.size, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}

// framed puts its length before each record.
func framed(records ...string) string {
	var all []byte
	for _, r := range records {
		all = binary.BigEndian.AppendUint32(all, uint32(len(r)))
		all = append(all, r...)
	}
	return string(all)
}

func TestBlocksLength(t *testing.T) {
	const cut = "\x00\x00\x00\x04cut"
	in := framed("a", "", "1234", "123456789", "\n\n\n", strings.Repeat("x", 5000), "b")
	for size := 1; size < 40; size++ {
		b := NewReader(&pieces{[]byte(in + cut), size}, Length, 8)
		var got []string
		for {
			block, err := b.Read()
			if err == io.EOF {
				break
			}
			if _, ok := errors.AsType[*TooLongError](err); ok {
				got = append(got, "long")
			} else if err != nil {
				t.Fatal(err)
			}
			if n := Length.Count(block); n > 0 {
				var record []byte
				for ; len(block) > 0; n-- {
					record, block = Length.Next(block)
					got = append(got, string(record[LengthSize:]))
				}
				if n != 0 {
					t.Errorf("counted %d too many", n)
				}
			}
		}
		if want := []string{"a", "", "1234", "long", "\n\n\n", "long", "b"}; !slices.Equal(got, want) {
			t.Fatalf("by %d: %q, want %q", size, got, want)
		}
		if rest := b.Rest(); string(rest) != cut {
			t.Errorf("by %d: rest %q", size, rest)
		}
	}
}

// Records with their length come out as they went in, whatever they hold.
func FuzzBlocksLength(f *testing.F) {
	f.Add([]byte("a\n\nbc"), byte(3), byte(2))
	f.Add([]byte{}, byte(0), byte(0))
	f.Fuzz(func(t *testing.T, data []byte, cut, size byte) {
		var in []byte
		for rest := data; len(rest) > 0; {
			n := min(len(rest), int(cut)%7*int(rest[0])%50)
			in = append(in, framed(string(rest[:n]))...)
			rest = rest[max(n, 1):]
		}
		tail := in[:min(len(in), 3)] // no length yet
		b := NewReader(&pieces{append(slices.Clone(in), tail...), int(size) + 1}, Length, 1000)
		var got []byte
		for {
			block, err := b.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, block...)
		}
		if !bytes.Equal(got, in) || !bytes.Equal(b.Rest(), tail) {
			t.Errorf("%q became %q", in, got)
		}
	})
}

func TestLastIndexByte(t *testing.T) {
	for _, n := range []int{0, 1, 1023, 1024, 1025, 2100} {
		s := bytes.Repeat([]byte("x"), n)
		if i := lastIndexByte(s, 'y'); i != -1 {
			t.Errorf("%d: found at %d", n, i)
		}
		for at := range n {
			s[at] = 'y'
			if i := lastIndexByte(s, 'y'); i != at {
				t.Fatalf("%d: found at %d, want %d", n, i, at)
			}
			s[at] = 'x'
		}
	}
}
