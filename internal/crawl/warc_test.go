package crawl

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// archived is a record as it is read again.
type archived struct {
	header textproto.MIMEHeader
	block  []byte
}

// readArchive reads an archive member by member, and checks what every record
// must have.
func readArchive(t *testing.T, path string) (records []archived) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewReader(f)
	for {
		z, err := gzip.NewReader(in)
		if err == io.EOF {
			return records
		} else if err != nil {
			t.Fatal(err)
		}
		z.Multistream(false)
		text := bufio.NewReader(z)
		version, err := text.ReadString('\n')
		if version != "WARC/1.1\r\n" || err != nil {
			t.Fatalf("version %q, %v", version, err)
		}
		header, err := textproto.NewReader(text).ReadMIMEHeader()
		if err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(text)
		if err != nil {
			t.Fatal(err)
		}
		block, ok := bytes.CutSuffix(rest, []byte("\r\n\r\n"))
		if n, _ := strconv.Atoi(header.Get("Content-Length")); !ok || n != len(block) {
			t.Errorf("a block of %d bytes has length %d", len(block), n)
		}
		if header.Get("WARC-Block-Digest") != digest(block) || header.Get("WARC-Record-ID") == "" || header.Get("WARC-Date") == "" {
			t.Errorf("header %v", header)
		}
		records = append(records, archived{header, block})
	}
}

func TestArchive(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, "<title>packed</title>")
	_ = z.Close()
	n := newInternet(t, map[string]http.HandlerFunc{"a.test": answers(map[string]http.HandlerFunc{
		"/":     redirect("/x?y"),
		"/x":    tagged(packed.String(), "Content-Encoding", "gzip"),
		"/long": text(strings.Repeat("x", 2000)),
	})})
	n.ips = map[string]string{"a.test": "93.184.216.34"}
	path := filepath.Join(t.TempDir(), "a.warc.gz")
	w, err := CreateArchive(path, "me/1")
	if err != nil {
		t.Fatal(err)
	}
	var own Credentials
	if err := own.AddHeader("X-Api-Key: secret"); err != nil {
		t.Fatal(err)
	}
	zero := Config{Archive: w, PerHost: 1, Credentials: own, MaxBody: 1000}
	n.run(zero, "http://u:secret@a.test/\nhttp://a.test/long")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range readArchive(t, path) {
		kind, url := r.header.Get("WARC-Type"), r.header.Get("WARC-Target-URI")
		got = append(got, strings.TrimSpace(kind+" "+url+" "+r.header.Get("WARC-Truncated")))
		if bytes.Contains(r.block, []byte("secret")) || bytes.Contains(r.block, []byte("Authorization")) {
			t.Errorf("a secret is in %s", r.block)
		}
		if kind != "warcinfo" && r.header.Get("WARC-IP-Address") != "93.184.216.34" {
			t.Errorf("header %v", r.header)
		}
		switch kind {
		case "request":
			if _, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(r.block))); err != nil {
				t.Errorf("%s: %v", r.block, err)
			}
		case "response":
			response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(r.block)), nil)
			if err != nil {
				t.Errorf("%s: %v", r.block, err)
				continue
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || r.header.Get("WARC-Payload-Digest") != digest(body) {
				t.Errorf("%s: %v", r.block, err)
			}
			if strings.HasSuffix(url, "/x?y") && !bytes.Equal(body, packed.Bytes()) {
				t.Errorf("the body is not as it was sent: %q", body)
			}
		}
	}
	want := []string{"warcinfo"}
	for _, url := range []string{"/robots.txt", "/", "/x?y", "/long"} {
		length := ""
		if url == "/long" {
			length = " length"
		}
		want = append(want, "request http://a.test"+url, "response http://a.test"+url+length, "metadata http://a.test"+url)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got)\n%s", diff)
	}
	if _, err := CreateArchive(path, "me/1"); err == nil {
		t.Error("an archive that was there is written over")
	}
}
