package relay

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"pipeworks/internal/transport"
)

// pieces numbers the parts of a byte stream, so that the other side knows that
// it has all of them. Before the data of a piece stand what it is (1 byte), the
// stream's random name (8), and its number (8), the highest byte first.
type pieces struct {
	stream [8]byte
	n      uint64
}

const (
	pieceHead = 1 + 8 + 8
	pieceSize = 256 << 10 // of the longest, head included
)

// What a piece is.
const (
	pieceData  = 'd'
	pieceEnd   = 'e' // the stream is whole
	pieceAbort = 'a' // it is not: the data is the reason
)

func newPieces() *pieces {
	p := &pieces{}
	_, _ = rand.Read(p.stream[:]) // it never fails
	return p
}

// next makes a message of buf, whose first bytes are room for the head.
func (p *pieces) next(buf []byte) transport.Message { return p.piece(pieceData, buf) }

// last is the final message: err is why the stream is not whole.
func (p *pieces) last(err error) transport.Message {
	if err == nil {
		return p.piece(pieceEnd, make([]byte, pieceHead))
	}
	return p.piece(pieceAbort, append(make([]byte, pieceHead), err.Error()...))
}

func (p *pieces) piece(what byte, buf []byte) transport.Message {
	buf[0] = what
	copy(buf[1:], p.stream[:])
	binary.BigEndian.PutUint64(buf[9:], p.n)
	p.n++
	return transport.Message{Body: buf, Content: transport.Piece}
}

// pieceReader puts a byte stream together again.
type pieceReader struct {
	pieces
	begun bool
	ended bool
}

// next returns the data of a message. A piece that came before has none.
func (p *pieceReader) next(m transport.Message) ([]byte, error) {
	if m.Content != transport.Piece {
		return nil, errors.New("what comes are records, not a byte stream: leave out --stream")
	}
	if len(m.Body) < pieceHead {
		return nil, fmt.Errorf("a piece of %d bytes, which has no head", len(m.Body))
	}
	stream, n := m.Body[1:9], binary.BigEndian.Uint64(m.Body[9:])
	switch {
	case !p.begun && n > 0:
		return nil, errors.New("the beginning of the byte stream is missing: another receiver took it")
	case !p.begun:
		p.begun = true
		copy(p.stream[:], stream)
	case !bytes.Equal(stream, p.stream[:]):
		return nil, errors.New("another byte stream is mixed with this one: there must be one sender")
	case n < p.n: // it was not acknowledged in time
		return nil, nil
	case n > p.n:
		return nil, fmt.Errorf("the byte stream lacks a piece: %d follows %d", n, p.n-1)
	}
	p.n++
	data := m.Body[pieceHead:]
	switch m.Body[0] {
	case pieceEnd:
		p.ended = true
		return nil, nil
	case pieceAbort:
		return nil, &transport.AbortedError{Reason: string(data)}
	}
	return data, nil
}
