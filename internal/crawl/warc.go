package crawl

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

// Archive writes what was asked and answered in the form of WARC/1.1 (ISO
// 28500), compressed record by record, as its annex D wants it.
type Archive struct {
	mu   sync.Mutex
	file *os.File
	info string // the id of the warcinfo record
}

// CreateArchive makes the file at path, which must not be there yet.
func CreateArchive(path, userAgent string) (*Archive, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	w := &Archive{file: f, info: recordID()}
	block := "software: pipeworks crawl\r\nformat: WARC File Format 1.1\r\nhttp-header-user-agent: " + userAgent + "\r\n"
	r := &warcRecord{kind: "warcinfo", id: w.info, date: time.Now(), contentType: "application/warc-fields", block: []byte(block)}
	if err := w.write(r); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Close ends the archive.
func (w *Archive) Close() error {
	if w == nil {
		return nil
	}
	return w.file.Close()
}

// warcRecord is one record: a header and a block.
type warcRecord struct {
	kind, id    string
	date        time.Time
	contentType string
	header      [][2]string // further ones
	block       []byte
}

func recordID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // a random UUID: RFC 9562, section 5.4
	return fmt.Sprintf("<urn:uuid:%x-%x-%x-%x-%x>", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// digest is in the form that readers of archives check.
func digest(block []byte) string {
	sum := sha1.Sum(block)
	return "sha1:" + base32.StdEncoding.EncodeToString(sum[:])
}

// write writes records, each a member of its own, in one piece.
func (w *Archive) write(records ...*warcRecord) error {
	var packed, text bytes.Buffer
	for _, r := range records {
		text.Reset()
		fmt.Fprintf(&text, "WARC/1.1\r\nWARC-Type: %s\r\nWARC-Record-ID: %s\r\nWARC-Date: %s\r\n", r.kind, r.id, r.date.UTC().Format("2006-01-02T15:04:05.000000Z"))
		for _, h := range r.header {
			fmt.Fprintf(&text, "%s: %s\r\n", h[0], h[1])
		}
		fmt.Fprintf(&text, "WARC-Block-Digest: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", digest(r.block), r.contentType, len(r.block))
		text.Write(r.block)
		text.WriteString("\r\n\r\n")
		z := gzip.NewWriter(&packed)
		if _, err := text.WriteTo(z); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.file.Write(packed.Bytes())
	return err
}

// exchange writes a request and its answer, whose body came as raw. What the
// user gave to be shown to the server is left out.
func (w *Archive) exchange(t *task, own *Credentials, request *http.Request, response *http.Response, raw []byte, a *answer) error {
	asked, answered := recordID(), recordID()
	about := [][2]string{{"WARC-Target-URI", t.to.href}, {"WARC-Warcinfo-ID", w.info}}
	if a.ip.IsValid() {
		about = append(about, [2]string{"WARC-IP-Address", a.ip.String()})
	}
	header := request.Header.Clone()
	for name := range own.headers {
		header.Del(name)
	}
	header.Del("Authorization")
	header.Del("Cookie")
	header.Set("Host", request.URL.Host)
	var block bytes.Buffer
	fmt.Fprintf(&block, "GET %s HTTP/1.1\r\n", t.to.href[len(t.to.origin):])
	endHeader(&block, header)
	question := &warcRecord{
		kind: "request", id: asked, date: a.sent, contentType: "application/http; msgtype=request",
		header: append(slices.Clone(about), [2]string{"WARC-Concurrent-To", answered}), block: bytes.Clone(block.Bytes()),
	}

	block.Reset()
	header = response.Header.Clone()
	header.Del("Transfer-Encoding") // the block has the body without it
	header.Set("Content-Length", fmt.Sprint(len(raw)))
	fmt.Fprintf(&block, "HTTP/1.1 %s\r\n", response.Status)
	endHeader(&block, header)
	block.Write(raw)
	reply := &warcRecord{
		kind: "response", id: answered, date: a.sent, contentType: "application/http; msgtype=response",
		header: append(slices.Clone(about), [2]string{"WARC-Payload-Digest", digest(raw)}), block: block.Bytes(),
	}
	if reason := truncated(a); reason != "" {
		reply.header = append(reply.header, [2]string{"WARC-Truncated", reason})
	}

	note := fmt.Sprintf("fetchTimeMs: %d\r\nhopsFromSeed: %d\r\n", time.Since(a.sent).Milliseconds(), t.depth)
	if t.parent != "" {
		note += "via: " + t.parent + "\r\n"
	}
	remark := &warcRecord{
		kind: "metadata", id: recordID(), date: a.sent, contentType: "application/warc-fields",
		header: append(slices.Clone(about), [2]string{"WARC-Concurrent-To", answered}), block: []byte(note),
	}
	return w.write(question, reply, remark)
}

func endHeader(block *bytes.Buffer, header http.Header) {
	_ = header.Write(block)
	block.WriteString("\r\n")
}

// truncated is why a body is not whole, in the words of the standard.
func truncated(a *answer) string {
	if a.err == nil || a.err.Kind == kindHTTP {
		return ""
	}
	switch {
	case a.err.Kind == kindTimeout:
		return "time"
	case a.err.Retryable:
		return "disconnect"
	}
	return "length"
}
