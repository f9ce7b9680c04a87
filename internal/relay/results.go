package relay

import (
	"bytes"
	"io"
	"os"
)

// results is what a run has written. It is passed on only when it has
// succeeded: half a result is none.
type results struct {
	size int64
	buf  []byte
	file *os.File // what came after buf was full
	err  error    // of the file
}

// resultsInMemory is how much of them a file is not made for.
const resultsInMemory = 1 << 20

// Write implements io.Writer.
func (r *results) Write(p []byte) (int, error) {
	if r.file == nil && len(r.buf)+len(p) <= resultsInMemory {
		r.buf = append(r.buf, p...)
		r.size += int64(len(p))
		return len(p), nil
	}
	if r.file == nil {
		if r.file, r.err = os.CreateTemp("", "relay"); r.err != nil {
			return 0, r.err
		}
		r.err = os.Remove(r.file.Name()) // it goes with its last descriptor
	}
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.file.Write(p)
	r.size += int64(n)
	r.err = err
	return n, err
}

// reader reads them from their beginning.
func (r *results) reader() io.Reader {
	if r.file == nil {
		return bytes.NewReader(r.buf)
	}
	return io.MultiReader(bytes.NewReader(r.buf), io.NewSectionReader(r.file, 0, r.size-int64(len(r.buf))))
}

func (r *results) copyTo(w io.Writer) error {
	if r.size == 0 {
		return nil
	}
	_, err := io.Copy(w, r.reader())
	return err
}

// Close lets go of them.
func (r *results) Close() {
	if r.file != nil {
		r.file.Close()
	}
}

// lastLine passes on what a command says, and keeps its last line that is no
// hint: most often it is what went wrong.
type lastLine struct {
	w    io.Writer
	line []byte
	rest []byte // of a line that is not whole
}

// maxLine is how much of a line is kept.
const maxLine = 1000

// Write implements io.Writer.
func (l *lastLine) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		l.rest = append(l.rest, line[:min(len(line), maxLine-min(len(l.rest), maxLine))]...)
		if text := bytes.TrimSpace(l.rest); len(text) > 0 && !bytes.Contains(text, []byte(": hint: ")) {
			l.line = append(l.line[:0], text...)
		}
		if line[len(line)-1] == '\n' {
			l.rest = l.rest[:0]
		}
	}
	return l.w.Write(p)
}
