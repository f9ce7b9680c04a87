package compressed

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var content = []byte(strings.Repeat("id,name\n1,Zoë\n", 20_000))

func compress(t *testing.T, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if strings.HasSuffix(name, ".zst") {
		var err error
		if w, err = zstd.NewWriter(&b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(name string, r io.Reader) ([]byte, error) {
	in, err := NewReader(name, r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(in)
}

func TestNewReader(t *testing.T) {
	for _, name := range []string{"x.csv.gz", "x.csv.zst"} {
		data := compress(t, name)
		for shape, in := range map[string]io.Reader{
			"whole":            bytes.NewReader(data),
			"a byte at a time": iotest.OneByteReader(bytes.NewReader(data)),
		} {
			if got, err := read(name, in); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s, %s: %d bytes, %v", name, shape, len(got), err)
			}
		}
		if got, err := read(name, bytes.NewReader(append(data, data...))); err != nil || !bytes.Equal(got, append(content, content...)) {
			t.Errorf("%s, twice: %d bytes, %v", name, len(got), err)
		}
	}
	for _, name := range []string{"x.csv", "gz", "zst", "x.gzip", ""} {
		if got, err := read(name, strings.NewReader("\x1f\x8b")); err != nil || string(got) != "\x1f\x8b" {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}

func TestDamage(t *testing.T) {
	broken := errors.New("broken")
	for _, name := range []string{"x.gz", "X.ZST"} {
		data := compress(t, strings.ToLower(name))
		for n := range data {
			if _, err := read(name, bytes.NewReader(data[:n])); err != errCutOff {
				t.Fatalf("%s, %d bytes of %d: got %v", name, n, len(data), err)
			}
			if _, err := read(name, io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
				t.Fatalf("%s, %d bytes and an error: got %v", name, n, err)
			}
		}
		for i := range data {
			damaged := bytes.Clone(data)
			damaged[i] ^= 0x10
			if got, err := read(name, bytes.NewReader(damaged)); err == nil && !bytes.Equal(got, content) {
				t.Errorf("%s, byte %d changed: no error", name, i)
			}
		}
		_, err := read(name, strings.NewReader("id,name\n"))
		if want := "not " + map[string]string{"x.gz": "gzip", "X.ZST": "zstd"}[name] + ", which its name says it is"; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

// What has been decompressed is read before more of the source is waited for.
func TestNewReaderDoesNotWait(t *testing.T) {
	pr, pw := io.Pipe()
	go func() {
		w := gzip.NewWriter(pw)
		_, err := io.WriteString(w, "first\n")
		if err := errors.Join(err, w.Flush()); err != nil {
			t.Error(err)
		}
	}()
	r, err := NewReader("x.gz", pr)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	if _, err := io.ReadFull(r, got); err != nil || string(got) != "first\n" {
		t.Errorf("%q, %v", got, err)
	}
	pr.Close()
}
